"""Sources, exports and keystores that other packages add, and packages that are broken."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from documents import data_of
from fakes.packages import Install, installer

from sealift.cli.datasets import pull
from sealift.cli.push import sources
from sealift.keystore.registry import open_backend
from sealift.owner.sources import KINDS, SourceOptions, check_source, open_source
from sealift.process.secret import Secret
from sealift.trainer.exports.registry import BUILT_IN, export_names, find_export
from sealift_protocol.errors import InvalidArgument

SOURCES, EXPORTS, KEYSTORES = (
    f"sealift.{name}" for name in ("sources", "exports", "keystores")
)
SOURCE = """
import pyarrow as pa
from sealift.owner.sources import Kind
from sealift.owner.sources.memory import MemorySource

def read(text, options):
    return MemorySource(pa.table({"text": [text]}))

KIND = Kind("rocks", "rocks of any size", read, suffixes=(".rock",), schemes=("rock",))
NEEDY = Kind("needy", "what needs more", read, module="sealift_absent")
"""
EXPORT = """
from sealift.trainer.exports.interface import Export
from sealift.trainer.exports.staging import new_folder

def write(dataset, folder, *, columns, progress):
    with new_folder(folder) as staging:
        (staging / "count").write_text(str(dataset.num_records))
    progress(dataset.num_records, 0)
    return [folder / "count"]

STONES = Export("stones", "how many there are", write)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    folder = tmp_path / "packages"
    folder.mkdir()
    return installer(folder, monkeypatch)


def refused(text: str, kind: str = "") -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        open_source(text, SourceOptions(kind=kind))
    return caught.value


# --- sources -------------------------------------------------------------------------------------


def test_a_source_of_another_package_is_chosen_by_name_suffix_and_url(
    install: Install, tmp_path: Path
) -> None:
    install("acme-rocks", SOURCES, {"rocks": "KIND"}, SOURCE)
    path = tmp_path / "a.rock"
    path.write_text("")
    for text, kind in ((str(path), ""), ("rock://x", ""), ("anything", "rocks")):
        source = open_source(text, SourceOptions(kind=kind))
        assert source.schema == pa.schema([("text", pa.string())])
        check_source(text, kind)


def test_what_is_built_in_loads_no_package(install: Install, tmp_path: Path) -> None:
    install("acme-rocks", SOURCES, {"csv": "x", "rocks": "KIND"}, "1 / 0")
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    assert open_source(path).kind == "csv"
    assert open_source(path, SourceOptions(kind="csv")).kind == "csv"


def test_a_broken_package_is_named_and_the_others_work(
    install: Install, tmp_path: Path
) -> None:
    install("acme-rocks", SOURCES, {"rocks": "KIND"}, SOURCE)
    install("acme-broken", SOURCES, {"broken": "KIND"}, "raise SystemExit('secret')")
    assert open_source("rock://x").schema.names == ["text"]
    error = refused("x", "broken")
    assert error.what == (
        'the plug-in "broken" of the package acme-broken cannot be loaded'
    )
    assert "acme_broken" in error.hint
    assert "secret" not in error.what + error.hint
    # Where no source fits, the broken one may be why.
    assert "acme-broken" in refused("gravel://x").hint
    path = tmp_path / "a.gravel"
    path.write_text("")
    assert "acme-broken" in refused(str(path)).hint


@pytest.mark.parametrize(
    ("name", "attribute", "problem"),
    [
        ("rocks", "read", "is not of the type Kind"),
        ("stones", "KIND", "declares a different name"),
        ("rocks", "absent", "cannot be loaded"),
    ],
)
def test_a_package_that_does_not_keep_to_the_interface_is_named(
    install: Install, name: str, attribute: str, problem: str
) -> None:
    install("acme-rocks", SOURCES, {name: attribute}, SOURCE)
    assert refused("x", name).what == (
        f'the plug-in "{name}" of the package acme-rocks {problem}'
    )


def test_a_built_in_source_is_not_replaced(install: Install) -> None:
    install("acme-rocks", SOURCES, {"parquet": "KIND"}, SOURCE)
    done = CliRunner().invoke(sources, ["--json"], catch_exceptions=False)
    named = [kind["name"] for kind in data_of(done.stdout)]
    assert named == list(KINDS)
    assert '"parquet" of the package acme-rocks is not used' in done.stderr


def test_one_name_of_two_packages_is_neither(install: Install) -> None:
    install("acme-rocks", SOURCES, {"rocks": "KIND"}, SOURCE)
    install("other-rocks", SOURCES, {"rocks": "KIND"}, SOURCE)
    assert "acme-rocks, other-rocks" in refused("x", "rocks").what


