"""Which record comes when, and opening ahead of the loop."""
