"""How far ahead of the loop shards are opened."""

from __future__ import annotations

from sealift.trainer.engine.reading import opened_size
from sealift.trainer.options import ReadOptions
from sealift_protocol.layout import LOG2_SEGMENT_SIZE, MAX_SHARD_PLAINTEXT, stored_size
from sealift_protocol.objects.commits import ShardEntry


def test_full_shards_are_read_ahead_by_as_many_threads_as_there_are() -> None:
    size = stored_size(MAX_SHARD_PLAINTEXT, 1 << LOG2_SEGMENT_SIZE)
    entry = ShardEntry(bytes(16), 1, size, bytes(32))
    assert opened_size(entry) == MAX_SHARD_PLAINTEXT
    options = ReadOptions()
    assert options.read_ahead >= options.threads * opened_size(entry)
