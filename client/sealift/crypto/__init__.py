"""Sealing, signing and wrapping: bytes in, bytes out. No sockets, no files."""
