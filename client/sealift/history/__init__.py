"""A dataset's verified history, and the contents that its commits seal."""
