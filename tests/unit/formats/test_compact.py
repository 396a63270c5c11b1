"""Sealed bytes hold exactly the records: no neighbour, nothing under a null, no left-over bit."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealift.formats.compact import compact
from sealift.owner.push.packing import Packer, plain_schema
from sealift.process.buffers import BufferPool
from sealift_protocol.errors import SchemaMismatch

# Present in every left-over; never in a record.
NEEDLE = "needle-of-another-person"
NUMBER = 0x5EED_5EED
TIME = datetime.datetime(2261, 4, 9, tzinfo=datetime.UTC)
LEFT_OVER: dict[pa.DataType, Any] = {
    pa.int64(): NUMBER,
    pa.uint8(): 0xA5,
    pa.float64(): 1234.5,
    pa.float16(): np.float16(77),
    pa.bool_(): True,
    pa.string(): NEEDLE,
    pa.large_string(): NEEDLE,
    pa.string_view(): NEEDLE,
    pa.binary(): NEEDLE.encode(),
    pa.large_binary(): NEEDLE.encode(),
    pa.binary_view(): NEEDLE.encode(),
    pa.binary(6): b"needle",
    pa.date32(): TIME.date(),
    pa.timestamp("us", "UTC"): TIME,
    pa.time64("us"): datetime.time(5, 6, 7),
    pa.duration("s"): datetime.timedelta(seconds=NUMBER),
    pa.decimal128(20, 2): Decimal(NUMBER),
    pa.decimal256(50, 2): Decimal(NUMBER),
    pa.month_day_nano_interval(): pa.MonthDayNano([9, 8, 7]),
    pa.null(): None,
}
KINDS = st.recursive(
    st.sampled_from(list(LEFT_OVER)),
    lambda inner: st.one_of(
        inner.map(pa.list_),
        inner.map(pa.large_list),
        inner.map(pa.list_view),
        st.tuples(inner, st.integers(1, 3)).map(lambda pair: pa.list_(*pair)),
        st.lists(inner, max_size=3).map(
            lambda kinds: pa.struct([(f"f{n}", kind) for n, kind in enumerate(kinds)])
        ),
        inner.map(lambda kind: pa.map_(pa.string(), kind)),
    ),
    max_leaves=4,
)


def left_over(kind: pa.DataType) -> Any:
    """A value that must not be found anywhere."""
    if kind in LEFT_OVER:
        return LEFT_OVER[kind]
    if pa.types.is_struct(kind):
        return {field.name: left_over(field.type) for field in kind}
    if pa.types.is_map(kind):
        return [(NEEDLE, left_over(kind.item_type))]
    count = kind.list_size if pa.types.is_fixed_size_list(kind) else 2
    return [left_over(kind.value_type)] * count


def values_of(kind: pa.DataType) -> st.SearchStrategy[Any]:
    texts = st.text("xyz", max_size=20)
    flat: dict[str, st.SearchStrategy[Any]] = {
        "bool": st.booleans(),
        "null": st.none(),
        "int64": st.integers(0, 99),
        "uint8": st.integers(0, 9),
        "double": st.integers(0, 9).map(float),
        "halffloat": st.integers(0, 9).map(np.float16),
        "fixed_size_binary[6]": st.binary(min_size=6, max_size=6),
        "date32[day]": st.dates(),
        "timestamp[us, tz=UTC]": st.integers(0, 10**9).map(
            lambda n: datetime.datetime.fromtimestamp(n, datetime.UTC)
        ),
        "time64[us]": st.times(),
        "duration[s]": st.integers(0, 9).map(lambda n: datetime.timedelta(seconds=n)),
        "decimal128(20, 2)": st.integers(0, 9).map(Decimal),
        "decimal256(50, 2)": st.integers(0, 9).map(Decimal),
        "month_day_nano_interval": st.integers(0, 9).map(
            lambda n: pa.MonthDayNano([n, n, n])
        ),
    }
    if pa.types.is_struct(kind):
        found = st.fixed_dictionaries(
            {field.name: values_of(field.type) for field in kind}
        )
    elif pa.types.is_map(kind):
        pairs = st.tuples(texts, values_of(kind.item_type))
        found = st.lists(pairs, max_size=3)
    elif pa.types.is_fixed_size_list(kind):
        size = kind.list_size
        found = st.lists(values_of(kind.value_type), min_size=size, max_size=size)
    elif kind not in LEFT_OVER:
        found = st.lists(values_of(kind.value_type), max_size=3)
    elif "string" in str(kind):
        found = texts
    else:
        found = flat.get(str(kind), texts.map(str.encode))
    return st.none() | found


def children(array: pa.Array) -> list[pa.Array]:
    if pa.types.is_struct(array.type):
        return [array.field(n) for n in range(array.type.num_fields)]
    return [array.values] if pa.types.is_nested(array.type) else []


def soiled(kind: pa.DataType, values: list[Any]) -> pa.Array:
    """An array of the values, with left-overs around it, under its nulls and in its bitmap."""
    waste = left_over(kind)
    full = [waste, *(waste if value is None else value for value in values), waste]
    full += [waste] * 2
    array = pa.array(full, kind) if kind in LEFT_OVER else nested(kind, full)
    if pa.types.is_null(kind):
        return array.slice(1, len(values))
    valid = [True, *(value is not None for value in values), True, True, True]
    bits = np.packbits(np.array(valid + [True] * 70), bitorder="little")
    own = len(array.buffers()) if kind in LEFT_OVER else kind.num_buffers
    array = pa.Array.from_buffers(
        kind,
        len(full),
        [pa.py_buffer(bits), *array.buffers()[1:own]],
        children=children(array),
    )
    return array.slice(1, len(values))


def nested(kind: pa.DataType, rows: list[Any]) -> pa.Array:
    """Nested values without nulls of their own, whose inner arrays are soiled."""
    if pa.types.is_struct(kind):
        inner = [soiled(f.type, [row[f.name] for row in rows]) for f in kind]
        return pa.Array.from_buffers(kind, len(rows), [None], children=inner)
    if pa.types.is_map(kind):
        pairs = [pair for row in rows for pair in row]
        keys = soiled(pa.string(), [key for key, _ in pairs])
        items = soiled(kind.item_type, [item for _, item in pairs])
        entries = pa.Array.from_buffers(
            pa.struct([kind.key_field, kind.item_field]),
            len(pairs),
            [None],
            children=[keys, items],
        )
        offsets = np.cumsum([0, *map(len, rows)]).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets)]
        return pa.Array.from_buffers(kind, len(rows), buffers, children=[entries])
    inner = [soiled(kind.value_type, [item for row in rows for item in row])]
    if pa.types.is_fixed_size_list(kind):
        return pa.Array.from_buffers(kind, len(rows), [None], children=inner)
    wide = np.int64 if pa.types.is_large_list(kind) else np.int32
    offsets = np.cumsum([0, *map(len, rows)]).astype(wide)
    buffers = [None, pa.py_buffer(offsets)]
    if pa.types.is_list_view(kind):
        buffers = [
            None,
            pa.py_buffer(offsets[:-1].copy()),
            pa.py_buffer(np.diff(offsets)),
        ]
    return pa.Array.from_buffers(kind, len(rows), buffers, children=inner)


def payload(columns: list[pa.Array]) -> bytes:
    """What would be sealed of some columns."""
    batch = pa.record_batch(columns, [f"c{n}" for n in range(len(columns))])
    with BufferPool(1 << 16, 1) as pool:
        packer = Packer(plain_schema(batch.schema), pool, max_payload=1 << 15)
        shards = [*packer.add(batch), *packer.finish()]
        content = b"".join(bytes(s.buffer[: s.payload_size]) for s in shards)
        del shards[:]
    return content


@given(st.data(), KINDS)
@settings(max_examples=150, deadline=None)
def test_a_payload_is_that_of_the_same_records_made_afresh(
    data: st.DataObject, kind: pa.DataType
) -> None:
    values = data.draw(st.lists(values_of(kind), min_size=1, max_size=12))
    array = soiled(kind, values)
    afresh = pa.array(values, kind)
    assert array.to_pylist() == afresh.to_pylist()
    sealed = payload([array])
    assert sealed == payload([afresh])
    assert NEEDLE.encode() not in sealed
    with pa.ipc.open_stream(sealed) as reader:
        batch = reader.read_next_batch()
    batch.validate(full=True)
    assert batch.column(0).to_pylist() == afresh.to_pylist()


def kept_by_views() -> pa.Array:
    long = [f"{NEEDLE}-{n}" for n in range(9)]
    texts = [*long, "a text that is longer than a view", "short"]
    return pa.array(texts, pa.string_view()).slice(9)


def behind_short_views() -> pa.Array:
    views = b"".join(
        (1).to_bytes(4, "little") + letter + NEEDLE.encode()[:11]
        for letter in (b"a", b"b")
    )
    return pa.Array.from_buffers(pa.string_view(), 2, [None, pa.py_buffer(views)])


def of_a_dictionary() -> pa.Array:
    return pa.array([NEEDLE, "a", "b", "a"]).dictionary_encode().slice(1)


def of_runs() -> pa.Array:
    return pc.run_end_encode(pa.array([NEEDLE] * 3 + ["a"] * 4 + [NEEDLE])).slice(3, 4)


def of_runs_under_a_null() -> pa.Array:
    runs = pc.run_end_encode(pa.array(["a", "a", NEEDLE, "b"]))
    return pa.StructArray.from_arrays(
        [runs], ["runs"], mask=pa.array([False, False, True, False])
    )


def of_a_union(mode: str) -> pa.Array:
    texts = pa.array([NEEDLE, "a", NEEDLE, "b", NEEDLE])
    numbers = pa.array([1, NUMBER, 2, NUMBER, 3])
    codes = pa.array([1, 0, 1, 0, 1], pa.int8())
    if mode == "sparse":
        return pa.UnionArray.from_sparse(codes, [texts, numbers]).slice(1, 3)
    at = pa.array([0, 1, 2, 3, 4], pa.int32())
    return pa.UnionArray.from_dense(codes, at, [texts, numbers]).slice(1, 3)


def of_a_union_under_a_null(mode: str) -> pa.Array:
    mask = pa.array([False, True, False])
    return pa.StructArray.from_arrays([of_a_union(mode)], ["u"], mask=mask)


def of_an_extension() -> pa.Array:
    storage = soiled(pa.list_(pa.int64(), 2), [[1, 2], None, [3, 4]])
    return pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.int64(), [2]), storage
    )


@pytest.mark.parametrize(
    "array",
    [
        kept_by_views(),
        behind_short_views(),
        of_a_dictionary(),
        of_runs(),
        of_a_union("sparse"),
        of_a_union("dense"),
        of_a_union_under_a_null("sparse"),
        of_a_union_under_a_null("dense"),
        of_an_extension(),
        pa.table({"a": [NEEDLE, "b"]}).filter(pa.array([False, True]))["a"].chunk(0),
    ],
    ids=lambda array: str(array.type)[:30],
)
def test_no_left_over_is_sealed(array: pa.Array) -> None:
    sealed = payload([array])
    assert NEEDLE.encode()[:11] not in sealed
    assert NUMBER.to_bytes(8, "little") not in sealed
    with pa.ipc.open_stream(sealed) as reader:
        batch = reader.read_next_batch()
    batch.validate(full=True)
    assert batch.column(0).to_pylist() == array.to_pylist()


def test_what_is_exact_already_is_not_copied() -> None:
    columns = [pa.array(range(64)), pa.array(["text"] * 64), pa.array([[1, 2]] * 64)]
    batch = pa.record_batch(columns, ["a", "b", "c"])
    window = pa.record_batch([pa.array(range(100)).slice(10, 20)], ["a"])
    for before in (batch, window):
        after = compact(before)
        for old, new in zip(before.columns, after.columns, strict=True):
            own = {b.address for b in new.buffers() if b is not None and b.size}
            base = [(b.address, b.address + b.size) for b in old.buffers() if b]
            assert all(any(lo <= a < hi for lo, hi in base) for a in own)


def test_a_shard_border_within_a_batch_leaves_no_neighbour() -> None:
    rows = 900
    names = [f"person-{n:06d}" for n in range(rows)]
    batch = pa.record_batch({"who": names, "view": pa.array(names, pa.string_view())})
    shards: list[bytes] = []
    with BufferPool(1 << 16, 1) as pool:
        packer = Packer(batch.schema, pool, max_payload=12_000)
        for made in (packer.add(batch), packer.finish()):
            for shard in made:
                shards.append(bytes(shard.buffer[: shard.payload_size]))
                del shard
    assert len(shards) > 3
    for name in names:
        assert sum(name.encode() in shard for shard in shards) == 1


@pytest.mark.parametrize("array", [of_a_dictionary(), of_runs_under_a_null()])
def test_what_cannot_be_compacted_is_refused(array: pa.Array) -> None:
    with pytest.raises(SchemaMismatch):
        compact(pa.record_batch([array], ["c"]))


def test_nested_runs_are_refused_before_anything_is_read() -> None:
    with pytest.raises(SchemaMismatch, match="run-end"):
        plain_schema(pa.schema({"c": of_runs_under_a_null().type}))


def damaged() -> Iterator[pa.Array]:
    descending = pa.py_buffer(np.array([0, 5, 2, 6], np.int32))
    bits = pa.py_buffer(b"\x05")
    text = pa.py_buffer(b"abcdef")
    yield pa.Array.from_buffers(pa.string(), 3, [bits, descending, text])
    items = pa.array(range(6))
    yield pa.Array.from_buffers(
        pa.list_(pa.int64()), 3, [bits, descending], children=[items]
    )
    codes, at = (
        pa.py_buffer(np.zeros(1, np.int8)),
        pa.py_buffer(np.array([9], np.int32)),
    )
    union = pa.dense_union([pa.field("a", pa.int64())])
    yield pa.Array.from_buffers(union, 1, [None, codes, at], children=[items])


@pytest.mark.parametrize("array", list(damaged()), ids=lambda array: str(array.type))
def test_damaged_buffers_are_refused_not_read(array: pa.Array) -> None:
    with pytest.raises(pa.ArrowInvalid):
        compact(pa.record_batch([array], ["c"]))
