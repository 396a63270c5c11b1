"""One file a gRPC service: check, call the store, answer."""
