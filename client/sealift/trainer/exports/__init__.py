"""Writing what was opened to files, one module a form."""
