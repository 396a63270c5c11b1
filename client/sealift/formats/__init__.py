"""File formats that owner and trainer read, without any of their values in a log."""
