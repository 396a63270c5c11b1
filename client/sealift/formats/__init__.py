"""Formats that both sides read, and no value of theirs in a log."""
