"""Looks for identifiers in what a trainer gets: `python -m leaks.run` in tests/."""
