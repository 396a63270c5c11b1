"""What a loop waits for, counted and shown."""
