"""Doubles of services that do not run here; each says what it doubles."""
