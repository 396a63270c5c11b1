"""What the process needs of its machine: memory, files, clock, log, hardening."""
