"""One file for each place where keys can live."""
