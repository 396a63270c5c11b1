"""What an owner does to an existing dataset: access, resealing, erasure."""
