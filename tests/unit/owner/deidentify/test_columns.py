"""Which rule a column gets, and what a Deidentifier does with batches as a whole."""

from __future__ import annotations

import builtins
import datetime as dt
import fnmatch
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.owner.deidentify import Deidentifier, parse_policy, side_by_side
from sealift.owner.deidentify.identifiers import NOBODY, PADS
from sealift.owner.deidentify.rules import match_rules
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument, PolicyViolation

SECRET = Secret(bytes(range(32)))


def policy_of(columns: str, *, top: str = "", privacy: str = "") -> Any:
    head = f'format = 1\nname = "x"\nversion = "1"\n{top}\n'
    return parse_policy(f"{head}[privacy]\n{privacy}\n[columns]\n{columns}".encode())


def text_schema(*names: str) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in names])


def actions(
    columns: str, schema: pa.Schema, top: str = 'unlisted = "keep"'
) -> list[str]:
    rules = match_rules(policy_of(columns, top=top + '\nabsent = "ignore"'), schema)
    return [rule.action if rule else "" for rule in rules]


def refuse(columns: str, schema: pa.Schema, **named: str) -> PolicyViolation:
    with pytest.raises(PolicyViolation) as caught:
        Deidentifier(policy_of(columns, **named), schema, secret=SECRET)
    assert not any(name in str(caught.value) for name in ("Zxqv", "Wq"))
    return caught.value


def test_an_exact_name_wins_over_a_path_and_a_path_over_globs_in_file_order() -> None:
    fields = [
        pa.field("birthDate", pa.string(), metadata={"fhir.path": "Patient.birthDate"}),
        pa.field("gender", pa.string(), metadata={"fhir.path": "Patient.gender"}),
        pa.field("city", pa.string(), metadata={"fhir.path": "Patient.city"}),
        pa.field("note", pa.string()),
    ]
    columns = (
        '"*ote" = "scrub"\n"Patient.*" = "drop"\n"Patient.gender" = "keep"\n'
        '"Patient.birthDate" = "mask"\nbirthDate = "hash"'
    )
    assert actions(columns, pa.schema(fields)) == ["hash", "keep", "drop", "scrub"]
    assert actions('"*" = "drop"', pa.schema(fields)) == ["drop"] * 4


def test_a_dicom_tag_is_the_column_with_that_tag_or_keyword() -> None:
    pytest.importorskip("pydicom")
    schema = pa.schema(
        [
            pa.field("who", pa.string(), metadata={"dicom.tag": "(0010,0010)"}),
            pa.field("PatientID", pa.string()),
            pa.field("overlay", pa.string(), metadata={"dicom.tag": "(6002,3000)"}),
            pa.field("path", pa.string()),
            pa.field("private", pa.string(), metadata={"dicom.tag": "(0009,10AA)"}),
        ]
    )
    columns = (
        '"(0010,0010)" = "hash"\n"(0010,0020)" = "mask"\n"(60xx,3000)" = "drop"\n'
        '"(0009,10aa)" = "drop"'
    )
    assert actions(columns, schema) == ["hash", "mask", "drop", "", "drop"]


def test_without_pydicom_tags_are_known_only_from_the_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("pydicom"):
            raise ImportError
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    tagged = pa.schema(
        [pa.field("a", pa.string(), metadata={"dicom.tag": "(0010,0010)"})]
    )
    assert actions('"(0010,0010)" = "drop"', tagged) == ["drop"]
    with pytest.raises(InvalidArgument) as caught:
        actions('"(0010,0010)" = "drop"', text_schema("PatientName"))
    assert "sealift[dicom]" in caught.value.hint


@given(
    st.lists(
        st.text("ab.", min_size=1, max_size=4), min_size=1, max_size=5, unique=True
    ),
    st.lists(st.text("ab.*?", min_size=1, max_size=4), max_size=5, unique=True),
)
def test_every_column_gets_the_rule_that_the_order_says(
    names: list[str], patterns: list[str]
) -> None:
    columns = "\n".join(f'"{pattern}" = "hash"' for pattern in patterns)
    policy = policy_of(columns, top='unlisted = "keep"\nabsent = "ignore"')
    found = match_rules(policy, text_schema(*names))
    for name, rule in zip(names, found, strict=True):
        fitting = [p for p in patterns if p == name]
        fitting += [
            p for p in patterns if p not in names and fnmatch.fnmatchcase(name, p)
        ]
        assert (rule.pattern if rule else None) == (fitting[0] if fitting else None)


