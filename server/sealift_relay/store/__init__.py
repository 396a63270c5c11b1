"""What the relay stores: blobs and metadata, each chosen by URL."""
