"""From records to commits."""
