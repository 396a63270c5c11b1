"""Exports of a FHIR server, against a double that behaves as the Bulk Data IG says."""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fakes.bulk_data import OUTCOME, TOKEN, BulkData, serving

from sealift.cli.push import _ask_for_token
from sealift.owner.sources import BEGINNING, SourceOptions, open_source
from sealift.owner.sources.fhir_export import Clock, Downloaded, download_export
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument, SourceError


def lines(kind: str, *numbers: int) -> str:
    return "".join(
        json.dumps({"resourceType": kind, "id": f"{kind}-{n}"}) + "\n" for n in numbers
    )


FILES = {
    "Patient": [lines("Patient", 1, 2), lines("Patient", 3)],
    "Condition": [lines("Condition", 1)],
}


@pytest.fixture
def server() -> Iterator[BulkData]:
    with serving(BulkData({kind: [*texts] for kind, texts in FILES.items()})) as found:
        yield found


@dataclass
class Waiting:
    """A clock that only moves by waiting."""

    time: float = 1_700_000_000.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    def clock(self, patience: float = 3600) -> Clock:
        return Clock(lambda: self.time, self.sleep, patience)


def given(_refused: bool) -> Secret:
    return Secret(TOKEN.encode() + b"\n")


def download(
    server: BulkData,
    resource: str = "Patient",
    *,
    ask: Callable[[bool], Secret | None] = given,
    waiting: Waiting | None = None,
    url: str = "/fhir/Patient/$export",
    patience: float = 3600,
) -> Downloaded:
    clock = (waiting or Waiting()).clock(patience)
    return download_export(f"fhir+bulk+{server.url}{url}", resource, ask, clock)


def refused(server: BulkData, **how: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        download(server, **how)
    assert "canary" not in str(caught.value)
    return caught.value


def test_an_export_is_begun_waited_for_read_and_removed(server: BulkData) -> None:
    server.working = [(202, "2"), (429, "7"), (202, ""), (503, "400")]
    waiting = Waiting()
    found = download(server, waiting=waiting)
    texts = [path.read_text() for path in found.paths]
    assert texts == FILES["Patient"]
    assert found.root.stat().st_mode & 0o777 == 0o700
    # What the server asks for, up to five minutes; where it says nothing, a little.
    assert waiting.waits == [2, 7, 2, 300]
    (method, path, headers), *_ = server.requests
    assert (method, path) == ("GET", "/fhir/Patient/$export?_type=Patient")
    assert headers["Prefer"] == "respond-async"
    assert headers["Accept"] == "application/fhir+json"
    assert server.requests[-1][:2] == ("DELETE", "/status/1")
    root = found.root
    del found
    gc.collect()
    assert not root.exists()


def test_a_source_reads_the_resources_as_one_commit(server: BulkData) -> None:
    server.working = []
    text = f"fhir+bulk+{server.url}/fhir/$export?_since=2024-01-01"
    options = SourceOptions(resource="Patient", token=given)
    source = open_source(text, options)
    rows = [
        row
        for part in source.parts()
        for chunk in source.read(part, BEGINNING)
        for row in chunk.batch.to_pylist()
    ]
    assert [row["id"] for row in rows] == ["Patient-1", "Patient-2", "Patient-3"]
    assert not source.resumable
    assert {part.name for part in source.parts()} == {""}
    assert server.count("GET", "/fhir/") == 1


def test_a_token_is_asked_for_only_after_the_server_refused(server: BulkData) -> None:
    asked = []

    def ask(refused: bool) -> Secret | None:
        asked.append(refused)
        return Secret(TOKEN.encode()) if refused else None

    download(server, ask=ask)
    assert asked == [False, True]
    error = refused(server, ask=lambda _: None, url="/fhir/$export")
    assert "status 401 (login)" in str(error)
    assert "SEALIFT_FHIR_TOKEN" in str(error.hint)


def test_the_token_of_the_command_is_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEALIFT_FHIR_TOKEN", TOKEN)
    assert _ask_for_token(False) == Secret(TOKEN.encode())
    monkeypatch.delenv("SEALIFT_FHIR_TOKEN")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert _ask_for_token(False) is _ask_for_token(True) is None


def test_a_full_disk_is_told_as_one(
    server: BulkData, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, _content: object) -> int:
            raise OSError(28, "canary")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_: Full())
        assert "no room" in str(refused(server))


def test_what_no_token_can_be_is_not_sent(server: BulkData) -> None:
    with pytest.raises(InvalidArgument, match="no token has"):
        download(server, ask=lambda _: Secret(b"canary\r\nX: y"))
    assert not server.requests


def test_a_token_goes_to_no_other_host(server: BulkData) -> None:
    with serving(BulkData(FILES)) as other:
        urls = [{"type": "Patient", "url": f"{other.url}/files/Patient/0"}]
        server.changes = {"output": urls}
        assert "another host" in str(refused(server))
        assert not other.requests
        server.changes["requiresAccessToken"] = False
        other.needs_token = False
        download(server)
        (_, _, headers), *_ = other.requests
        assert "Authorization" not in headers
        server.url, url = other.url, server.url
        error = refused(BulkData(FILES, url=url), url="/fhir/$export?x")
        assert "another host" in str(error)


