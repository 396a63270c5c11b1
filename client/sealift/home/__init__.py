"""What this machine remembers: the profile, pins, what was seen last, backups."""
