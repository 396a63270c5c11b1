"""What an owner does to a dataset that is there: access, resealing, erasure."""
