"""The manifest of a FHIR Bulk Data export: which files belong to it.

https://hl7.org/fhir/uv/bulkdata/export.html#response---complete-status
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from sealift.owner.sources.bytestreams import COMPRESSED, ENCRYPTED
from sealift_protocol.errors import InvalidArgument, SourceError

MAX_MANIFEST = 16 << 20
ERRORS = "files of errors that the export had"
DELETED = "files of resources that were deleted"
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_NUMBER = re.compile(r"(\d+)")


class Output(msgspec.Struct, frozen=True):
    """A file of an export.

    Attributes:
        url: where it is.
        type: type of its resources; of deleted ones, Bundle.
        count: number of its resources, if the server says.
    """

    url: str
    type: str = ""
    count: int | None = None


class _Link(msgspec.Struct):
    relation: str = ""


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """An export.

    Attributes:
        transaction_time: the time that its resources are of.
        requires_access_token: whether its files are given for a token only.
        output: the files of resources.
        error: files of OperationOutcomes.
        deleted: files of Bundles that name deleted resources.
        link: further parts of the manifest.
    """

    transaction_time: str
    output: list[Output]
    requires_access_token: bool = False
    error: list[Output] = msgspec.field(default_factory=list)
    deleted: list[Output] = msgspec.field(default_factory=list)
    link: list[_Link] = msgspec.field(default_factory=list)

    def told(self) -> Counter[str]:
        """Return how many files have no records, by the reason."""
        return +Counter({ERRORS: len(self.error), DELETED: len(self.deleted)})


def read_manifest(content: bytes, path: Path | None = None) -> Manifest:
    """Read a manifest.

    Raises:
        SourceError: it is not one, or has further parts.
    """
    try:
        found = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SourceError("this is not the manifest of an export", path=path) from None
    if any(link.relation == "next" for link in found.link):
        raise SourceError(
            "the manifest of the export continues on another page, which is not read",
            path=path,
            hint="ask the server for one manifest (without allowPartialManifests)",
        )
    if not all(_TYPE.fullmatch(one.type) for one in found.output):
        raise SourceError("the manifest names no resource type for a file", path=path)
    return found


def of_type(manifest: Manifest, resource: str) -> list[Output]:
    """Return the files of a type of resource, or all.

    Raises:
        InvalidArgument: there is none of that type.
    """
    found = [one for one in manifest.output if not resource or one.type == resource]
    if not found and resource:
        types = ", ".join(sorted({one.type for one in manifest.output})) or "nothing"
        raise InvalidArgument(
            "the export has no resources of that type",
            hint=f"choose another with `resource`; it has {types}",
        )
    return found


@dataclass(frozen=True, slots=True)
class Export:
    """The files of an export on this machine.

    Attributes:
        root: their folder.
        paths: the files, in the order of the manifest.
        told: how many files are left out, by the reason.
    """

    root: Path
    paths: Sequence[Path] = field(repr=False)
    told: Counter[str]


def find_export(place: Path, resource: str) -> Export:
    """Return the files of an export that was downloaded to a folder.

    Args:
        place: the folder, or its manifest.
        resource: type of the resources to read; empty for all.

    Raises:
        SourceError: there is no manifest, or a file that it lists is not there.
        InvalidArgument: there are no resources of that type.
    """
    path, manifest = _manifest_in(place)
    wanted = of_type(manifest, resource)
    folder = path.parent
    names = {
        _plain(found.name): found
        for found in sorted(folder.iterdir())
        if found.is_file() and found != path
    }
    paths = _by_name(wanted, names) or _by_type(wanted, names)
    if paths is None:
        absent = sum(_last_step(one.url) not in names for one in wanted)
        raise SourceError(
            f"{absent} of the {len(wanted)} files that the manifest lists are not there",
            path=path,
            hint="download the export again, beside its manifest and under the names in it",
        )
    return Export(folder, paths, manifest.told())


def _manifest_in(place: Path) -> tuple[Path, Manifest]:
    if place.is_file():
        return place, read_manifest(_content(place), place)
    if not place.is_dir():
        raise SourceError("there is no such folder", path=place, hint="check the path")
    first = place / "manifest.json"
    if first.is_file():
        return first, read_manifest(_content(first), first)
    for path in sorted(place.glob("*.json")):
        if path.is_file() and path.stat().st_size <= MAX_MANIFEST:
            try:
                return path, read_manifest(_content(path), path)
            except SourceError:
                continue
    raise SourceError(
        "the folder has no manifest of an export",
        path=place,
        hint="save the server's answer there as manifest.json, or push the files themselves",
    )


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_MANIFEST + 1)
    except OSError:
        raise SourceError("the manifest cannot be read", path=path) from None
    if len(content) > MAX_MANIFEST:
        raise SourceError("the manifest is too large", path=path)
    return content


def _plain(name: str) -> str:
    """Return a file's name without suffixes of compression or encryption."""
    while name.lower().endswith((*COMPRESSED, ENCRYPTED)):
        name = name.rpartition(".")[0]
    return name


def _last_step(url: str) -> str:
    return _plain(unquote(urlsplit(url).path).rpartition("/")[2])


def _by_name(wanted: Sequence[Output], names: dict[str, Path]) -> list[Path] | None:
    steps = [_last_step(one.url) for one in wanted]
    if len(set(steps)) < len(steps) or not all(step in names for step in steps):
        return None
    return [names[step] for step in steps]


def _by_type(wanted: Sequence[Output], names: dict[str, Path]) -> list[Path] | None:
    """Return the files by their types, as clients name them: `1.Patient.ndjson`."""
    counts = Counter(one.type for one in wanted)
    found: list[Path] = []
    for kind, count in counts.items():
        pattern = re.compile(rf"(?:.*[^A-Za-z])?{kind}(?:[^A-Za-z].*)?\.ndjson")
        some = [name for name in names if pattern.fullmatch(name)]
        if len(some) != count:
            return None
        found += [names[name] for name in sorted(some, key=_natural)]
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which 10 follows 9."""
    return [
        (int(part), "") if part.isdigit() else (-1, part)
        for part in _NUMBER.split(name)
    ]