def test_columns_that_no_rule_names_are_refused_by_number() -> None:
    schema = text_schema("a", "Zxqv", "b", "Wq")
    error = refuse('a = "keep"\nb = "drop"', schema)
    assert "2 columns (2, 4)" in str(error)
    assert error.columns == ("Zxqv", "Wq")
    assert "(1, 2" in str(refuse("", text_schema(*[f"c{i}" for i in range(50)])))


@pytest.mark.parametrize(("unlisted", "left"), [("drop", ["a"]), ("keep", ["a", "b"])])
def test_columns_that_no_rule_names_are_dropped_or_kept_as_the_policy_says(
    unlisted: str, left: list[str]
) -> None:
    policy = policy_of('a = "keep"', top=f'unlisted = "{unlisted}"')
    it = Deidentifier(policy, text_schema("a", "b"), secret=SECRET)
    assert it.schema.names == left
    it.apply(pa.RecordBatch.from_pydict({"a": ["1"], "b": ["2"]}))
    assert [column.line for column in it.take_report().columns][1] == 0


def test_a_rule_without_its_column_is_refused_unless_the_policy_ignores_that() -> None:
    columns = 'a = "keep"\nZxqv = "drop"\n"Wq.x" = "drop"\n"no*" = "drop"'
    error = refuse(columns, text_schema("a"))
    assert "line 9, 10" in str(error)
    assert error.columns == ("Zxqv", "Wq.x")
    assert actions(columns, text_schema("a")) == ["keep"]


def test_a_rule_names_a_part_of_a_column_and_nothing_else_of_it() -> None:
    inner = pa.struct([("Wq", pa.string()), ("use", pa.string())])
    schema = pa.schema([("Zxqv", pa.list_(inner)), ("b", pa.string())])
    ignore = 'absent = "ignore"\nunlisted = "keep"'
    error = refuse('"Zxqv.Wq" = "drop"\nZxqv = "keep"\nb = "keep"', schema, top=ignore)
    assert "column 1" in str(error)
    assert error.columns == ("Zxqv.use",)
    for columns in ('Zxqv = "keep"\nb = "keep"', '"Zxqv.Wq" = "hash"\nb = "keep"'):
        error = refuse(columns, schema, top='absent = "ignore"')
        assert error.columns[-1] == "Zxqv.use"
    assert actions('"Zxqv.Wq" = "drop"', schema) == ["drop", "", ""]
    assert actions('"*.Wq" = "hash"', schema) == ["hash", "", ""]
    assert actions('"Zxqv.Wq" = "hash"\nZxqv = "drop"', schema) == ["hash", "drop", ""]
    # A glob that keeps does not reach into a column.
    assert actions('"Z*" = "keep"', schema) == ["", "", ""]
    assert actions('"Z*" = "drop"', schema) == ["drop", "drop", ""]
    hashed = actions('"Zxqv.Wq" = "hash"', schema, top='unlisted = "drop"')
    assert hashed == ["hash", "", ""]


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ("'hash'", pa.struct([("x", pa.string())])),
        ("'mask'", pa.list_(pa.struct([("x", pa.string())]))),
        ("'hash'", pa.map_(pa.string(), pa.string())),
        ("{ action = 'noise', scale = 1 }", pa.string()),
        ("{ action = 'noise', scale = 1 }", pa.decimal128(9, 2)),
        ("{ action = 'shift', by = 'p' }", pa.int64()),
        ("{ action = 'generalise', to = 'year' }", pa.int64()),
        ("{ action = 'generalise', to = 'month' }", pa.float64()),
        ("{ action = 'generalise', to = 'band', width = 1 }", pa.string()),
        ("{ action = 'generalise', to = 'decimals', digits = 1 }", pa.string()),
        ("{ action = 'generalise', to = 'zip3' }", pa.date32()),
        ("{ action = 'generalise', to = 'age-band' }", pa.date32()),
        ("'scrub'", pa.int64()),
    ],
)
def test_an_action_on_a_type_that_it_cannot_change_is_refused(
    rule: str, kind: pa.DataType
) -> None:
    schema = pa.schema([("p", pa.string()), ("Zxqv", kind)])
    error = refuse(f"p = 'keep'\nZxqv = {rule}", schema)
    assert str(error).startswith("line 9 ")
    assert "column 2 " in str(error)


@pytest.mark.parametrize("by", ["none", "nested"])
def test_a_shift_needs_the_column_that_it_follows(by: str) -> None:
    schema = pa.schema([("d", pa.date32()), ("nested", pa.list_(pa.string()))])
    error = refuse(f"d = {{ action = 'shift', by = '{by}' }}\nnested = 'drop'", schema)
    assert error.columns == (by,)


