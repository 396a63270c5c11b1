"""Sealift for owners and trainers."""
