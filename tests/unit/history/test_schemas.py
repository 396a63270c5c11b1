"""Schemas that grow: what may be added, and what a reader makes of older records."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.history.schemas import extends, fit, grow, read_schema, write_schema
from sealift.owner.sources.describing import describe, read_descriptions
from sealift_protocol.errors import (
    InvalidArgument,
    MalformedObject,
    SchemaMismatch,
    SourceError,
)

ID = pa.field("id", pa.int64())
SCORE = pa.field("score", pa.float64())
NEVER_NULL = pa.field("score", pa.float64(), nullable=False)


@pytest.mark.parametrize(
    ("old", "new", "answer"),
    [
        ([ID], [ID], True),
        ([ID], [ID, SCORE], True),
        ([ID], [ID, NEVER_NULL], False),
        ([ID], [SCORE, ID], False),
        ([ID, SCORE], [ID], False),
        ([ID], [pa.field("id", pa.int32()), SCORE], False),
        ([ID.with_metadata({"unit": "m"})], [ID], True),
    ],
)
def test_a_schema_extends_another_by_nullable_columns_at_its_end(
    old: list[pa.Field], new: list[pa.Field], answer: bool
) -> None:
    assert extends(pa.schema(old), pa.schema(new)) is answer


def test_records_may_have_the_pinned_columns_in_any_order_and_new_ones() -> None:
    pinned = pa.schema([ID.with_metadata({"unit": "1"})])
    grown = grow(pinned, pa.schema([SCORE, ID]))
    assert grown.names == ["id", "score"]
    assert grown.field("id").metadata == {b"unit": b"1"}
    assert extends(pinned, grown)


def test_another_name_and_a_missing_column_are_told_apart() -> None:
    other = pa.field("other", pa.int64())
    with pytest.raises(SchemaMismatch, match="column 1 has a different name"):
        grow(pa.schema([ID]), pa.schema([other]))
    with pytest.raises(SchemaMismatch, match="column 2 of the dataset is missing"):
        grow(pa.schema([ID, SCORE]), pa.schema([ID]))


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(SchemaMismatch, match="same name"):
        grow(pa.schema([ID]), pa.schema([ID, ID]))


def test_a_nested_type_is_not_spelled_out_in_an_error() -> None:
    nested = pa.field("id", pa.struct([("canary", pa.int64())]))
    with pytest.raises(SchemaMismatch, match="column 1 is int64") as caught:
        grow(pa.schema([ID]), pa.schema([nested]))
    assert "canary" not in str(caught.value)


def test_what_a_batch_lacks_is_null() -> None:
    batch = pa.record_batch({"id": [1, 2]})
    fitted = fit(batch, pa.schema([ID, SCORE]))
    assert fitted.to_pydict() == {"id": [1, 2], "score": [None, None]}
    # The same memory: nothing of the old columns is copied.
    assert fitted.column(0).buffers()[1].address == batch.column(0).buffers()[1].address


@given(st.binary(max_size=200))
def test_bytes_that_are_no_schema_are_refused(data: bytes) -> None:
    try:
        schema = read_schema(data)
    except MalformedObject:
        return
    assert read_schema(write_schema(schema)).equals(schema)


def test_descriptions_become_field_metadata(tmp_path) -> None:
    path = tmp_path / "columns.toml"
    path.write_text('[score]\nlabel = "Score"\nunit = "kg"\n')
    described = describe(
        pa.schema([ID, SCORE.with_metadata({"x": "y"})]), read_descriptions(path)
    )
    assert described.field("id").metadata is None
    assert described.field("score").metadata == {
        b"x": b"y",
        b"label": b"Score",
        b"unit": b"kg",
    }
    with pytest.raises(InvalidArgument, match="does not have"):
        describe(pa.schema([ID]), read_descriptions(path))


@pytest.mark.parametrize(
    "text", ["[score", '[score]\ncolour = "red"\n', "score = 1\n", "[s]\nunit=1"]
)
def test_descriptions_that_are_none_are_refused(text: str, tmp_path) -> None:
    path = tmp_path / "columns.toml"
    path.write_text(text)
    with pytest.raises(InvalidArgument):
        read_descriptions(path)
    with pytest.raises(SourceError):
        read_descriptions(tmp_path / "missing.toml")
