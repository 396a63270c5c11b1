"""Bills of materials: the format, and the rules that one is checked against."""
