"""The log, statements, snapshots, quotas, retention."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _new_columns() -> dict[str, tuple[sa.Column[object], ...]]:
    # New columns for each statement, because a column belongs to one.
    return {
        "members": (
            sa.Column("suspended_at", sa.BigInteger()),
            sa.Column("successor", sa.LargeBinary(length=32)),
            sa.Column(
                "used_bytes", sa.BigInteger(), nullable=False, server_default="0"
            ),
            sa.Column(
                "used_shards", sa.BigInteger(), nullable=False, server_default="0"
            ),
            sa.Column("bytes_limit", sa.BigInteger()),
            sa.Column("shards_limit", sa.BigInteger()),
            sa.Column("calls_a_minute", sa.BigInteger()),
        ),
        "cards": (sa.Column("digest", sa.LargeBinary(length=32)),),
        "datasets": (
            sa.Column("key_epoch", sa.BigInteger(), nullable=False, server_default="1"),
            sa.Column("snapshot_number", sa.BigInteger()),
            sa.Column(
                "log_sequence", sa.BigInteger(), nullable=False, server_default="0"
            ),
            sa.Column("deleted_at", sa.BigInteger()),
        ),
        "grants": (sa.Column("revoked_at", sa.BigInteger()),),
        "shards": (
            sa.Column("not_after", sa.BigInteger(), nullable=False, server_default="0"),
            sa.Column("destroyed_at", sa.BigInteger()),
        ),
    }


def upgrade() -> None:
    for table, columns in _new_columns().items():
        for column in columns:
            op.add_column(table, column)
    op.create_table(
        "rewraps",
        sa.Column("grant_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["grant_digest"], ["grants.digest"]),
        sa.PrimaryKeyConstraint("grant_digest", "key_id"),
    )
    op.create_table(
        "pages",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.dataset_id"]),
        sa.PrimaryKeyConstraint("dataset_id", "digest"),
    )
    op.create_table(
        "statements",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("signer", sa.LargeBinary(length=32), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=32), nullable=True),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("statements_by_subject", "statements", ["subject"])
    op.create_table(
        "probes",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sender", sa.LargeBinary(length=32), nullable=False),
        sa.Column("recipient", sa.LargeBinary(length=32), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "log_entries",
        sa.Column("position", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("log_entries_by_dataset", "log_entries", ["dataset_id", "sequence"])
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("position", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position"),
    )
    log_state = op.create_table(
        "log_state",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(log_state, [{"id": 1, "size": 0, "checkpoint": None}])


def downgrade() -> None:
    for table in (
        "log_state",
        "log_tiles",
        "log_entries",
        "probes",
        "statements",
        "pages",
        "rewraps",
    ):
        op.drop_table(table)
    for table, columns in _new_columns().items():
        for column in columns:
            op.drop_column(table, column.name)
