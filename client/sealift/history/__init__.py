"""What a dataset is: its verified history and what commits keep from the relay."""
