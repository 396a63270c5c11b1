"""Schemas that grow: what may be added, and what a reader makes of older records."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.history.contents import StatedSchema
from sealift.history.schemas import (
    extends,
    fit,
    follows,
    grow,
    needs_reading,
    read_grown,
    read_schema,
    widens,
    with_widened,
    write_schema,
)
from sealift.owner.sources.describing import describe, read_descriptions
from sealift_protocol.errors import (
    HistoryInvalid,
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


WIDER = [
    (pa.int8(), pa.int16()),
    (pa.int32(), pa.int64()),
    (pa.uint8(), pa.uint64()),
    (pa.uint32(), pa.int64()),
    (pa.int16(), pa.float32()),
    (pa.int64(), pa.float64()),
    (pa.uint64(), pa.float64()),
    (pa.float32(), pa.float64()),
    (pa.int64(), pa.string()),
    (pa.string(), pa.large_string()),
    (pa.binary(), pa.large_binary()),
    (pa.null(), pa.date32()),
]
NOT_WIDER = [
    (pa.int64(), pa.int32()),
    (pa.int64(), pa.uint64()),
    (pa.uint64(), pa.int64()),
    (pa.int32(), pa.float32()),
    (pa.float64(), pa.float32()),
    (pa.float64(), pa.int64()),
    (pa.float64(), pa.string()),
    (pa.string(), pa.int64()),
    (pa.bool_(), pa.int64()),
    (pa.bool_(), pa.string()),
    (pa.date32(), pa.timestamp("us")),
    (pa.date32(), pa.string()),
    (pa.timestamp("s"), pa.timestamp("us")),
    (pa.decimal128(4, 2), pa.float64()),
    (pa.large_string(), pa.string()),
]


@pytest.mark.parametrize(("kind", "wider"), WIDER, ids=str)
def test_a_column_can_be_widened(kind: pa.DataType, wider: pa.DataType) -> None:
    old, new = pa.schema([("a", kind)]), pa.schema([("a", wider), ("b", pa.int8())])
    assert widens(kind, wider)
    assert follows(old, new)
    assert not extends(old, new)
    assert not follows(new, old)
    assert fit(pa.record_batch([pa.nulls(2, kind)], schema=old), new).schema == new


@pytest.mark.parametrize(("kind", "other"), NOT_WIDER, ids=str)
def test_a_column_cannot_become_any_type(kind: pa.DataType, other: pa.DataType) -> None:
    assert not widens(kind, other)
    assert not follows(pa.schema([("a", kind)]), pa.schema([("a", other)]))


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.none()))
def test_integers_become_doubles_and_text_exactly_or_not_at_all(
    values: list[int | None],
) -> None:
    batch = pa.record_batch({"a": pa.array(values, pa.int64())})
    text = fit(batch, pa.schema([("a", pa.string())])).column(0)
    assert text.cast(pa.int64()).to_pylist() == values
    double = pa.schema([("a", pa.float64())])
    if any(value is not None and abs(value) > 2**53 for value in values):
        with pytest.raises(
            SchemaMismatch, match="column 1: a value of type int64"
        ) as caught:
            fit(batch, double)
        assert caught.value.columns == ("a",)
    else:
        found = fit(batch, double).column(0).to_pylist()
        assert [None if v is None else int(v) for v in found] == values


def test_only_64_bit_integers_that_become_doubles_have_to_be_read() -> None:
    assert [pair for pair in WIDER if needs_reading(*pair)] == [
        (pa.int64(), pa.float64()),
        (pa.uint64(), pa.float64()),
    ]


def test_only_the_owner_widens_a_column() -> None:
    narrow = write_schema(pa.schema([("a", pa.int32())]))
    wide = write_schema(pa.schema([("a", pa.int64())]))
    grown = write_schema(pa.schema([("a", pa.int32()), SCORE]))
    first = StatedSchema(narrow, by_owner=True)
    assert read_grown([first, StatedSchema(grown, by_owner=False)]) == read_schema(
        grown
    )
    assert read_grown([first, StatedSchema(wide, by_owner=True)]) == read_schema(wide)
    with pytest.raises(HistoryInvalid, match="other than the owner"):
        read_grown([first, StatedSchema(wide, by_owner=False)])
    with pytest.raises(MalformedObject, match="beyond adding and widening"):
        read_grown(
            [StatedSchema(wide, by_owner=True), StatedSchema(narrow, by_owner=True)]
        )


def test_records_of_a_narrower_type_fit_but_numbers_are_no_text() -> None:
    double = pa.schema([("a", pa.float64())])
    assert grow(double, pa.schema([("a", pa.int64())])) == double
    text = pa.schema([("a", pa.string())])
    assert grow(text, pa.schema([("a", pa.large_string())])) == text
    with pytest.raises(SchemaMismatch, match="string in the dataset and int64 here"):
        grow(text, pa.schema([("a", pa.int64())]))


def test_a_misfit_names_its_column_and_what_helps() -> None:
    with pytest.raises(
        SchemaMismatch, match="column 1 is int64 in the dataset"
    ) as caught:
        grow(pa.schema([ID]), pa.schema([("id", pa.string())]))
    assert caught.value.columns == ("id",)
    assert ".widen(column, type)" in caught.value.hint
    assert "id" not in str(caught.value).split()


def test_the_source_is_read_with_the_types_that_were_widened() -> None:
    before = pa.schema([("a", pa.int64()), ("b", pa.string()), ("c", pa.int8())])
    dataset = pa.schema([("b", pa.int64()), ("a", pa.float64())])
    assert with_widened(before, dataset).types == [pa.float64(), pa.string(), pa.int8()]
