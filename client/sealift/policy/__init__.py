"""De-identification policies as files: their grammar and the ready ones."""