def test_several_sources_that_claim_the_same_are_told_apart_by_name(
    install: Install, tmp_path: Path
) -> None:
    install("acme-rocks", SOURCES, {"rocks": "KIND"}, SOURCE)
    again = SOURCE.replace('"rocks"', '"pebbles"')
    install("acme-pebbles", SOURCES, {"pebbles": "KIND"}, again)
    path = tmp_path / "a.rock"
    path.write_text("")
    assert "pebbles/rocks" in refused(str(path)).what
    assert "pebbles, rocks" in refused("rock://x").what
    assert open_source(path, SourceOptions(kind="pebbles")).schema.names == ["text"]


def test_what_a_source_needs_is_said(install: Install) -> None:
    install("acme-rocks", SOURCES, {"rocks": "KIND", "needy": "NEEDY"}, SOURCE)
    error = refused("x", "needy")
    assert "needs sealift_absent, which is not installed" in error.what
    assert error.hint == "install sealift_absent"
    done = CliRunner().invoke(sources, [], catch_exceptions=False)
    assert "rocks     rocks of any size" in done.stdout
    assert "not installed: pip install sealift_absent" in done.stdout


# --- exports -------------------------------------------------------------------------------------


class Counted:
    num_records = 5


def test_an_export_of_another_package_is_found_and_offered(
    install: Install, tmp_path: Path
) -> None:
    install("acme-stones", EXPORTS, {"stones": "STONES"}, EXPORT)
    assert export_names() == [*BUILT_IN, "stones"]
    (file,) = find_export("stones").write(
        Counted(),  # type: ignore[arg-type]
        tmp_path / "out",
        columns=None,
        progress=lambda *_: None,
    )
    assert file.read_text() == "5"


def test_a_built_in_export_is_not_replaced(install: Install) -> None:
    install("acme-stones", EXPORTS, {"parquet": "STONES"}, "1 / 0")
    assert find_export("parquet").name == "parquet"
    assert export_names() == list(BUILT_IN)


def test_every_built_in_export_has_its_name() -> None:
    assert [find_export(name).name for name in BUILT_IN] == list(BUILT_IN)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import sealift_absent", "cannot be loaded"),
        ("STONES = 3", "is not of the type Export"),
        (EXPORT.replace('"stones"', '"pebbles"'), "declares a different name"),
    ],
)
def test_a_broken_export_is_named(install: Install, source: str, problem: str) -> None:
    install("acme-stones", EXPORTS, {"stones": "STONES"}, source)
    with pytest.raises(InvalidArgument, match=f"package acme-stones {problem}"):
        find_export("stones")


def test_an_export_that_nothing_adds_is_refused_with_the_names(
    install: Install, tmp_path: Path
) -> None:
    install("acme-stones", EXPORTS, {"stones": "STONES"}, EXPORT)
    with pytest.raises(
        InvalidArgument, match="no export format of that name"
    ) as caught:
        find_export("pebbles")
    assert "parquet, arrow, webdataset, files, stones" in caught.value.hint
    out = str(tmp_path / "out")
    done = CliRunner().invoke(pull, ["a/b", "--out", out, "--as", "pebbles"])
    assert done.exit_code == 2
    assert "auto, parquet, arrow, webdataset, files, stones" in done.stderr


# --- keystores -----------------------------------------------------------------------------------


def ask(_what: str) -> Secret:
    raise NotImplementedError


def test_a_keystore_of_another_package_is_opened(install: Install) -> None:
    source = "def open_it(url, ask):\n    return url\n"
    install("acme-vault", KEYSTORES, {"acme": "open_it"}, source)
    assert open_backend("acme:x", ask) == "acme:x"


@pytest.mark.parametrize(
    ("source", "problem"),
    [("1 / 0", "cannot be loaded"), ("open_it = 3", "is not a function")],
)
def test_a_broken_keystore_is_named(
    install: Install, source: str, problem: str
) -> None:
    install("acme-vault", KEYSTORES, {"acme": "open_it"}, source)
    with pytest.raises(InvalidArgument, match=f"package acme-vault {problem}"):
        open_backend("acme:x", ask)


def test_a_built_in_keystore_is_not_replaced(install: Install) -> None:
    install("acme-vault", KEYSTORES, {"openbao": "open_it"}, "1 / 0")
    with pytest.raises(InvalidArgument) as caught:
        open_backend("openbao:", ask)
    assert "acme-vault" not in caught.value.what
