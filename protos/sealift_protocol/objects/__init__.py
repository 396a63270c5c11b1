"""Signed objects as typed data: one module per subject."""
