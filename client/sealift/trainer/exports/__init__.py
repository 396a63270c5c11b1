"""Write an opened dataset to files, one module for each format."""
