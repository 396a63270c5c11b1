"""FHIR resources as columns or whole, and the errors for lines that are not resources."""

from __future__ import annotations

import datetime
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import DOCS

from sealift.cli.hints import hint_of
from sealift.owner.deidentify.rules import Columns
from sealift.owner.push.options import PushOptions
from sealift.owner.sources import (
    BEGINNING,
    SkipRejects,
    SourceOptions,
    StopAtRejects,
    open_source,
)
from sealift.owner.sources.bytestreams import Opener
from sealift.owner.sources.fhir import FhirSource
from sealift.owner.sources.fhir_columns import Flattener
from sealift.owner.sources.fhir_dates import parse_dates, parse_moments
from sealift.owner.sources.fhir_mapping import MAPPING
from sealift.owner.sources.fhir_modifiers import UnknownModifierError
from sealift.owner.sources.fileset import Fileset, find_files
from sealift.owner.sources.interface import Rejects
from sealift.policy.file import parse_policy
from sealift_protocol.errors import (
    EmptySource,
    InvalidArgument,
    SourceChanged,
    SourceError,
)

Resource = dict[str, Any]
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"


def patient(number: int, **more: Any) -> Resource:
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "meta": {"lastUpdated": "2024-02-03T04:05:06.789+01:00", "versionId": "1"},
        "text": {"status": "generated", "div": "<div>canary</div>"},
        "extension": [
            {
                "url": f"{US_CORE}us-core-race",
                "extension": [
                    {"url": "text", "valueString": "White"},
                    {
                        "url": "ombCategory",
                        "valueCoding": {"code": "2106-3", "display": "White"},
                    },
                ],
            },
            {"url": "http://example.org/pet", "valueString": "a cat"},
            {"url": f"{US_CORE}us-core-birthsex", "valueCode": "F"},
        ],
        "identifier": [
            {"use": "official", "system": "urn:ssn", "value": f"999-{number}"},
            {"use": "usual", "system": "urn:mrn", "value": f"MRN{number}"},
        ],
        "name": [
            {"use": "nickname", "given": ["Annie"]},
            {
                "use": "official",
                "family": "Ng",
                "given": ["Anna", "B."],
                "prefix": ["Dr."],
            },
        ],
        "telecom": [
            {"system": "email", "value": "a@example.org"},
            {"system": "phone", "value": "555-1"},
            {"system": "phone", "value": "555-2"},
        ],
        "gender": "female",
        "birthDate": "1970-05-17",
        "address": [
            {
                "line": ["1 Main St"],
                "city": "Boston",
                "state": "MA",
                "postalCode": "02101",
            }
        ],
        "maritalStatus": {
            "coding": [{"system": "urn:m", "code": "M"}],
            "text": "Married",
        },
        **more,
    }


def observation(number: int, **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {
            "coding": [
                {"system": "urn:local", "code": "BP"},
                {"system": "http://snomed.info/sct", "code": "75367002"},
                {
                    "system": "http://loinc.org",
                    "code": "85354-9",
                    "display": "Blood pressure",
                },
            ]
        },
        "subject": {"reference": f"Patient/p{number}"},
        "effectiveDateTime": "2024-01-02",
        **more,
    }


def write(path: Path, *resources: Resource) -> Path:
    data = "".join(json.dumps(resource) + "\n" for resource in resources).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def source_of(
    path: Path, *, rejects: Rejects | None = None, **options: Any
) -> FhirSource:
    root, paths = find_files(str(path))
    return FhirSource(
        Fileset(root, paths, Opener()), rejects=rejects or StopAtRejects(), **options
    )


def rows_of(source: Any) -> list[Resource]:
    return [
        row
        for part in source.parts()
        for chunk in source.read(part, BEGINNING)
        for row in chunk.batch.to_pylist()
    ]


def flat(*resources: Resource) -> list[Resource]:
    kind = resources[0]["resourceType"]
    lines = [json.dumps(resource).encode() for resource in resources]
    batch, _, _ = Flattener(kind, MAPPING[kind]).flatten(lines)
    rows: list[Resource] = batch.to_pylist()
    return rows


def said(row: Resource) -> Resource:
    return {name: value for name, value in row.items() if value is not None}


