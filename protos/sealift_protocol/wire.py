"""Names and limits of the calls that client and relay must agree on."""

from __future__ import annotations

# Every other service has a generated stub; this one's segments bypass the generated classes.
SHARDS_SERVICE = "sealift.v1.Shards"
PUT_SHARD = f"/{SHARDS_SERVICE}/Put"
GET_SHARDS = f"/{SHARDS_SERVICE}/Get"
# Most segment ranges in one Get, and most shard ids in one Stat.
MAX_RANGES = 1024
# Most object digests in one Prove.
MAX_DIGESTS = 1024
