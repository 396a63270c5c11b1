"""The trainer's side: from a relay's ciphertext to batches in memory."""
