"""Tensors of a fixed shape, such as camera frames, reach a training loop whole and uncopied."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from sealift.trainer.forms.batches import as_numpy, as_torch

torch = pytest.importorskip("torch")

FRAMES = np.arange(7 * 4 * 5 * 3, dtype=np.uint16).reshape(7, 4, 5, 3)


def opened(kind: pa.DataType) -> tuple[memoryview, pa.RecordBatch]:
    """A shard's payload with the frames, and its batch from the third record on."""
    values = pa.FixedSizeListArray.from_arrays(pa.array(FRAMES.ravel()), 60)
    batch = pa.record_batch({"image": pa.ExtensionArray.from_storage(kind, values)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    payload = memoryview(bytearray(sink.getvalue().to_pybytes()))
    return payload, pa.ipc.open_stream(pa.py_buffer(payload)).read_next_batch().slice(2)


def test_frames_keep_their_shape() -> None:
    payload, batch = opened(pa.fixed_shape_tensor(pa.uint16(), (4, 5, 3)))
    np.testing.assert_array_equal(as_torch(payload, batch)["image"].numpy(), FRAMES[2:])
    np.testing.assert_array_equal(as_numpy(batch)["image"], FRAMES[2:])


def test_axes_are_in_the_order_that_the_type_says() -> None:
    payload, batch = opened(
        pa.fixed_shape_tensor(pa.uint16(), (4, 5, 3), permutation=[2, 0, 1])
    )
    expected = FRAMES[2:].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(as_torch(payload, batch)["image"].numpy(), expected)
    np.testing.assert_array_equal(as_numpy(batch)["image"], expected)


def test_frames_are_views_of_the_opened_shard() -> None:
    payload, batch = opened(pa.fixed_shape_tensor(pa.uint16(), (4, 5, 3)))
    begin = pa.py_buffer(payload).address
    assert begin < as_torch(payload, batch)["image"].data_ptr() < begin + len(payload)
    assert begin < as_numpy(batch)["image"].ctypes.data < begin + len(payload)
