"""Count and report what a training loop waits for."""
