"""Ready policies; `load_policy` reads them by name."""
