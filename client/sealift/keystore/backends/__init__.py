"""Key backends, one module each."""
