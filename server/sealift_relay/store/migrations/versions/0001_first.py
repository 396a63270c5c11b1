"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "invites",
        sa.Column("secret_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("certificate", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("secret_digest"),
    )
    op.create_table(
        "members",
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "cards",
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fingerprint"],
            ["members.fingerprint"],
        ),
        sa.PrimaryKeyConstraint("fingerprint", "version"),
    )
    op.create_table(
        "certificates",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fingerprint"],
            ["members.fingerprint"],
        ),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "datasets",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("owner", sa.LargeBinary(length=32), nullable=False),
        sa.Column("head_number", sa.BigInteger(), nullable=False),
        sa.Column("head_digest", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner"],
            ["members.fingerprint"],
        ),
        sa.PrimaryKeyConstraint("dataset_id"),
    )
    op.create_table(
        "shards",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("shard_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("stored_size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("segment_digests", sa.LargeBinary(), nullable=False),
        sa.Column("uploaded_by", sa.LargeBinary(length=32), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("committed_by", sa.BigInteger(), nullable=True),
        sa.Column("removed_by", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["uploaded_by"],
            ["members.fingerprint"],
        ),
        sa.PrimaryKeyConstraint("dataset_id", "shard_id"),
    )
    op.create_table(
        "authors",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["datasets.dataset_id"],
        ),
        sa.PrimaryKeyConstraint("dataset_id", "fingerprint"),
    )
    op.create_table(
        "commits",
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["datasets.dataset_id"],
        ),
        sa.PrimaryKeyConstraint("dataset_id", "number"),
    )
    op.create_table(
        "grants",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("dataset_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("key_epoch", sa.BigInteger(), nullable=False),
        sa.Column("recipient", sa.LargeBinary(length=32), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("not_after", sa.BigInteger(), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["datasets.dataset_id"],
        ),
        sa.ForeignKeyConstraint(
            ["recipient"],
            ["members.fingerprint"],
        ),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index(
        "grants_by_recipient", "grants", ["recipient", "dataset_id"], unique=False
    )


def downgrade() -> None:
    op.drop_index("grants_by_recipient", table_name="grants")
    op.drop_table("grants")
    op.drop_table("commits")
    op.drop_table("authors")
    op.drop_table("shards")
    op.drop_table("datasets")
    op.drop_table("certificates")
    op.drop_table("cards")
    op.drop_table("members")
    op.drop_table("invites")