def test_quasi_identifiers_are_columns_of_the_result() -> None:
    columns, schema = 'a = "keep"\nb = "drop"', text_schema("a", "b")
    privacy = 'quasi_identifiers = ["a", "b"]'
    assert refuse(columns, schema, privacy=privacy).columns == ("b",)
    policy = policy_of(columns, privacy=privacy, top='absent = "ignore"')
    assert Deidentifier(policy, schema, secret=SECRET).schema.names == ["a"]


def test_metadata_goes_but_for_what_the_policy_names() -> None:
    told = {"fhir.path": "Patient.x", "unit": "kg"}
    schema = pa.schema(
        [
            pa.field("a", pa.int64(), nullable=False, metadata=told),
            pa.field("b", pa.int64(), nullable=False, metadata=told),
            pa.field("c", pa.struct([pa.field("d", pa.int64(), metadata=told)])),
        ],
        metadata={"pandas": "a column named c", "unit": "one"},
    )
    rules = 'a = "keep"\nb = "hash"\n"c.d" = "keep"'
    batch = pa.RecordBatch.from_pydict(
        {"a": [1], "b": [2], "c": [{"d": 3}]}, schema=schema
    )
    it = Deidentifier(policy_of(rules), schema, secret=SECRET)
    out = it.apply(batch)
    assert out.schema.equals(it.schema, check_metadata=True)
    assert it.schema == pa.schema(
        [
            pa.field("a", pa.int64(), nullable=False),
            ("b", pa.string()),
            ("c", pa.struct([("d", pa.int64())])),
        ]
    )
    assert it.schema.metadata is None
    assert [field.metadata for field in it.schema] == [None] * 3
    assert out.column("c").type.field(0).metadata is None
    head = 'format = 2\nname = "x"\nversion = "1"\n[metadata]\nkeep = ["unit"]\n[columns]\n'
    it = Deidentifier(parse_policy((head + rules).encode()), schema, secret=SECRET)
    assert it.schema.metadata == {b"unit": b"one"}
    assert [field.metadata for field in it.schema] == [{b"unit": b"kg"}] * 2 + [None]


def test_records_are_counted_even_where_every_column_is_dropped() -> None:
    it = Deidentifier(policy_of('a = "drop"'), text_schema("a"), secret=SECRET)
    out = it.apply(pa.RecordBatch.from_pydict({"a": ["1", "2"]}))
    assert (out.num_rows, out.num_columns, out.schema) == (2, 0, pa.schema([]))


def test_a_batch_of_another_schema_is_refused() -> None:
    it = Deidentifier(policy_of('a = "keep"'), text_schema("a"), secret=SECRET)
    for other in ({"b": ["1"]}, {"a": [1]}, {"a": ["1"], "b": ["1"]}):
        with pytest.raises(InvalidArgument):
            it.apply(pa.RecordBatch.from_pydict(other))


@pytest.mark.parametrize(
    "rule",
    [
        "{ action = 'mask', keep_last = 1 }",
        "'tokenise'",
        "{ action = 'generalise', to = 'zip3' }",
        "{ action = 'generalise', to = 'year' }",
    ],
)
def test_texts_that_are_not_utf_8_are_refused_without_being_quoted(rule: str) -> None:
    if "tokenise" in rule:
        pytest.importorskip("ffx")
    damaged = pa.array([b"Zxqv\xff"]).view(pa.string())
    it = Deidentifier(policy_of(f"Zxqv = {rule}"), text_schema("Zxqv"), secret=SECRET)
    with pytest.raises(PolicyViolation) as caught:
        it.apply(pa.record_batch({"Zxqv": damaged}))
    assert "Zxqv" not in str(caught.value)
    assert caught.value.columns == ("Zxqv",)


MANY = """
name = 'drop'
id = { action = 'hash', domain = 'p' }
phone = { action = 'mask', keep_last = 1 }
age = { action = 'generalise', to = 'age-band' }
born = { action = 'generalise', to = 'month' }
zip = { action = 'generalise', to = 'zip3' }
when = { action = 'shift', by = 'id' }
tags = 'hash'
kind = 'mask'
"""
SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("id", pa.int64()),
        ("phone", pa.string()),
        ("age", pa.float64()),
        ("born", pa.string()),
        ("zip", pa.string()),
        ("when", pa.date32()),
        ("tags", pa.list_(pa.string())),
        ("kind", pa.dictionary(pa.int32(), pa.string())),
    ]
)
TEXTS = st.one_of(
    st.none(), st.text(max_size=6), st.sampled_from(["02139", "1980-05-06"])
)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "name": TEXTS,
            "id": st.one_of(st.none(), st.integers(0, 5)),
            "phone": TEXTS,
            "age": st.one_of(st.none(), st.floats()),
            "born": TEXTS,
            "zip": TEXTS,
            "when": st.one_of(st.none(), st.dates()),
            "tags": st.one_of(st.none(), st.lists(TEXTS, max_size=3)),
            "kind": TEXTS,
        }
    ),
    max_size=12,
)


