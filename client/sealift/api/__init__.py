"""One connected member: the objects that a `Session` hands out."""
