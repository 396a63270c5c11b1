"""Alembic's entry: runs migrations on the connection that `upgrade` passes in."""

from __future__ import annotations

from alembic import context

from sealift_relay.store.schema import tables

context.configure(
    connection=context.config.attributes["connection"], target_metadata=tables
)
with context.begin_transaction():
    context.run_migrations()
