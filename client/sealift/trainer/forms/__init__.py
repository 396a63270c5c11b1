"""Gather records into batches, and batches into arrays and tensors."""
