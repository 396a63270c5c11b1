"""De-identification policy files: their grammar, and the ready policies."""
