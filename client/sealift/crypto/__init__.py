"""What is sealed, signed and wrapped: bytes in, bytes out. No socket, no file."""
