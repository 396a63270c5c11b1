"""Rules for the leaves of nested columns: what is named is changed, and nothing else is sent."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.owner.deidentify import Deidentifier, parse_policy
from sealift.process.secret import Secret
from sealift_protocol.errors import PolicyViolation

SECRET = Secret(bytes(range(32)))


def policy_of(columns: str, top: str = "") -> Any:
    head = f'format = 2\nname = "x"\nversion = "1"\n{top}\n[columns]\n'
    return parse_policy((head + columns).encode())


def after(columns: str, batch: pa.RecordBatch, top: str = "") -> pa.RecordBatch:
    it = Deidentifier(policy_of(columns, top), batch.schema, secret=SECRET)
    out = it.apply(batch)
    out.validate(full=True)
    assert out.schema.equals(it.schema, check_metadata=True)
    return out


def refused(columns: str, batch: pa.RecordBatch, top: str = "") -> PolicyViolation:
    with pytest.raises(PolicyViolation) as caught:
        Deidentifier(policy_of(columns, top), batch.schema, secret=SECRET)
    return caught.value


VISITS = pa.RecordBatch.from_pylist(
    [
        {
            "visits": [
                {"code": "E11.9", "by": {"name": "Roe", "n": 1}},
                {"code": None, "by": None},
            ],
            "labs": [("crp", 1.5)],
        },
        {"visits": None, "labs": None},
        {"visits": [], "labs": []},
    ],
    schema=pa.schema(
        [
            (
                "visits",
                pa.list_(
                    pa.struct(
                        [
                            ("code", pa.string()),
                            (
                                "by",
                                pa.struct([("name", pa.string()), ("n", pa.int64())]),
                            ),
                        ]
                    )
                ),
            ),
            ("labs", pa.map_(pa.string(), pa.float64())),
        ]
    ),
)


def test_a_rule_changes_the_leaf_that_it_names_and_leaves_its_neighbours() -> None:
    rules = (
        '"visits.code" = { action = "keep", code = "ICD-10-CM" }\n'
        '"visits.by.name" = "drop"\n"visits.by.n" = { action = "keep", type = "numeric" }\n'
        '"labs.key" = { action = "keep", values = ["crp"] }\n'
        '"labs.value" = { action = "keep", type = "numeric" }'
    )
    assert after(rules, VISITS).to_pylist() == [
        {
            "visits": [{"code": "E11.9", "by": {"n": 1}}, {"code": None, "by": None}],
            "labs": [{"key": "crp", "value": 1.5}],
        },
        {"visits": None, "labs": None},
        {"visits": [], "labs": []},
    ]


@pytest.mark.parametrize(
    ("rules", "columns"),
    [
        ('visits = "keep"\nlabs = "drop"', ("visits.code", "visits.by.name", "visits.by.n")),
        ('"visits.code" = "hash"\nlabs = "drop"', ("visits.by.name", "visits.by.n")),
        (
            '"*" = "hash"',
            ("visits.code", "visits.by.name", "visits.by.n", "labs.key", "labs.value"),
        ),
        ('visits = "drop"\n"labs.key" = "hash"', ("labs.value",)),
    ],
)  # fmt: skip
def test_a_leaf_that_no_rule_names_is_refused(
    rules: str, columns: tuple[str, ...]
) -> None:
    error = refused(rules, VISITS, 'absent = "ignore"')
    assert error.columns == columns
    assert "visits" not in str(error)


def test_a_drop_takes_what_is_inside_unless_that_has_a_rule_of_its_own() -> None:
    rules = 'visits = "drop"\n"visits.by.n" = "hash"\n"la*" = "drop"'
    [row, *_] = after(rules, VISITS).to_pylist()
    assert list(row) == ["visits"]
    assert list(row["visits"][0]) == ["by"]
    assert list(row["visits"][0]["by"]) == ["n"]


def test_a_class_of_identifiers_is_found_at_any_depth() -> None:
    batch = pa.RecordBatch.from_pylist(
        [{"Kontakt": {"Telefon": "701-555", "Patienten-ID": "4711", "ok": 1}}]
    )
    top = '[identifiers]\nphone = "drop"\nrecord-number = { action = "hash" }'
    rules = '"kontakt.OK" = { action = "keep", type = "numeric" }'
    [row] = after(rules, batch, top).to_pylist()
    assert set(row["Kontakt"]) == {"Patienten-ID", "ok"}
    assert len(row["Kontakt"]["Patienten-ID"]) == 32


@pytest.mark.parametrize(
    "name", ["telecom[0].value", "telecom.0.value", "Telecom/Value", "$.telecom.value"]
)
def test_a_flattened_name_is_the_leaf_that_it_names(name: str) -> None:
    batch = pa.RecordBatch.from_pydict({name: ["701-555"]})
    kept = after('"telecom.value" = "hash"', batch)
    assert kept.schema.names == [name]
    assert refused('"*value" = "hash"', batch).columns == (name,)
    assert refused('telecom = "hash"', batch).columns == (name,)


def test_two_columns_of_one_name_are_refused() -> None:
    batch = pa.RecordBatch.from_pydict({"Patient ID": ["1"], "patient_id": ["2"]})
    error = refused('patient_id = "hash"', batch)
    assert error.columns == ("Patient ID", "patient_id")
    items = pa.RecordBatch.from_pydict({"a.0.x": ["1"], "a.1.x": ["2"]})
    assert after('"a.x" = "hash"', items).num_columns == 2


def test_nothing_is_left_under_nulls() -> None:
    inner = pa.StructArray.from_arrays(
        [pa.array(["Zxqv", "b"])], ["x"], mask=pa.array([True, False])
    )
    lists = pa.ListArray.from_arrays(
        pa.array([0, 1, 2], pa.int32()), inner, mask=pa.array([True, False])
    )
    fixed = pa.FixedSizeListArray.from_arrays(
        pa.array(["Zxqv", "b"]), 1, mask=pa.array([True, False])
    )
    batch = pa.RecordBatch.from_arrays([inner, lists, fixed], ["s", "l", "f"])
    out = after('"s.x" = "keep"\n"l.x" = "keep"\nf = "keep"', batch)
    assert out.to_pydict() == batch.to_pydict()
    buffers = [b.to_pybytes() for column in out.columns for b in column.buffers() if b]
    assert not any(b"Zxqv" in buffer for buffer in buffers)


def test_extensions_dictionaries_and_views_come_out_plain() -> None:
    views = pa.array([["a"]], pa.list_view(pa.string()))
    tensor = pa.FixedShapeTensorArray.from_storage(
        pa.fixed_shape_tensor(pa.uint8(), [2], dim_names=["Zxqv"]),
        pa.array([[1, 2]], pa.list_(pa.uint8(), 2)),
    )
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(["a"]).dictionary_encode(),
            views,
            tensor,
            pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}"])),
        ],
        ["d", "v", "t", "j"],
    )
    out = after('"*" = "keep"', batch)
    assert "Zxqv" not in repr(out.schema)
    assert [str(field.type) for field in out.schema][:2] == [
        "string",
        "list<item: string>",
    ]
    assert out.schema.field("j").type == pa.string()
    assert out.column("t").to_numpy_ndarray().tolist() == [[1, 2]]


def test_a_shift_follows_a_leaf_that_a_record_has_one_of() -> None:
    batch = pa.RecordBatch.from_pylist(
        [
            {"p": {"id": n}, "seen": [{"on": "2024-02-28"}, {"on": None}]}
            for n in (1, 2, 1)
        ]
    )
    out = after(
        '"p.id" = "hash"\n"seen.on" = { action = "shift", by = "p.id" }', batch
    ).to_pylist()
    moved = [row["seen"][0]["on"] for row in out]
    assert moved[0] == moved[2] != moved[1]
    assert all(row["seen"][1]["on"] is None for row in out)
    error = refused(
        'p = "drop"\n"seen.on" = { action = "shift", by = "seen.on" }', batch
    )
    assert error.columns == ("seen.on",)


NESTED = st.lists(
    st.fixed_dictionaries(
        {
            "a": st.one_of(
                st.none(),
                st.lists(
                    st.one_of(
                        st.none(),
                        st.fixed_dictionaries(
                            {"x": st.one_of(st.none(), st.integers(0, 9)), "y": st.text(max_size=3)}
                        ),
                    ),
                    max_size=3,
                ),
            )
        }
    ),
    max_size=6,
)  # fmt: skip
KIND = pa.schema([("a", pa.list_(pa.struct([("x", pa.int64()), ("y", pa.string())])))])


@given(NESTED, st.data())
def test_records_of_any_nesting_keep_their_shape_however_they_are_cut(
    records: list[dict[str, Any]], data: st.DataObject
) -> None:
    whole = pa.RecordBatch.from_pylist(records, schema=KIND)
    it = Deidentifier(policy_of('"a.x" = "keep"\n"a.y" = "drop"'), KIND, secret=SECRET)
    begin = data.draw(st.integers(0, len(records)))
    out = it.apply(whole.slice(begin))
    expected = [
        {"a": record["a"] and [item and {"x": item["x"]} for item in record["a"]]}
        for record in records[begin:]
    ]
    assert out.to_pylist() == expected


def test_a_shift_by_a_header_follows_the_one_column_of_its_class() -> None:
    batch = pa.RecordBatch.from_pydict({"MRN": ["1"], "on": ["2024-02-28"]})
    top = '[identifiers]\nrecord-number = { action = "hash" }'
    rules = 'on = { action = "shift", by = "patient_id" }'
    assert after(rules, batch, top).num_columns == 2
    two = batch.append_column("visit_number", pa.array(["9"]))
    assert refused(rules, two, top).columns == ("patient_id",)


@pytest.mark.parametrize("wrap", [pa.list_, pa.large_list, lambda f: pa.list_(f, 1)])
def test_the_name_of_the_items_of_a_list_is_not_sent(wrap: Any) -> None:
    kind = wrap(pa.field("Jane Doe", pa.list_(pa.field("555-0134", pa.int8()))))
    batch = pa.RecordBatch.from_arrays([pa.array([[[1]], [[2]]], kind)], ["doses"])
    out = after('doses = { action = "keep", type = "numeric" }', batch)
    assert out["doses"].to_pylist() == [[[1]], [[2]]]
    for text in (b"Jane Doe", b"555-0134"):
        assert text not in out.schema.serialize().to_pybytes()


@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view()])
def test_views_in_lists_and_in_runs_are_read(kind: pa.DataType) -> None:
    values = pa.array(["a", None, "b"], pa.string()).cast(pa.binary()).cast(kind)
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 4, 5], pa.int32()), values)
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), values)
    batch = pa.RecordBatch.from_arrays([runs.slice(1, 3), lists], ["runs", "lists"])
    out = after('runs = "keep"\nlists = "keep"', batch)
    [a, b] = ["a", "b"] if kind == pa.string_view() else [b"a", b"b"]
    assert out["runs"].to_pylist() == [a, None, None]
    assert out["lists"].to_pylist() == [[a], [None], [b]]
