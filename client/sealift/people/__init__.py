"""Members: joining, trust, identities, key rotation, compromise and health checks."""
