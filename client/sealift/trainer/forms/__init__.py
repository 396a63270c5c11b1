"""Records into batches, batches into arrays and tensors."""
