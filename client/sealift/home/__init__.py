"""What this machine remembers: profiles, pins, last-seen records and backups."""
