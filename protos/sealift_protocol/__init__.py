"""Shared by owner, relay and trainer: formats, objects, errors. It holds no secrets."""

__version__ = "0.1.0"
