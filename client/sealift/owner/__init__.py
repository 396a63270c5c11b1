"""The owner's side: from a source of records to sealed shards at a relay."""
