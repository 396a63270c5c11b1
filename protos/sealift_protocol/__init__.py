"""What owner, relay and trainer agree on: formats, objects, errors. No secret lives here."""

__version__ = "0.2.0.dev0"
