"""Records of shards with many record batches, in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from sealift.history.records import read_batches
from sealift.trainer.forms.columns import layout_of
from sealift.trainer.forms.gathering import Form, Gathered, Selection, Stack

ROWS = 500
TENSOR = pa.fixed_shape_tensor(pa.uint8(), (4, 3), permutation=[1, 0])


def table(first: int) -> pa.Table:
    numbers = np.arange(first, first + ROWS)
    frames = np.repeat(numbers % 251, 12).astype(np.uint8)
    return pa.table(
        {
            "number": numbers,
            "small": numbers.astype(np.int16),
            "vector": pa.FixedSizeListArray.from_arrays(
                pa.array(np.repeat(np.float32(numbers), 7)), 7
            ),
            "frame": pa.ExtensionArray.from_storage(
                TENSOR, pa.FixedSizeListArray.from_arrays(pa.array(frames), 12)
            ),
            "time": pa.array(numbers).view(pa.timestamp("us")),
            "flag": pa.array((numbers % 3 == 0).tolist()),
            "text": [f"text {n}" for n in numbers],
            "blob": pa.array([bytes([n % 256]) * (n % 9) for n in numbers]),
            "some": pa.array([None if n % 5 == 0 else b"x" for n in numbers]),
            "list": pa.array([[n] * (n % 4) for n in numbers], pa.list_(pa.int64())),
        }
    )


def stacked(whole: pa.Table, rows: int, compression: str | None) -> tuple[Any, Stack]:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, whole.schema, options=options) as stream:
        stream.write_table(whole, max_chunksize=rows)
    payload = memoryview(bytearray(sink.getvalue()))
    return payload, Stack(payload, list(read_batches(payload, whole.schema)))


def shown(value: Any, expected: pa.ChunkedArray) -> bool:
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim > 1:
        return np.array_equal(np.asarray(value), to_numpy(expected))
    if isinstance(value, pa.Array):
        return value.to_pylist() == expected.to_pylist()
    if isinstance(value, torch.Tensor) and pa.types.is_timestamp(expected.type):
        return value.tolist() == expected.cast(pa.int64()).to_pylist()
    if isinstance(value, np.ndarray) and value.dtype.kind == "M":
        return bool((value == expected.to_numpy()).all())
    found = [bytes(v) if isinstance(v, memoryview) else v for v in value]
    if expected.type == pa.list_(pa.int64()):
        found = [np.asarray(v).tolist() for v in found]
    return found == expected.to_pylist()


def to_numpy(column: pa.ChunkedArray) -> Any:
    if isinstance(column.type, pa.FixedShapeTensorType):
        return column.combine_chunks().to_numpy_ndarray()
    return np.array(column.to_pylist())


@pytest.mark.parametrize("form", ["arrow", "numpy", "torch"])
@pytest.mark.parametrize("rows", [ROWS, 64, 1])
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_records_of_many_record_batches_are_gathered(
    form: Form, rows: int, compression: str | None
) -> None:
    random = np.random.default_rng(rows)
    parts, wanted = [], np.empty(300, np.int64)
    for shard in range(3):
        payload, stack = stacked(table(shard * ROWS), rows, compression)
        chosen = random.integers(0, ROWS, 100)
        places = np.arange(shard, 300, 3)
        wanted[places] = shard * ROWS + chosen
        parts.append(Selection(payload, stack, chosen, places))
    whole = pa.concat_tables([table(shard * ROWS) for shard in range(3)])
    batch = Gathered(parts, whole.schema, form, None).batch(0, 300)
    for name in whole.column_names:
        assert shown(batch[name], whole.take(pa.array(wanted))[name]), name


def test_a_stack_of_numbers_is_a_view_of_its_payload() -> None:
    payload, stack = stacked(table(0), 64, None)
    vectors = layout_of(table(0).schema.field("vector").type)
    assert vectors is not None
    found = stack.numbers(2, vectors)
    assert found is not None
    assert np.shares_memory(found[0], np.frombuffer(payload, np.uint8))


def test_numbers_with_nulls_are_not_taken_for_numbers() -> None:
    some = pa.table({"a": pa.array([1, None, 3] * 50)})
    payload, stack = stacked(some, 10, None)
    rows = np.array([149, 1, 0, 33])
    part = Selection(payload, stack, rows, np.arange(4))
    batch = Gathered([part], some.schema, "arrow", None).batch(0, 4)
    assert batch["a"].to_pylist() == [3, None, 1, 1]
