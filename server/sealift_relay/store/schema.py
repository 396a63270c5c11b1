"""The metadata tables. A change here needs a migration in migrations/versions."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
)

tables = MetaData()

members = Table(
    "members",
    tables,
    Column("fingerprint", LargeBinary(32), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("enrolled_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

certificates = Table(
    "certificates",
    tables,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("fingerprint", ForeignKey("members.fingerprint"), nullable=False),
    Column("not_after", BigInteger, nullable=False),
)

invites = Table(
    "invites",
    tables,
    Column("secret_digest", LargeBinary(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("request_digest", LargeBinary(32)),
    Column("certificate", LargeBinary),
)

cards = Table(
    "cards",
    tables,
    Column("fingerprint", ForeignKey("members.fingerprint"), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("signed", LargeBinary, nullable=False),
)

datasets = Table(
    "datasets",
    tables,
    Column("dataset_id", LargeBinary(16), primary_key=True),
    Column("owner", ForeignKey("members.fingerprint"), nullable=False),
    Column("head_number", BigInteger, nullable=False),
    Column("head_digest", LargeBinary(32), nullable=False),
)

authors = Table(
    "authors",
    tables,
    Column("dataset_id", ForeignKey("datasets.dataset_id"), primary_key=True),
    Column("fingerprint", LargeBinary(32), primary_key=True),
)

commits = Table(
    "commits",
    tables,
    Column("dataset_id", ForeignKey("datasets.dataset_id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("signed", LargeBinary, nullable=False),
)

grants = Table(
    "grants",
    tables,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("dataset_id", ForeignKey("datasets.dataset_id"), nullable=False),
    Column("key_epoch", BigInteger, nullable=False),
    Column("recipient", ForeignKey("members.fingerprint"), nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("signed", LargeBinary, nullable=False),
    Index("grants_by_recipient", "recipient", "dataset_id"),
)

# A shard may wait for its commit, and its dataset for its commit 0: no foreign key to datasets.
shards = Table(
    "shards",
    tables,
    Column("dataset_id", LargeBinary(16), primary_key=True),
    Column("shard_id", LargeBinary(16), primary_key=True),
    Column("stored_size", BigInteger, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("header", LargeBinary, nullable=False),
    Column("segment_digests", LargeBinary, nullable=False),
    Column("uploaded_by", ForeignKey("members.fingerprint"), nullable=False),
    Column("stored_at", BigInteger, nullable=False),
    Column("committed_by", BigInteger),
    Column("removed_by", BigInteger),
)
