"""Documents of FHIR: bundles, single resources and arrays, as lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.owner.sources import (
    BEGINNING,
    SkipRejects,
    SourceOptions,
    fhir_bundles,
    open_source,
)
from sealift_protocol.errors import InvalidArgument, SourceError

PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1970-05-17"}
OTHER = {"resourceType": "Patient", "id": "p2", "name": [{"family": "A\\nB"}]}
CONDITION = {"resourceType": "Condition", "id": "c1"}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "searchset",
    "link": [{"relation": "self", "url": "x"}],
    "entry": [
        {"fullUrl": "urn:uuid:1", "resource": PATIENT, "search": {"mode": "match"}},
        {"resource": CONDITION, "search": {"mode": "include"}},
        {
            "resource": {"resourceType": "OperationOutcome"},
            "search": {"mode": "outcome"},
        },
        {"request": {"method": "DELETE", "url": "Patient/9"}},
        {"resource": {"resourceType": "Bundle", "entry": [{"resource": OTHER}]}},
    ],
}


def written(
    tmp_path: Path, content: Any, name: str = "export.json", **how: Any
) -> Path:
    text = (
        content if isinstance(content, bytes) else json.dumps(content, **how).encode()
    )
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


def ids(path: Path, **options: Any) -> list[str]:
    source = open_source(path, SourceOptions(**options))
    assert source.kind == "fhir"
    return [
        row["id"]
        for part in source.parts()
        for chunk in source.read(part, BEGINNING)
        for row in chunk.batch.to_pylist()
    ]


@pytest.mark.parametrize("name", ["export.json", "export.json.gz"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_bundle_is_its_resources(
    name: str, indent: int | None, tmp_path: Path
) -> None:
    path = written(tmp_path, BUNDLE, name, indent=indent)
    assert ids(path, resource="Patient") == ["p1", "p2"]
    assert ids(path, resource="Condition") == ["c1"]
    assert ids(path, whole=True) == ["p1", "c1", "p2"]


@pytest.mark.parametrize("indent", [None, 2])
def test_other_documents_are_read_too(indent: int | None, tmp_path: Path) -> None:
    assert ids(written(tmp_path, PATIENT, indent=indent)) == ["p1"]
    assert ids(written(tmp_path, [PATIENT, OTHER], indent=indent)) == ["p1", "p2"]
    marked = b"\xef\xbb\xbf" + json.dumps(PATIENT, indent=indent).encode()
    assert ids(written(tmp_path, marked)) == ["p1"]


def test_lines_in_a_file_of_that_name_stay_lines(tmp_path: Path) -> None:
    content = b"\n" + b"".join(json.dumps(r).encode() + b"\n" for r in [PATIENT, OTHER])
    assert ids(written(tmp_path, content * 3)) == ["p1", "p2"] * 3


def test_the_text_of_a_resource_is_kept(tmp_path: Path) -> None:
    text = b'{"resourceType": "Bundle", "entry": [{"resource":\n {"resourceType":"Patient",\r\n'
    text += b'"multipleBirthInteger": 1.50, "x": "\\u00e9\\n"} }]}'
    source = open_source(written(tmp_path, text), SourceOptions(whole=True))
    (part,) = source.parts()
    (chunk,) = source.read(part, BEGINNING)
    (row,) = chunk.batch.to_pylist()
    assert row["resource"] == (
        '{"resourceType":"Patient",  "multipleBirthInteger": 1.50, "x": "\\u00e9\\n"}'
    )
    assert not source.continues(part)
    assert source.digest(part, "") == source.digest(part, chunk.end)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'{"resourceType": "Bundle", "entry": [\n canary', "line 1 is not JSON"),
        (b'{"a": 1,\n "b": 2}', "no resourceType"),
        (json.dumps({"resourceType": "Bundle"}).encode(), "no file holds a record"),
        (b"\xff\xfe{", "is UTF-16"),
    ],
)
def test_what_is_no_document_is_refused(
    content: bytes, what: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=what) as caught:
        ids(written(tmp_path, content))
    assert "canary" not in str(caught.value)


def test_bundles_in_bundles_end(tmp_path: Path) -> None:
    deep: Any = PATIENT
    for _ in range(20):
        deep = {"resourceType": "Bundle", "entry": [{"resource": deep}]}
    with pytest.raises(InvalidArgument, match="no columns"):
        ids(written(tmp_path, deep))


def test_a_document_that_is_too_large_says_how_to_split_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fhir_bundles, "_MAX_DOCUMENT", 100)
    with pytest.raises(SourceError, match="larger than") as caught:
        ids(written(tmp_path, BUNDLE, indent=1), resource="Patient")
    assert "jq" in str(caught.value.hint)


@given(content=st.binary(max_size=60), lines=st.booleans())
def test_any_bytes_end_as_rows_or_a_named_error(
    content: bytes, lines: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fhir") / "a.json"
    before = json.dumps(PATIENT).encode() + b"\n" if lines else b'{"entry":[\n'
    path.write_bytes(before + content)
    try:
        source = open_source(path, SourceOptions(whole=True, rejects=SkipRejects()))
        for part in source.parts():
            list(source.read(part, BEGINNING))
    except SourceError:
        pass
