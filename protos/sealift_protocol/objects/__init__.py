"""Signed objects as typed data: one module a subject."""