def left_out(*resources: Resource) -> dict[str, int]:
    kind = resources[0]["resourceType"]
    lines = [json.dumps(resource).encode() for resource in resources]
    return dict(Flattener(kind, MAPPING[kind]).flatten(lines)[2])


def column_of(resource: str, name: str) -> int:
    """The number of a column, from 1."""
    return Flattener(resource, MAPPING[resource]).schema.get_field_index(name) + 1


# --- columns -------------------------------------------------------------------------------------


def test_a_patient_becomes_columns_named_by_fhir_path() -> None:
    assert said(flat(patient(1))[0]) == {
        "id": "p1",
        "meta.lastUpdated": datetime.datetime(
            2024, 2, 3, 3, 5, 6, 789000, datetime.UTC
        ),
        "identifier.use": "usual",
        "identifier.system": "urn:mrn",
        "identifier.value": "MRN1",
        "identifier.others": [
            {
                "use": "official",
                "system": "urn:ssn",
                "value": "999-1",
                "type": None,
            }
        ],
        "name.use": "official",
        "name.family": "Ng",
        "name.given": ["Anna", "B."],
        "name.prefix": ["Dr."],
        "name.others": [
            {
                "use": "nickname",
                "text": None,
                "family": None,
                "given": ["Annie"],
                "prefix": None,
                "suffix": None,
            }
        ],
        "telecom": [
            {"system": system, "value": value, "use": None, "rank": None}
            for system, value in (
                ("email", "a@example.org"),
                ("phone", "555-1"),
                ("phone", "555-2"),
            )
        ],
        "telecom.phone": "555-1",
        "telecom.email": "a@example.org",
        "gender": "female",
        "birthDate": datetime.date(1970, 5, 17),
        "birthDate.precision": "day",
        "address.line": ["1 Main St"],
        "address.city": "Boston",
        "address.state": "MA",
        "address.postalCode": "02101",
        "maritalStatus.coding.system": "urn:m",
        "maritalStatus.coding.code": "M",
        "maritalStatus.text": "Married",
        "us-core-race.code": "2106-3",
        "us-core-race.display": "White",
        "us-core-race.text": "White",
        "us-core-race.ombCategory.code": ["2106-3"],
        "us-core-race.ombCategory.display": ["White"],
        "us-core-birthsex": "F",
    }


def test_of_several_codings_the_one_of_the_preferred_system_is_taken() -> None:
    row = flat(observation(1))[0]
    assert row["code.coding.code"] == "85354-9"
    assert row["code.coding.display"] == "Blood pressure"
    local = [{"system": "urn:a", "code": "1"}, {"system": "urn:b", "code": "2"}]
    assert flat(observation(1, code={"coding": local}))[0]["code.coding.code"] == "1"


@pytest.mark.parametrize(
    ("name", "value", "column", "expected"),
    [
        ("valueQuantity", {"value": 120, "unit": "mmHg"}, "valueQuantity.value", 120.0),
        (
            "valueCodeableConcept",
            {"text": "positive"},
            "valueCodeableConcept.text",
            "positive",
        ),
        ("valueString", "as before", "valueString", "as before"),
        ("valueBoolean", False, "valueBoolean", False),
        ("valueInteger", 7, "valueInteger", 7),
        (
            "valueDateTime",
            "2024-01-02T03:04:05Z",
            "valueDateTime",
            datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        ),
    ],
)
def test_each_form_of_an_observed_value_has_a_column(
    name: str, value: object, column: str, expected: object
) -> None:
    rows = flat(observation(1, **{name: value}), observation(2))
    assert [row[column] for row in rows] == [expected, None]