def test_no_token_is_sent_for_files_that_need_none(server: BulkData) -> None:
    server.changes = {"requiresAccessToken": False}
    server.needs_token = False
    download(server)
    files = [headers for _, path, headers in server.requests if "/files/" in path]
    assert len(files) == 2
    assert not any("Authorization" in headers for headers in files)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"refusal": (400, OUTCOME)}, r"did not accept.*status 400 \(too-costly\)"),
        ({"refusal": (202, None)}, "did not accept"),
        ({"refusal": (302, b"")}, "status 302"),
        ({"failure": (500, OUTCOME)}, r"gave up the export.*500 \(too-costly\)"),
        ({"failure": (200, b"<html>canary")}, "not the manifest"),
        ({"gone": True}, "has expired"),
        ({"encoding": "gzip"}, "compressed file"),
        ({"changes": {"link": [{"relation": "next", "url": "x"}]}}, "another page"),
        (
            {"changes": {"output": [{"type": "Patient", "url": "ftp://x/y"}]}},
            "not at an https URL",
        ),
        (
            {"changes": {"output": [{"type": "Patient", "url": "http://x.org/y"}]}},
            "https",
        ),
        ({"changes": {"output": [{"type": "../x", "url": "y"}]}}, "no resource type"),
    ],
)
def test_a_server_that_fails_is_told_with_its_status_and_no_text_of_it(
    change: dict[str, Any], what: str, server: BulkData
) -> None:
    for name, value in change.items():
        setattr(server, name, value)
    with pytest.raises(SourceError, match=what) as caught:
        download(server)
    assert "canary" not in str(caught.value)
    if "refusal" not in change:
        assert server.count("DELETE", "/status/") == 1


def test_a_count_that_is_not_right_is_refused(server: BulkData) -> None:
    output = server.manifest()["output"]
    output[0]["count"] = 5
    server.changes = {"output": output}
    assert "has 2 resources, and 5" in str(refused(server))


def test_a_file_that_ends_too_early_is_refused(server: BulkData) -> None:
    server.cut = True
    assert "ends too early" in str(refused(server))


def test_patience_ends_and_so_does_an_export(server: BulkData) -> None:
    server.working = [(202, "300")] * 20
    waiting = Waiting()
    error = refused(server, waiting=waiting, patience=1000)
    assert "not complete in time" in str(error)
    assert waiting.waits == [300, 300, 300]
    assert server.count("DELETE", "/status/") == 1


def test_an_export_without_the_type_says_which_it_has(server: BulkData) -> None:
    with pytest.raises(InvalidArgument) as caught:
        download(server, "Observation")
    assert "Condition, Patient" in str(caught.value.hint)


@pytest.mark.parametrize(
    "url",
    [
        "fhir+bulk+http://example.org/fhir/$export",
        "fhir+bulk+https://user:canary@example.org/fhir/$export",
        "fhir+bulk+https:///fhir/$export",
        "fhir+bulk+https://example.org/a b",
    ],
)
def test_a_url_that_would_show_records_or_a_password_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        download_export(url, "Patient", given)
    assert "canary" not in str(caught.value)


def test_a_server_that_does_not_answer_is_told() -> None:
    server = BulkData(FILES, url="http://127.0.0.1:9")
    assert "cannot be reached" in str(refused(server))


# --- folders -------------------------------------------------------------------------------------


def folder(tmp_path: Path, **changes: Any) -> Path:
    manifest = BulkData(FILES, url="https://example.org", changes=changes).manifest()
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def ids(source: Any) -> list[str]:
    return [
        row["id"]
        for part in source.parts()
        for chunk in source.read(part, BEGINNING)
        for row in chunk.batch.to_pylist()
    ]


def test_the_files_of_a_downloaded_export_are_those_of_its_manifest(
    tmp_path: Path,
) -> None:
    output = [
        {"type": "Patient", "url": "https://example.org/x/one.ndjson?sig=1"},
        {"type": "Condition", "url": "https://example.org/x/two.ndjson"},
    ]
    more = [{"type": "Bundle", "url": "https://example.org/x/gone.ndjson"}]
    place = folder(tmp_path, output=output, deleted=more, error=more)
    (place / "one.ndjson").write_text(lines("Patient", 1))
    (place / "two.ndjson").write_text(lines("Condition", 1))
    (place / "other.ndjson").write_text("canary\n")
    source: Any = open_source(f"fhir+bulk://{place}", SourceOptions(resource="Patient"))
    assert ids(source) == ["Patient-1"]
    assert source.resumable
    assert source.left_out == {
        "files of errors that the export had": 1,
        "files of resources that were deleted": 1,
    }
    whole = open_source(f"fhir+bulk://{place}", SourceOptions(whole=True))
    assert ids(whole) == ["Patient-1", "Condition-1"]
    with pytest.raises(InvalidArgument, match="several types"):
        open_source(f"fhir+bulk://{place}")
    (place / "one.ndjson").unlink()
    with pytest.raises(SourceError, match="1 of the 2 files") as caught:
        open_source(f"fhir+bulk://{place}", SourceOptions(whole=True))
    assert caught.value.path == place / "manifest.json"


def test_files_that_a_client_renamed_are_told_by_their_type(tmp_path: Path) -> None:
    place = folder(tmp_path)
    for number in range(12):
        text = lines("Patient", number)
        (place / f"{number}.Patient.ndjson").write_text(text)
    output = [{"type": "Patient", "url": f"https://x.org/f?id={n}"} for n in range(12)]
    folder(tmp_path, output=output)
    source = open_source(f"fhir+bulk://{place}", SourceOptions(resource="Patient"))
    assert ids(source) == [f"Patient-{n}" for n in range(12)]


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(SourceError, match="no manifest"):
        open_source(f"fhir+bulk://{tmp_path}")
    with pytest.raises(SourceError, match="no such folder"):
        open_source(f"fhir+bulk://{tmp_path}/nowhere")
