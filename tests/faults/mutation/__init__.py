"""What mutate.py is made of."""
