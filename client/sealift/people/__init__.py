"""The life of members: joining, cards, endorsement, succession, compromise, health."""
