"""Arrays and tensors are views of what was decrypted, and not copies."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from memory import addresses

from sealift.session import Session
from sealift.trainer.forms.batches import as_numpy, as_torch
from sealift_protocol.errors import InvalidArgument


@pytest.fixture
def opened(
    hospital: Session, laboratory: Session
) -> Iterator[tuple[memoryview, pa.RecordBatch]]:
    images = pa.FixedSizeListArray.from_arrays(pa.array(range(60), pa.float32()), 6)
    table = pa.table(
        {"image": images, "label": pa.array(range(10), pa.int64()), "text": ["x"] * 10}
    )
    hospital.push(table, dataset="images", to="laboratory")
    dataset = laboratory.open_dataset("hospital/images")
    shard = next(dataset.feed.shards())
    return shard.payload, shard.batches[0]


def test_numpy_arrays_are_views_of_the_buffer_that_was_decrypted_into(opened) -> None:
    payload, batch = opened
    arrays = as_numpy(batch)
    assert arrays["image"].shape == (10, 6)
    assert arrays["image"][1, 0] == 6.0
    for name in ("image", "label"):
        assert arrays[name].__array_interface__["data"][0] in addresses(payload)
        assert not arrays[name].flags.owndata
    assert list(arrays["text"]) == ["x"] * 10


def test_torch_tensors_are_views_of_the_buffer_that_was_decrypted_into(opened) -> None:
    import torch

    payload, batch = opened
    tensors = as_torch(payload, batch)
    assert tensors.keys() == {"image", "label", "text"}
    assert tensors["text"] == ["x"] * 10
    assert tensors["image"].shape == (10, 6)
    assert tensors["label"].dtype is torch.int64
    assert tensors["label"].tolist() == list(range(10))
    for tensor in (tensors["image"], tensors["label"]):
        assert tensor.data_ptr() in addresses(payload)
    # The very same memory: what is written to the tensor shows in the Arrow array.
    tensors["label"][3] = 77
    assert batch["label"][3].as_py() == 77


def test_tensors_of_a_dataset_outlive_the_iteration(
    hospital: Session, laboratory: Session
) -> None:
    for start in (0, 1000, 2000, 3000, 4000):
        hospital.push(
            pa.table({"value": pa.array(range(start, start + 10))}),
            dataset="many",
            to="laboratory",
        )
    kept = [t["value"] for t in laboratory.open_dataset("hospital/many").torch()]
    assert [int(t[0]) for t in kept] == [0, 1000, 2000, 3000, 4000]


def test_a_tensor_cannot_show_nulls() -> None:
    batch = pa.record_batch({"value": pa.array([1, None])})
    with pytest.raises(InvalidArgument, match="nulls"):
        as_torch(memoryview(bytearray(8)), batch)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(InvalidArgument) as caught:
        as_torch(memoryview(bytearray(8)), pa.record_batch({"value": [1]}))
    assert "sealift[torch]" in caught.value.hint
