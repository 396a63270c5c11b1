"""Memory, files, clock, log and hardening of the process."""