@given(RECORDS, st.data())
def test_records_keep_their_number_and_order_however_they_are_batched(
    records: list[dict[str, Any]], data: st.DataObject
) -> None:
    whole = pa.RecordBatch.from_pylist(records, schema=SCHEMA)
    it = Deidentifier(policy_of(MANY), SCHEMA, secret=SECRET)
    at_once = it.apply(whole)
    at_once.validate(full=True)
    assert at_once.schema.equals(it.schema)
    first = it.take_report()
    cut = data.draw(st.integers(0, len(records)))
    parts = [it.apply(whole.slice(0, cut)), it.apply(whole.slice(cut))]
    assert pa.Table.from_batches(parts) == pa.Table.from_batches([at_once])
    assert it.take_report() == first
    assert first.records == len(records)
    for record, out in zip(records, at_once.to_pylist(), strict=True):
        assert (record["id"] is None) == (out["id"] is None)
        assert (record["tags"] is None) == (out["tags"] is None)
        if record["tags"] is not None:
            assert [(tag or "").strip(PADS) in NOBODY for tag in record["tags"]] == [
                tag is None for tag in out["tags"]
            ]


def test_a_sample_is_shown_side_by_side_without_control_characters() -> None:
    before = pa.RecordBatch.from_pydict(
        {
            "name": ["a\x1b[2J", "b", "c"],
            "n": [1, None, 3],
            "day": [dt.date(2024, 1, 2)] * 3,
        }
    )
    policy = policy_of(
        'name = "drop"\nn = "keep"\nday = { action = "generalise", to = "year" }'
    )
    after = Deidentifier(policy, before.schema, secret=SECRET).apply(before)
    rows = side_by_side(before, after, 2)
    assert [
        (row.record, row.column, row.before, row.after, row.changed) for row in rows
    ] == [
        (1, "name", "a\\u001b[2J", "(dropped)", True),
        (1, "n", "1", "1", False),
        (1, "day", "2024-01-02", "2024", True),
        (2, "name", "b", "(dropped)", True),
        (2, "n", "(null)", "(null)", False),
        (2, "day", "2024-01-02", "2024", True),
    ]
    assert side_by_side(before.slice(0, 0), after.slice(0, 0)) == []
    long = pa.RecordBatch.from_pydict({"a": ["x" * 10_000], "b": [b"\x01" * 10_000]})
    assert all(len(row.before) < 2100 for row in side_by_side(long, long))


def test_every_change_in_a_long_text_is_shown_with_the_words_around_it() -> None:
    filling = "the patient was seen on the ward and slept well " * 200
    told = f"jane doe came. {filling}Later 12 Elm Street was named. {filling}Roe left."
    hidden = told.replace("12 Elm Street", "<ADDRESS>").replace("Roe", "<PERSON>")
    [row] = side_by_side(
        pa.RecordBatch.from_pydict({"note": [told]}),
        pa.RecordBatch.from_pydict({"note": [hidden]}),
    )
    assert "Later 12 Elm Street was named" in row.before
    assert "Later <ADDRESS> was named" in row.after
    assert row.before.endswith("Roe left.")
    assert row.after.endswith("<PERSON> left.")
    assert len(row.before) < 500
    short = told[:300] + told[-300:]
    [row] = side_by_side(*[pa.RecordBatch.from_pydict({"note": [short]})] * 2)
    assert row.before == short
    assert not row.changed


def test_values_that_the_source_could_not_read_count_as_nulls_unless_they_are_dropped() -> (
    None
):
    policy = parse_policy(
        b'format = 1\nname = "p"\nversion = "1"\n[columns]\na = "keep"\nb = "drop"\n'
    )
    batch = pa.RecordBatch.from_pydict({"a": ["x", None], "b": [None, "y"]})
    with Deidentifier(policy, batch.schema, secret=SECRET) as work:
        work.count_failed({"a": 1, "b": 1, "c": 1})
        work.apply(batch)
        kept, dropped = work.take_report().columns
    assert (kept.values, kept.changed, kept.nulls) == (2, 1, 1)
    assert (dropped.values, dropped.nulls) == (1, 0)
