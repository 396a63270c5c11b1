"""The trainer's side: from the relay's ciphertext to batches in memory."""
