"""Buffers are reused, and wiped, when nothing refers to them."""

from __future__ import annotations

import gc

import pyarrow as pa
import pytest
from memory import addresses

from sealift.process.buffers import BufferPool
from sealift_protocol.errors import InvalidArgument


def test_a_buffer_is_reused_only_when_nobody_looks_at_it() -> None:
    with BufferPool(4096, 2) as pool:
        first = pool.lease(100)
        where = addresses(first)
        part = first[10:20]
        del first
        gc.collect()
        assert addresses(pool.lease()).start != where.start
        array = pa.py_buffer(part)
        del part
        gc.collect()
        assert addresses(pool.lease()).start != where.start
        del array
        gc.collect()
        starts = {addresses(lease).start for lease in (pool.lease(), pool.lease())}
        assert where.start in starts


def test_a_closed_pool_wipes_what_comes_back() -> None:
    pool = BufferPool(4096, 1)
    lease = pool.lease()
    lease[:6] = b"secret"
    other = pool.lease()
    del other
    pool.close()
    assert bytes(lease[:6]) == b"secret"
    with pytest.raises(InvalidArgument):
        pool.lease(4097)
