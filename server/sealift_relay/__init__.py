"""The relay: stores and serves sealed shards that it cannot read."""
