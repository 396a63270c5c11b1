"""gRPC services, one per file: each checks the call, asks the store and answers."""