def test_components_become_lists_that_stay_side_by_side() -> None:
    components = [
        {
            "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
            "valueQuantity": {"value": 121.5},
        },
        {
            "code": {
                "coding": [
                    {"code": "x"},
                    {"system": "http://loinc.org", "code": "8462-4"},
                ]
            }
        },
        {"valueDateTime": "2024"},
    ]
    rows = flat(
        observation(1),
        observation(2, component=components),
        observation(3, component=[]),
    )
    names = ("component.code.coding.code", "component.valueQuantity.value")
    assert [[row[name] for name in names] for row in rows] == [
        [None, None],
        [["8480-6", "8462-4", None], [121.5, None, None]],
        [[], []],
    ]
    times = rows[1]["component.valueDateTime"]
    assert times == [None, None, datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)]
    assert rows[1]["component.valueDateTime.precision"] == [None, None, "year"]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("Patient/p1", "p1"),
        ("https://fhir.example.org/r4/Patient/p1", "p1"),
        ("Patient/p1/_history/3", "p1"),
        ("urn:uuid:0c3151bd-1cbf", "0c3151bd-1cbf"),
        ("#contained", None),
        ("Patient?identifier=urn:mrn|12", None),
    ],
)
def test_a_reference_also_gives_the_id_that_the_other_dataset_has(
    reference: str, expected: str | None
) -> None:
    row = flat(observation(1, subject={"reference": reference}))[0]
    assert (row["subject.reference"], row["subject.reference.id"]) == (
        reference,
        expected,
    )


def test_partial_dates_keep_what_was_said_and_no_more() -> None:
    dates, precisions = parse_dates(pa.array(["1970", "1970-05", "1970-05-17", None]))
    days = [
        datetime.date(1970, 1, 1),
        datetime.date(1970, 5, 1),
        datetime.date(1970, 5, 17),
        None,
    ]
    assert dates.to_pylist() == days
    assert precisions.to_pylist() == ["year", "month", "day", None]
    texts = [
        "1970-05",
        "2024-02-29",
        "2024-01-01T12:00:00",
        "2024-01-01T12:00:00.1234567-05:00",
    ]
    moments, precisions = parse_moments(pa.array(texts))
    assert precisions.to_pylist() == ["month", "day", "local", "time"]
    assert moments.cast(pa.int64()).to_pylist() == [
        int(datetime.datetime.fromisoformat(text).timestamp()) * 1_000_000 + micro
        for text, micro in [
            ("1970-05-01T00:00:00Z", 0),
            ("2024-02-29T00:00:00Z", 0),
            ("2024-01-01T12:00:00Z", 0),
            ("2024-01-01T17:00:00Z", 123456),
        ]
    ]


@given(st.dates(min_value=datetime.date(1000, 1, 1)), st.sampled_from([4, 7, 10]))
@settings(max_examples=50)
def test_a_date_and_its_precision_give_back_the_text(
    date: datetime.date, length: int
) -> None:
    text = date.isoformat()[:length]
    dates, precisions = parse_dates(pa.array([text]))
    size = {"year": 4, "month": 7, "day": 10}[precisions[0].as_py()]
    assert dates[0].as_py().isoformat()[:size] == text


