"""Shared by owner, relay and trainer: formats, objects, errors. It holds no secrets."""

__version__ = "0.2.0.dev0"
