"""The cache of sealed shards: ciphertext with holes, never believed, never over its limit."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest
from patience import PATIENCE
from shards import seal_shard

from sealift.crypto.sealing import ShardContext
from sealift.process.secret import Secret
from sealift.trainer.engine.cache import ShardCache, default_folder
from sealift_protocol.errors import InvalidArgument
from sealift_protocol.layout import ShardHead
from sealift_protocol.objects.commits import ShardEntry

DATASET = b"d" * 16
KEY = Secret(b"k" * 32)


def sealed(name: int, size: int = 10_000) -> tuple[bytes, ShardHead, ShardEntry]:
    shard_id = name.to_bytes(16, "big")
    context = ShardContext(DATASET, shard_id, 1)
    shard = seal_shard(
        os.urandom(size), epoch_key=KEY, context=context, log2_segment_size=12
    )
    entry = ShardEntry(shard_id, 1, len(shard.data), shard.head.digest)
    return shard.data, shard.head, entry


def keep(
    cache: ShardCache, data: bytes, head: ShardHead, entry: ShardEntry, *only: int
) -> None:
    file = cache.open(DATASET, entry, write=True)
    assert file is not None
    with file:
        file.write_head(head)
        for index in only or range(head.segment_count):
            start = head.segment_offset(index)
            segment = data[start : start + head.sealed_segment_size(index)]
            file.write_segment(head, index, memoryview(segment))


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    data, head, entry = sealed(1)
    assert cache.open(DATASET, entry, write=False) is None
    keep(cache, data, head, entry)
    file = cache.open(DATASET, entry, write=False)
    assert file is not None
    with file:
        assert file.read_head() == head
        scratch = memoryview(bytearray(1 << 13))
        for index in range(head.segment_count):
            segment = file.read_segment(head, index, scratch)
            assert segment is not None
            head.check_segment(index, segment)


def test_a_file_is_the_shard_and_its_digests(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    data, head, entry = sealed(1)
    keep(cache, data, head, entry)
    file = tmp_path / "cache" / DATASET.hex() / entry.shard_id.hex()
    assert file.read_bytes() == data + head.segment_digests
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_segment_that_was_not_kept_is_a_hole(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    data, head, entry = sealed(1)
    keep(cache, data, head, entry, 1)
    file = cache.open(DATASET, entry, write=False)
    assert file is not None
    scratch = memoryview(bytearray(1 << 13))
    with file:
        there = [
            file.read_segment(head, i, scratch) is not None
            for i in range(head.segment_count)
        ]
    assert there == [False, True, False]


@pytest.mark.parametrize("size", [0, 50, 119, 120, 200])
def test_a_file_that_ends_too_early_has_no_head(tmp_path: Path, size: int) -> None:
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    data, head, entry = sealed(1)
    keep(cache, data, head, entry)
    path = tmp_path / "cache" / DATASET.hex() / entry.shard_id.hex()
    path.write_bytes(path.read_bytes()[:size])
    file = cache.open(DATASET, entry, write=False)
    assert file is not None
    with file:
        assert file.read_head() is None


def test_a_header_of_something_else_is_no_head(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    data, head, entry = sealed(1)
    keep(cache, data, head, entry)
    path = tmp_path / "cache" / DATASET.hex() / entry.shard_id.hex()
    path.write_bytes(b"X" + path.read_bytes()[1:])
    file = cache.open(DATASET, entry, write=False)
    assert file is not None
    with file:
        assert file.read_head() is None


def test_the_shards_that_were_used_longest_ago_make_room(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 400_000)
    shards = [sealed(name, 50_000) for name in range(12)]
    for number, (data, head, entry) in enumerate(shards):
        keep(cache, data, head, entry)
        path = tmp_path / "cache" / DATASET.hex() / entry.shard_id.hex()
        os.utime(path, ns=(number * 10**9, number * 10**9))
        if number >= 3:
            # The first one is used again and again.
            again = cache.open(DATASET, shards[0][2], write=False)
            if again is not None:
                again.__exit__(None, None, None)
        assert cache.size() <= 400_000 + 60_000
    left = {path.name for path in (tmp_path / "cache" / DATASET.hex()).iterdir()}
    assert shards[0][2].shard_id.hex() in left
    assert shards[-1][2].shard_id.hex() in left
    assert shards[1][2].shard_id.hex() not in left


def test_a_limit_below_one_shard_still_works(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 0)
    for name in range(3):
        keep(cache, *sealed(name))
    assert len(list((tmp_path / "cache" / DATASET.hex()).iterdir())) == 1


def test_shards_that_are_not_to_be_kept_are_destroyed(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    shards = [sealed(name) for name in range(4)]
    for shard in shards:
        keep(cache, *shard)
    assert cache.keep_only(DATASET, {shards[2][2].shard_id}) == 3
    left = [path.name for path in (tmp_path / "cache" / DATASET.hex()).iterdir()]
    assert left == [shards[2][2].shard_id.hex()]
    assert cache.keep_only(b"e" * 16, set()) == 0


def _hold(folder: Path, entry: ShardEntry, held: object, done: object) -> None:
    file = ShardCache(folder, 1 << 30).open(DATASET, entry, write=True)
    assert file is not None
    assert file.lock(5)
    held.set()  # type: ignore[attr-defined]
    done.wait(20)  # type: ignore[attr-defined]
    os._exit(9)


def test_one_process_fetches_a_shard_and_its_death_lets_others_go_on(
    tmp_path: Path,
) -> None:
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    _, _, entry = sealed(1)
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    process = context.Process(
        target=_hold, args=(tmp_path / "cache", entry, held, done)
    )
    process.start()
    assert held.wait(PATIENCE)
    file = cache.open(DATASET, entry, write=True)
    assert file is not None
    with file:
        assert not file.lock(0.05)
        done.set()
        assert file.lock(10)
    process.join()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 1 << 30)
    _, _, entry = sealed(1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    (tmp_path / "cache" / DATASET.hex()).mkdir()
    (tmp_path / "cache" / DATASET.hex() / entry.shard_id.hex()).symlink_to(elsewhere)
    assert cache.open(DATASET, entry, write=True) is None
    assert cache.open(DATASET, entry, write=False) is None
    assert elsewhere.read_bytes() == b"mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidArgument, match="not a directory") as caught:
        ShardCache(tmp_path / "file" / "cache")
    assert "cache=None" in caught.value.hint


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(InvalidArgument, match="another user"):
        ShardCache(tmp_path / "cache")


def test_the_environment_says_where_the_cache_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALIFT_CACHE", str(tmp_path / "here"))
    assert default_folder() == tmp_path / "here"
    monkeypatch.delenv("SEALIFT_CACHE")
    assert default_folder().name == "shards"
