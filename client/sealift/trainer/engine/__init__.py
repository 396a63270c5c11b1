"""Decide the order of records, and open shards ahead of the loop."""