@pytest.mark.parametrize(
    "text", ["19700517", "1970-13", "1970-02-30", "70", "soon", "1970-05-1"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    for parse in (parse_dates, parse_moments):
        with pytest.raises(pa.ArrowInvalid):
            parse(pa.array(["1970-05-17", text]))


def test_what_has_no_column_is_counted_by_path() -> None:
    found = left_out(patient(1), patient(2, _birthDate={"id": "x"}, contact=[{}, {}]))
    assert found == {
        "meta.versionId": 2,
        "text": 2,
        "extension[others]": 2,
        "_birthDate": 1,
        "contact": 1,
    }


def test_elements_without_columns_may_differ_in_type_and_are_counted_all_the_same() -> (
    None
):
    contained = [
        {"resourceType": "Organization", "name": "x"},
        {"name": [{"family": "y"}]},
    ]
    resources = (
        observation(1, contained=contained),
        observation(2, contained=[{"name": 1}]),
    )
    assert [row["id"] for row in flat(*resources)] == ["o1", "o2"]
    assert left_out(*resources)["contained"] == 2
    assert left_out(*resources) == {"contained": 2}


def titre(numerator: Resource, denominator: Resource) -> Resource:
    return observation(
        1, valueRatio={"numerator": numerator, "denominator": denominator}
    )


def test_a_titre_below_a_limit_keeps_its_comparator_and_units() -> None:
    row = said(
        flat(titre({"value": 1, "comparator": "<", "unit": "1"}, {"value": 128}))[0]
    )
    part = "valueRatio.numerator"
    assert (row[f"{part}.comparator"], row[f"{part}.value"]) == ("<", 1.0)
    assert (row[f"{part}.unit"], row["valueRatio.denominator.value"]) == ("1", 128.0)


def test_a_component_below_a_limit_keeps_its_comparator() -> None:
    parts = [{"valueQuantity": {"value": 120, "comparator": "<"}}, {}]
    row = flat(observation(1, component=parts))[0]
    assert row["component.valueQuantity.comparator"] == ["<", None]
    assert row["component.valueQuantity.value"] == [120.0, None]


def race(*codes: str) -> Resource:
    url = f"{US_CORE}us-core-race"
    categories = [
        {"url": "ombCategory", "valueCoding": {"code": code}} for code in codes
    ]
    return patient(1, extension=[{"url": url, "extension": categories}])


def test_a_patient_of_two_races_is_of_neither_alone() -> None:
    both, one = flat(race("2106-3", "2028-9"), race("2028-9"))
    names = ("us-core-race.code", "us-core-race.ombCategory.code")
    assert [both[name] for name in names] == [None, ["2106-3", "2028-9"]]
    assert [one[name] for name in names] == ["2028-9", ["2028-9"]]


def order(*steps: Resource) -> Resource:
    return {"resourceType": "MedicationRequest", "dosageInstruction": list(steps)}


def step(dose: float, **more: Any) -> Resource:
    return {
        "text": f"{dose} mg",
        "doseAndRate": [{"doseQuantity": {"value": dose}}],
    } | more


def test_a_taper_is_not_its_first_step() -> None:
    taper, one = flat(order(step(40), step(20), step(10)), order(step(5)))
    assert taper["dosageInstruction.text"] is None
    assert taper["dosageInstruction.doseAndRate.doseQuantity.value"] is None
    steps = taper["dosageInstruction.all"]
    assert [step["text"] for step in steps] == ["40 mg", "20 mg", "10 mg"]
    doses = [step["doseAndRate"][0]["doseQuantity"]["value"] for step in steps]
    assert doses == [40.0, 20.0, 10.0]
    assert one["dosageInstruction.text"] == "5 mg"
    assert one["dosageInstruction.all"] is None


def test_one_step_with_bounds_or_rates_is_told_whole() -> None:
    bounds = {"repeat": {"boundsPeriod": {"start": "2024-02", "end": "2024-03-05"}}}
    rate = [{"rateRatio": {"numerator": {"value": 2, "unit": "mL"}}}]
    bounded, rated = flat(
        order(step(5, timing=bounds)), order(step(5, doseAndRate=rate))
    )
    assert bounded["dosageInstruction.text"] == "5 mg"
    (whole,) = bounded["dosageInstruction.all"]
    start, end = (
        datetime.datetime(2024, m, d, tzinfo=datetime.UTC) for m, d in ((2, 1), (3, 5))
    )
    assert whole["timing"]["repeat"]["boundsPeriod"] == {
        "start": start,
        "start.precision": "month",
        "end": end,
        "end.precision": "day",
    }
    assert rated["dosageInstruction.all"] is None
    (dose,) = rated["dosageInstruction.doseAndRate.all"]
    assert dose["rateRatio"]["numerator"]["unit"] == "mL"


def test_the_other_codings_and_all_categories_have_a_place() -> None:
    categories = [{"text": "laboratory"}, {"coding": [{"code": "sdoh"}]}]
    row = flat(observation(1, category=categories))[0]
    assert [one["code"] for one in row["code.coding.others"]] == ["BP", "75367002"]
    assert row["category.text"] is None
    assert [one["text"] for one in row["category.all"]] == ["laboratory", None]
    assert row["category.all"][1]["coding"] == [
        {"system": None, "code": "sdoh", "display": None}
    ]


def test_a_seldom_element_is_a_list_of_one_object() -> None:
    rows = flat(
        {"resourceType": "Procedure", "performedRange": {"low": {"value": 30}}},
        {"resourceType": "Procedure", "status": "completed"},
    )
    (found,) = rows[0]["performedRange"]
    assert (found["low"]["value"], found["high"]) == (30.0, None)
    assert rows[1]["performedRange"] is None


@given(
    st.lists(
        st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "text": st.sampled_from("ab"),
                    "coding": st.lists(
                        st.fixed_dictionaries(
                            {"code": st.sampled_from("xyz")},
                            optional={
                                "system": st.sampled_from(["urn:a", "http://loinc.org"])
                            },
                        ),
                        min_size=1,
                        max_size=3,
                    ),
                },
            ),
            max_size=3,
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_coding_of_any_repetition_is_lost(categories: list[list[Resource]]) -> None:
    rows = flat(*[observation(n, category=list(c)) for n, c in enumerate(categories)])
    for row, said_of in zip(rows, categories, strict=True):
        codes = sorted(c["code"] for one in said_of for c in one.get("coding", ()))
        every = row["category.all"] or ()
        found = [c["code"] for one in every for c in one["coding"] or ()]
        if not every:
            found += [c["code"] for c in row["category.coding.others"] or ()]
            found += (
                [row["category.coding.code"]] if row["category.coding.code"] else []
            )
        assert sorted(found) == codes
        assert bool(every) == (len(said_of) > 1)


@pytest.mark.parametrize("none", [None, []])
def test_elements_that_are_there_but_empty_are_none(none: object) -> None:
    names = ("identifier", "name", "extension", "telecom", "communication", "address")
    row = said(flat({"resourceType": "Patient", **dict.fromkeys(names, none)})[0])
    assert row == ({} if none is None else {"telecom": []})
    codes = {"code": {"coding": none}, "category": none, "performer": none}
    found = flat({"resourceType": "Observation", **codes, "valueQuantity": {}})[0]
    assert said(found) == {}


def test_what_comes_only_later_in_a_file_is_read_all_the_same() -> None:
    flattener = Flattener("Observation", MAPPING["Observation"])
    plain = [json.dumps(observation(n)).encode() for n in range(100)]
    for _ in range(2):
        flattener.flatten(plain)
    late = json.dumps(
        observation(
            1, valueQuantity={"value": 7, "comparator": ">"}, bodySite={"text": "arm"}
        )
    )
    batch, _, left = flattener.flatten([*plain, late.encode()])
    row = batch.to_pylist()[-1]
    assert (row["valueQuantity.comparator"], row["bodySite.text"]) == (">", "arm")
    assert left == {}


# --- extensions that may change the meaning ------------------------------------------------------

NOT_DONE = [{"url": "http://example.org/not-done", "valueBoolean": True}]
MODIFIED: list[tuple[str, Resource]] = [
    ("modifierExtension", {"modifierExtension": NOT_DONE}),
    (
        "component.modifierExtension",
        {"component": [{"code": {}, "modifierExtension": NOT_DONE}]},
    ),
    (
        "referenceRange.modifierExtension",
        {"referenceRange": [{}, {"modifierExtension": NOT_DONE}]},
    ),
    ("contained.modifierExtension", {"contained": [{"modifierExtension": NOT_DONE}]}),
    ("code.modifierExtension", {"code": {"modifierExtension": NOT_DONE}}),
]


def of_policy(resource: Resource, *patterns: str) -> pa.RecordBatch:
    flattener = Flattener("Observation", MAPPING["Observation"], patterns)
    return flattener.flatten([json.dumps(resource).encode()])[0]


@pytest.mark.parametrize(("name", "elements"), MODIFIED)
@pytest.mark.parametrize("odd", [{}, {"contained": [{"x": 1}, {"x": "y"}]}])
def test_a_modifier_extension_that_no_rule_names_is_refused_at_every_level(
    name: str, elements: Resource, odd: Resource
) -> None:
    resource = observation(1, **{**odd, **elements})
    with pytest.raises(UnknownModifierError):
        of_policy(resource)
    with pytest.raises(UnknownModifierError):
        of_policy(resource, "Patient.modifierExtension", "hasMember.modifierExtension")
    for pattern in (name, f"Observation.{name}", "**.modifierExtension"):
        assert of_policy(resource, pattern).num_rows == 1


def test_a_modifier_extension_that_a_rule_names_has_columns() -> None:
    resource = observation(1, modifierExtension=NOT_DONE)
    batch = of_policy(resource, "modifierExtension.url")
    (found,) = batch.to_pylist()[0]["modifierExtension"]
    assert {name: value for name, value in found.items() if value is not None} == (
        NOT_DONE[0]
    )
    assert "modifierExtension" not in of_policy(observation(1)).schema.names


def test_a_modifier_extension_whose_value_has_no_column_is_refused() -> None:
    resource = observation(1, modifierExtension=[{"url": "u", "valueMoney": {}}])
    with pytest.raises(UnknownModifierError):
        of_policy(resource, "**.modifierExtension")


def test_a_line_with_a_modifier_extension_is_named_or_left_out(tmp_path: Path) -> None:
    bad = patient(2, communication=[{"modifierExtension": NOT_DONE}])
    escaped = json.dumps(patient(3, modifierExtension=NOT_DONE)).replace(
        "modifierE", "modifier\\u0045"
    )
    path = write(tmp_path / "a.ndjson", patient(1), bad, patient(4))
    path.write_text(path.read_text() + escaped + "\n")
    error = refuse(source_of(path))
    assert error.line == 2
    assert "line 2 has a communication.modifierExtension" in str(error)
    assert "policy" in str(error.hint)
    rejects = SkipRejects()
    rows = rows_of(source_of(path, rejects=rejects))
    assert ([row["id"] for row in rows], rejects.count) == (["p1", "p4"], 2)
    whole = rows_of(source_of(path, whole=True))
    assert [row["id"] for row in whole] == ["p1", "p2", "p4", "p3"]


def test_a_policy_that_names_the_extension_lets_its_lines_pass(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", patient(1, modifierExtension=NOT_DONE))
    policy = parse_policy(
        b'format = 2\nname = "p"\nversion = "1"\nunlisted = "drop"\n'
        b'[columns]\nid = "drop"\nmodifierExtension = "drop"\n'
    )
    options = PushOptions(policy=policy).source_options()
    assert options.modifiers == ("modifierExtension",)
    assert [row["id"] for row in rows_of(open_source(path, options))] == ["p1"]
    with pytest.raises(SourceError, match="modifierExtension"):
        rows_of(open_source(path, PushOptions().source_options()))


@pytest.mark.parametrize("resource", sorted(MAPPING))
def test_a_policy_can_tell_all_leaves_of_a_type_apart(resource: str) -> None:
    policy = parse_policy(
        b'format = 2\nname = "p"\nversion = "1"\n[columns]\nid = "drop"\n'
    )
    columns = Columns(
        Flattener(resource, MAPPING[resource], ["**.modifierExtension"]).schema, policy
    )
    assert columns.alike() == []


def test_what_is_nested_too_deeply_is_refused_and_does_not_crash() -> None:
    deep = b'{"resourceType":"Observation","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    with pytest.raises(pa.ArrowInvalid):
        Flattener("Observation", MAPPING["Observation"]).flatten([deep])


@pytest.mark.parametrize("resource", sorted(MAPPING))
def test_every_type_has_distinct_columns_that_name_their_path(resource: str) -> None:
    flattener = Flattener(resource, MAPPING[resource])
    names = flattener.schema.names
    assert len(set(names)) == len(names)
    assert [f.metadata[b"fhir.path"].decode() for f in flattener.schema] == [
        f"{resource}.{name}" for name in names
    ]
    smallest = json.dumps({"resourceType": resource, "id": "1"}).encode()
    batch, types, others = flattener.flatten([smallest])
    assert (batch.schema, types.to_pylist(), others) == (
        flattener.schema,
        [resource],
        {},
    )
    assert said(batch.to_pylist()[0]) == {"id": "1"}


def test_the_page_on_fhir_lists_every_column() -> None:
    page = (DOCS / "owner/sources/fhir.md").read_text()
    for resource, elements in MAPPING.items():
        section = page.partition(f"### {resource}\n")[2].partition("\n### ")[0]
        listed = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
        assert listed == Flattener(resource, elements).schema.names


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".ndjson", ".ndjson.gz"])
def test_a_source_continued_at_any_chunk_gives_the_same_rows(
    suffix: str, tmp_path: Path
) -> None:
    resources = [patient(number) for number in range(40)]
    source = source_of(
        write(tmp_path / f"patients{suffix}", *resources), block_size=3000
    )
    (part,) = source.parts()
    chunks = list(source.read(part, BEGINNING))
    assert len(chunks) > 10
    assert chunks[0].begin == BEGINNING
    rows = [row for chunk in chunks for row in chunk.batch.to_pylist()]
    assert rows == flat(*resources)
    done = 0
    for chunk in chunks:
        done += len(chunk.batch)
        rest = [
            row
            for more in source.read(part, chunk.end)
            for row in more.batch.to_pylist()
        ]
        assert rest == rows[done:]


def test_a_file_cut_below_the_mark_is_not_continued(tmp_path: Path) -> None:
    path = write(tmp_path / "patients.ndjson", patient(1), patient(2))
    source = source_of(path)
    (part,) = source.parts()
    mark = list(source.read(part, BEGINNING))[-1].end
    write(path, patient(1))
    with pytest.raises(SourceChanged):
        list(source.read(part, mark))


def test_resources_are_told_from_other_json_lines_by_their_first_line(
    tmp_path: Path,
) -> None:
    write(tmp_path / "a.ndjson", patient(1))
    (tmp_path / "empty.ndjson").touch()
    assert open_source(tmp_path).kind == "fhir"
    (tmp_path / "b.ndjson").write_text('{"id": 1}\n')
    assert open_source(tmp_path / "b.ndjson").kind == "jsonl"
    with pytest.raises(InvalidArgument, match=r"ambiguous \(fhir, jsonl\)"):
        open_source(tmp_path)
    write(tmp_path / "c.jsonl", patient(1))
    assert open_source(tmp_path / "c.jsonl").kind == "jsonl"
    assert open_source(tmp_path / "c.jsonl", SourceOptions(kind="fhir")).kind == "fhir"


def test_several_types_are_refused_by_name_unless_one_is_chosen(tmp_path: Path) -> None:
    write(tmp_path / "1.ndjson", patient(1))
    write(tmp_path / "2.ndjson", observation(1))
    write(tmp_path / "3.ndjson", {"resourceType": "canary", "id": "1"})
    with pytest.raises(InvalidArgument, match="Observation, Patient, 1 more") as caught:
        open_source(tmp_path)
    assert "--resource" in hint_of(caught.value)
    assert "--whole" in hint_of(caught.value)
    source = open_source(tmp_path, SourceOptions(resource="Observation"))
    assert [row["id"] for row in rows_of(source)] == ["o1"]


def test_of_a_mixed_file_the_chosen_type_is_read(tmp_path: Path) -> None:
    resources = [patient(n) if n % 3 else observation(n) for n in range(30)]
    path = write(tmp_path / "mixed.ndjson", *resources)
    source = source_of(path, resource="Observation", block_size=2000)
    assert [row["id"] for row in rows_of(source)] == [f"o{n}" for n in range(0, 30, 3)]
    error = refuse(source_of(path))
    assert error.line == 2
    assert "another type" in str(error)


@pytest.mark.parametrize("resource", ["Questionnaire", "patient", "canary"])
def test_a_type_without_columns_is_refused_with_the_way_out(
    resource: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "q.ndjson", {"resourceType": resource, "id": "1"})
    for options in (
        SourceOptions(kind="fhir"),
        SourceOptions(kind="fhir", resource=resource),
    ):
        with pytest.raises(InvalidArgument, match="there are no columns") as caught:
            open_source(path, options)
        assert resource not in str(caught.value)
        assert "--whole" in hint_of(caught.value)
    source = open_source(path, SourceOptions(kind="fhir", whole=True))
    assert [row["resourceType"] for row in rows_of(source)] == [resource]


def test_options_of_fhir_are_refused_for_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    for options in (SourceOptions(resource="Patient"), SourceOptions(whole=True)):
        with pytest.raises(InvalidArgument):
            open_source(path, options)


def test_a_source_without_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.ndjson"
    path.write_text("\n\n")
    for options in (SourceOptions(kind="fhir"), SourceOptions(kind="fhir", whole=True)):
        with pytest.raises(EmptySource):
            open_source(path, options)


def test_whole_resources_of_any_type_keep_their_text(tmp_path: Path) -> None:
    lines = [
        '{"resourceType":"Patient",  "id":"1","birthDate":"1970"}',
        '{"id":"2","resourceType":"Claim","meta":{"lastUpdated":"2024-01-01T00:00:00Z"},"x":1.50}',
    ]
    path = tmp_path / "mixed.ndjson"
    path.write_text("\n".join(lines))
    rows = rows_of(source_of(path, whole=True))
    assert [row["resource"] for row in rows] == lines
    assert [(row["resourceType"], row["id"]) for row in rows] == [
        ("Patient", "1"),
        ("Claim", "2"),
    ]
    assert rows[1]["lastUpdated"] == datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    assert [
        row["id"] for row in rows_of(source_of(path, whole=True, resource="Claim"))
    ] == ["2"]


def test_a_byte_order_mark_and_blank_lines_are_no_resources(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(patient(1)).encode() + b"\r\n\n \n")
    assert [row["id"] for row in rows_of(open_source(path))] == ["p1"]


def refuse(source: FhirSource) -> SourceError:
    with pytest.raises(SourceError) as caught:
        rows_of(source)
    assert "canary" not in str(caught.value)
    return caught.value


BROKEN = [
    (b'{"resourceType": "Patient", "id": "canary', "line 3 is not JSON", None),
    (b'["canary"]', "line 3 is not an object", None),
    (b'{"id": "canary"}', "line 3 is not a FHIR resource", None),
    (b'{"resourceType": "Patient", "id": "caf\xe9"}', "line 3 is not utf-8 text", None),
    (b'{"resourceType": "Patient", "id": 7}', "line 3, column 1: a value", "id"),
    (
        b'{"resourceType": "Patient", "birthDate": "canary"}',
        "line 3, column ",
        "birthDate",
    ),
    (
        b'{"resourceType": "Patient", "name": {"family": "canary"}}',
        "line 3, column ",
        "name.use",
    ),
    (
        b'{"resourceType": "Patient"} {"resourceType": "Patient"}',
        "line 3 is not JSON",
        None,
    ),
    (b'{"resourceType": "Patient",\n"id": "canary"}', "line 3 is not JSON", None),
]


@pytest.mark.parametrize(("line", "message", "column"), BROKEN)
def test_a_broken_line_is_named_or_left_out(
    line: bytes, message: str, column: str | None, tmp_path: Path
) -> None:
    place = column_of("Patient", column) if column else None
    good = [json.dumps(patient(number)).encode() for number in range(5)]
    path = tmp_path / "patients.ndjson"
    path.write_bytes(b"\n".join([*good[:2], line, *good[2:]]))
    error = refuse(source_of(path))
    assert message in str(error)
    assert (error.path, error.line, error.column) == (path, 3, place)
    rejects = SkipRejects()
    rows = rows_of(source_of(path, rejects=rejects))
    assert [row["id"] for row in rows] == ["p0", "p1", "p2", "p3", "p4"]
    assert rejects.count == 1 + line.count(b"\n")


def test_rejects_take_the_line_as_it_stands(tmp_path: Path) -> None:
    taken: list[bytes] = []

    class Kept(SkipRejects):
        def reject(self, error: SourceError, content: bytes) -> None:
            taken.append(content)

    path = tmp_path / "a.ndjson"
    path.write_bytes(json.dumps(patient(1)).encode() + b"\n{oops\n")
    rows_of(source_of(path, rejects=Kept(), whole=True))
    assert taken == [b"{oops\n"]


@given(content=st.binary(max_size=60), whole=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_line_ends_as_a_row_or_a_named_error(
    content: bytes, whole: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fhir") / "a.ndjson"
    line = b'{"resourceType":"Patient","active":' + content.replace(b"\n", b"")
    path.write_bytes(json.dumps(patient(1)).encode() + b"\n" + line + b"\n")
    rejects = SkipRejects()
    source = source_of(path, rejects=rejects, whole=whole, resource="Patient")
    assert len(rows_of(source)) + rejects.count == 2
