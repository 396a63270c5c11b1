"""Bills of materials: the format, and the rules for checking one."""
