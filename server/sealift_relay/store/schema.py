"""The metadata tables. A change here needs a migration in migrations/versions."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

REVISION = "0002"
"""The newest migration."""

tables = MetaData()

members = Table(
    "members",
    tables,
    Column("fingerprint", LargeBinary(32), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("enrolled_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("suspended_at", BigInteger),
    # The identity that succeeded this one.
    Column("successor", LargeBinary(32)),
    Column("used_bytes", BigInteger, nullable=False, server_default="0"),
    Column("used_shards", BigInteger, nullable=False, server_default="0"),
    # Limits of this member; null means the relay's default.
    Column("bytes_limit", BigInteger),
    Column("shards_limit", BigInteger),
    Column("calls_a_minute", BigInteger),
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
    Column("digest", LargeBinary(32)),
)

datasets = Table(
    "datasets",
    tables,
    Column("dataset_id", LargeBinary(16), primary_key=True),
    Column("owner", ForeignKey("members.fingerprint"), nullable=False),
    Column("head_number", BigInteger, nullable=False),
    Column("head_digest", LargeBinary(32), nullable=False),
    Column("key_epoch", BigInteger, nullable=False, server_default="1"),
    Column("snapshot_number", BigInteger),
    Column("log_sequence", BigInteger, nullable=False, server_default="0"),
    Column("deleted_at", BigInteger),
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
    Column("revoked_at", BigInteger),
    Index("grants_by_recipient", "recipient", "dataset_id"),
)

rewraps = Table(
    "rewraps",
    tables,
    Column("grant_digest", ForeignKey("grants.digest"), primary_key=True),
    Column("key_id", LargeBinary(16), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("signed", LargeBinary, nullable=False),
)

# Pages come before the commit whose snapshot names them, and are shared by later ones.
pages = Table(
    "pages",
    tables,
    Column("dataset_id", ForeignKey("datasets.dataset_id"), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

# Endorsements, successions, identity revocations, disclosures, accountings, purge receipts.
statements = Table(
    "statements",
    tables,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("kind", Integer, nullable=False),
    Column("signer", LargeBinary(32), nullable=False),
    # The member that it is about: the endorsed one, or the successor.
    Column("subject", LargeBinary(32)),
    Column("dataset_id", LargeBinary(16)),
    Column("signed", LargeBinary, nullable=False),
    Index("statements_by_subject", "subject"),
)

probes = Table(
    "probes",
    tables,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("sender", LargeBinary(32), nullable=False),
    Column("recipient", LargeBinary(32), nullable=False),
    Column("stored_at", BigInteger, nullable=False),
    Column("signed", LargeBinary, nullable=False),
    Column("answer", LargeBinary),
)

log_entries = Table(
    "log_entries",
    tables,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("dataset_id", LargeBinary(16), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    Index("log_entries_by_dataset", "dataset_id", "sequence"),
)

# C2SP tlog-tiles: 256 hashes a tile; the last tile of a level is still being filled.
log_tiles = Table(
    "log_tiles",
    tables,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

# One row, which each append to the log locks.
log_state = Table(
    "log_state",
    tables,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("checkpoint", LargeBinary),
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
    Column("not_after", BigInteger, nullable=False, server_default="0"),
    Column("destroyed_at", BigInteger),
)
