"""Predicates of Arrow's types: each type has one answer."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sealift.formats import arrowtypes

ITEM = pa.int8()
KINDS = {
    "text": (pa.string(), pa.large_string(), pa.string_view()),
    "flat_bytes": (pa.binary(), pa.large_binary(), pa.binary(4)),
    "bytes": (pa.binary(), pa.large_binary(), pa.binary(4), pa.binary_view()),
    "ragged_list": (pa.list_(ITEM), pa.large_list(ITEM)),
    "list": (pa.list_(ITEM), pa.large_list(ITEM), pa.list_(ITEM, 2)),
    "sequence": (
        pa.list_(ITEM),
        pa.large_list(ITEM),
        pa.list_(ITEM, 2),
        pa.list_view(ITEM),
        pa.large_list_view(ITEM),
        pa.map_(pa.string(), ITEM),
    ),
    "wrapped": (
        pa.dictionary(ITEM, pa.string()),
        pa.run_end_encoded(pa.int16(), ITEM),
        pa.dense_union([pa.field("a", ITEM)]),
        pa.fixed_shape_tensor(ITEM, (2,)),
    ),
}
ALL = [
    *{kind for kinds in KINDS.values() for kind in kinds},
    *(pa.null(), pa.bool_(), ITEM, pa.float64(), pa.date32(), pa.decimal128(9, 2)),
    pa.struct({"a": ITEM}),
]


@pytest.mark.parametrize("name", KINDS)
def test_a_predicate_holds_for_its_types_and_no_others(name: str) -> None:
    holds = getattr(arrowtypes, f"is_{name}")
    assert {kind for kind in ALL if holds(kind)} == set(KINDS[name])
