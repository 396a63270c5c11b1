"""ViewDefinitions of SQL on FHIR: what they give, and what is refused by name."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sealift.owner.sources import BEGINNING, SkipRejects, SourceOptions, open_source
from sealift.owner.sources.fhir_paths import FUNCTIONS, compile_path, data_of
from sealift.owner.sources.fhir_viewing import ViewReader
from sealift.owner.sources.fhir_views import parse_view, read_view
from sealift_protocol.errors import InvalidArgument, SourceError

ANNA = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "birthDate": "1970-05",
    "meta": {"lastUpdated": "2024-01-02T03:04:05Z"},
    "multipleBirthInteger": 2,
    "name": [
        {"use": "official", "family": "Nowak", "given": ["Anna", "Zoë"]},
        {"use": "usual", "family": "Ann", "given": []},
    ],
    "address": [{"city": "Kraków"}, {"city": "Łódź"}],
    "extension": [{"url": "urn:x", "valueCode": "F"}],
    "managingOrganization": {"reference": "https://example.org/fhir/Organization/o7"},
}
PLAIN = {"resourceType": "Patient", "id": "p2"}


def view(*select: Any, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "ViewDefinition",
        "resource": "Patient",
        "status": "draft",
        "select": list(select),
        **more,
    }


def columns(**paths: str) -> dict[str, Any]:
    return {"column": [{"name": name, "path": path} for name, path in paths.items()]}


def rows(
    definition: dict[str, Any], *resources: dict[str, Any]
) -> list[dict[str, Any]]:
    reader = ViewReader(parse_view(json.dumps(definition).encode()))
    lines = [json.dumps(one).encode() for one in resources or (ANNA, PLAIN)]
    batch, types, _ = reader.flatten(lines)
    batch.validate(full=True)
    assert len(types) == len(lines)
    found: list[dict[str, Any]] = batch.to_pylist()
    return found


# --- what a view gives ---------------------------------------------------------------------------


def test_columns_have_the_types_of_fhir() -> None:
    column = [
        {"name": "id", "path": "id", "type": "id"},
        {"name": "active", "path": "active"},
        {"name": "born", "path": "birthDate", "type": "date"},
        {"name": "changed", "path": "meta.lastUpdated", "type": "instant"},
        {"name": "births", "path": "multipleBirth.ofType(integer)", "type": "integer"},
        {"name": "cities", "path": "address.city", "collection": True},
        {"name": "named", "path": "name.exists()"},
        {"name": "share", "path": "1.5", "type": "decimal"},
    ]
    definition = view({"column": column})
    first, second = rows(definition)
    assert first == {
        "id": "p1",
        "active": True,
        "born": "1970-05",
        "changed": datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        "births": 2,
        "cities": ["Kraków", "Łódź"],
        "named": True,
        "share": 1.5,
    }
    assert (second["active"], second["births"], second["cities"]) == (None, None, [])
    assert second["named"] is False
    schema = parse_view(json.dumps(definition).encode()).schema()
    assert schema.field("births").type == pa.int64()
    assert schema.field("active").type == pa.bool_()


def test_for_each_gives_a_row_each_and_may_keep_those_without() -> None:
    names = {"column": [{"name": "family", "path": "family"}]}
    for way, expected in (
        ("forEach", [("p1", "Nowak"), ("p1", "Ann")]),
        ("forEachOrNull", [("p1", "Nowak"), ("p1", "Ann"), ("p2", None)]),
    ):
        found = rows(view(columns(id="id"), {way: "name", **names}))
        assert [(row["id"], row["family"]) for row in found] == expected


def test_selects_multiply_and_unions_follow_each_other() -> None:
    definition = view(
        columns(id="id"),
        {
            "unionAll": [
                {
                    "forEach": "name",
                    **columns(text="family", at="%rowIndex.toString()"),
                },
                {"forEach": "address", **columns(text="city", at="'x'")},
            ]
        },
        {"forEach": "extension", **columns(code="value.ofType(code)")},
    )
    found = rows(definition)
    assert [(row["id"], row["text"], row["at"], row["code"]) for row in found] == [
        ("p1", "Nowak", "0", "F"),
        ("p1", "Ann", "1", "F"),
        ("p1", "Kraków", "x", "F"),
        ("p1", "Łódź", "x", "F"),
    ]


def test_constants_and_where_choose() -> None:
    definition = view(
        columns(id="id", family="name.where(use = %wanted).family"),
        constant=[{"name": "wanted", "valueCode": "official"}],
        where=[{"path": "name.exists()"}],
    )
    assert rows(definition) == [{"id": "p1", "family": "Nowak"}]


def test_keys_of_resources_and_references_fit() -> None:
    definition = view(
        columns(
            key="getResourceKey()",
            home="managingOrganization.getReferenceKey()",
            same="managingOrganization.getReferenceKey(Organization)",
            other="managingOrganization.getReferenceKey(Patient)",
        )
    )
    first, _ = rows(definition)
    assert first == {"key": "p1", "home": "o7", "same": "o7", "other": None}


def test_repeat_goes_down_as_deep_as_there_is_something() -> None:
    answers = {
        "resourceType": "QuestionnaireResponse",
        "item": [
            {"linkId": "1", "item": [{"linkId": "1.1", "item": [{"linkId": "1.1.1"}]}]}
        ],
    }
    definition = view({"repeat": ["item"], **columns(link="linkId")})
    definition["resource"] = "QuestionnaireResponse"
    assert [row["link"] for row in rows(definition, answers)] == ["1", "1.1", "1.1.1"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("name.given.join(',')", ["Anna,Zoë"]),
        ("name.first().family.upper()", ["NOWAK"]),
        ("name.last().family", ["Ann"]),
        ("name[0].given[1]", ["Zoë"]),
        ("name.given.count()", [2]),
        ("name.where(use = 'official' and family.exists()).family", ["Nowak"]),
        ("name.family.where($this.startsWith('N'))", ["Nowak"]),
        ("name.all(use.exists())", [True]),
        ("active.not()", [False]),
        ("telecom.empty()", [True]),
        ("extension('urn:x').value.ofType(code)", ["F"]),
        ("iif(active, 'y', 'n')", ["y"]),
        ("birthDate.substring(0, 4).toInteger()", [1970]),
        ("name.select(family.length())", [5, 3]),
        ("address.city.contains('ó')", None),
        ("address.city.first().replace('K', 'C')", ["Craków"]),
        ("multipleBirth.is(integer)", [True]),
        ("Patient.name.family.distinct()", ["Nowak", "Ann"]),
        ("true", [True]),
        ("nothing.at.all", []),
        ("(1 + 2).toString() & '!'", ["3!"]),
    ],
)
def test_the_functions_that_paths_may_call_do_what_fhirpath_says(
    path: str, expected: list[Any] | None
) -> None:
    compiled = compile_path(path, {})
    if expected is None:
        with pytest.raises(pa.ArrowInvalid) as caught:
            compiled(ANNA, 0)
        assert "Krak" not in str(caught.value)
        return
    assert [data_of(value) for value in compiled(ANNA, 0)] == expected


@pytest.mark.parametrize(
    "path", ["id", "name.family", "name.given", "meta.lastUpdated"]
)
def test_the_short_way_gives_what_the_library_gives(path: str) -> None:
    short, long = compile_path(path, {}), compile_path(path, {}, nodes=True)
    for resource in (ANNA, PLAIN):
        found = [data_of(value) for value in long(resource, 0)]
        assert short(resource, 0) == found


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("name.where(", "is not FHIRPath"),
        ("name..family", "is not FHIRPath"),
        ("name family", "is not FHIRPath"),
        ("", "is not FHIRPath"),
        ("trace('x')", r"calls trace\(\)"),
        ("name.`trace`('x')", "calls `trace`"),
        ("now()", r"calls now\(\)"),
        ("birthDate.lowBoundary()", r"calls lowBoundary\(\)"),
        ("managingOrganization.resolve().name", r"calls resolve\(\)"),
        ("%unknown", "uses %unknown"),
        ("name.select($index)", r"uses \$index"),
        ("a" * 3000, "too long"),
    ],
)
def test_a_path_that_is_not_supported_is_refused_by_name(path: str, what: str) -> None:
    with pytest.raises(InvalidArgument, match=what):
        compile_path(path, {})


def test_what_prints_records_or_changes_is_not_among_the_functions() -> None:
    assert not {"trace", "now", "today", "resolve", "memberOf", "matches"} & FUNCTIONS


@pytest.mark.parametrize(
    ("definition", "what"),
    [
        (view(), "no columns"),
        (view(columns(id="id"), columns(id="id")), "several columns of one name: id"),
        (view({"column": [{"name": "a-b", "path": "id"}]}), "none of SQL"),
        (view({"column": [{"name": "a", "path": "id", "lift": 1}]}), "lift"),
        (
            view({"column": [{"name": "a", "path": "name", "type": "HumanName"}]}),
            "HumanName, which is not a primitive",
        ),
        (
            view({"forEach": "name", "forEachOrNull": "name", **columns(a="use")}),
            "more than",
        ),
        (view({"unionAll": [columns(a="id"), columns(b="id")]}), "other columns"),
        (view(columns(a="id"), constant=[{"name": "x"}]), "constant"),
        (view(columns(a="id"), resourceType="Patient"), "another resourceType"),
        (view(columns(a="id"), resource="../x"), "no type of resource"),
        (view(columns(a="id"), viewLayout="x"), "viewLayout"),
    ],
)
def test_a_definition_that_is_not_supported_is_refused_by_name(
    definition: dict[str, Any], what: str
) -> None:
    with pytest.raises(InvalidArgument, match=what):
        parse_view(json.dumps(definition).encode())


def test_what_is_no_json_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="not a ViewDefinition"):
        parse_view(b"canary")
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_view(tmp_path / "nothing.json")


# --- as a source ---------------------------------------------------------------------------------


def source_of(
    tmp_path: Path, definition: dict[str, Any], *resources: Any, **how: Any
) -> Any:
    (tmp_path / "view.json").write_text(json.dumps(definition))
    data = tmp_path / "export.ndjson"
    data.write_text("".join(json.dumps(one) + "\n" for one in resources))
    options = SourceOptions(view=tmp_path / "view.json", **how)
    return open_source(data, options)


def read(source: Any) -> list[dict[str, Any]]:
    return [
        row
        for part in source.parts()
        for chunk in source.read(part, BEGINNING)
        for row in chunk.batch.to_pylist()
    ]


def test_a_view_reads_its_type_of_a_mixed_file(tmp_path: Path) -> None:
    other = {"resourceType": "Condition", "id": "c"}
    named = view(columns(id="id"), {"forEach": "name", **columns(family="family")})
    source = source_of(tmp_path, named, other, ANNA, other, PLAIN)
    assert [row["family"] for row in read(source)] == ["Nowak", "Ann"]
    assert source.schema.field("id").metadata[b"fhir.path"] == b"Patient.id"
    assert (
        source.schema.field("family").metadata[b"fhir.path"] == b"Patient.name.family"
    )


def test_only_plain_paths_are_names_for_a_policy(tmp_path: Path) -> None:
    source = source_of(tmp_path, view(columns(gender="name.family.first()")), ANNA)
    assert source.schema.field("gender").metadata in (None, {})


def test_a_resource_that_does_not_fit_is_named_by_line_and_column(
    tmp_path: Path,
) -> None:
    families = view(columns(id="id", family="name.family"))
    source = source_of(tmp_path, families, PLAIN, ANNA)
    with pytest.raises(
        SourceError, match=r"line 2, column 2: several values"
    ) as caught:
        read(source)
    assert "Nowak" not in str(caught.value)
    rejects = SkipRejects()
    source = source_of(tmp_path, families, PLAIN, ANNA, rejects=rejects)
    assert [row["id"] for row in read(source)] == ["p2"]
    assert rejects.count == 1
    failing = view(columns(x="address.city.contains('x')"))
    with pytest.raises(SourceError, match="line 1: a path of the view cannot"):
        read(source_of(tmp_path, failing, ANNA))


def test_a_modifier_extension_is_refused_unless_it_is_understood(
    tmp_path: Path,
) -> None:
    changed = {**PLAIN, "modifierExtension": [{"url": "urn:not", "valueBoolean": True}]}
    plain = view(columns(id="id"))
    with pytest.raises(SourceError, match="modifierExtension"):
        read(source_of(tmp_path, plain, changed))
    named = source_of(tmp_path, plain, changed, modifiers=("modifierExtension",))
    assert len(read(named)) == 1
    own = view(columns(id="id"), where=[{"path": "modifierExtension.empty()"}])
    assert read(source_of(tmp_path, own, changed, PLAIN)) == [{"id": "p2"}]


def test_options_that_do_not_go_with_a_view_are_refused(tmp_path: Path) -> None:
    plain = view(columns(id="id"))
    with pytest.raises(InvalidArgument, match="kept whole"):
        source_of(tmp_path, plain, ANNA, whole=True)
    with pytest.raises(InvalidArgument, match="of type Patient"):
        source_of(tmp_path, plain, ANNA, resource="Condition")
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(InvalidArgument, match="has no views"):
        open_source(tmp_path / "a.csv", SourceOptions(view=tmp_path / "view.json"))


def test_a_source_continued_at_any_chunk_gives_the_same_rows(tmp_path: Path) -> None:
    definition = view(columns(id="id"), {"forEach": "name", **columns(family="family")})
    many = [{**ANNA, "id": f"p{n}"} for n in range(30)]
    source = source_of(tmp_path, definition, *many)
    source._block_size = 700
    (part,) = source.parts()
    chunks = list(source.read(part, BEGINNING))
    assert len(chunks) > 3
    found = [row for chunk in chunks for row in chunk.batch.to_pylist()]
    assert len(found) == 60
    rest = [r for c in source.read(part, chunks[1].end) for r in c.batch.to_pylist()]
    assert rest == found[sum(len(c.batch) for c in chunks[:2]) :]
