"""The relay's storage: blobs and metadata, each chosen by URL."""
