"""Files of JSON that hold a Bundle, a resource or an array of resources, as lines of NDJSON.

A `.json` file is such a document, or has a resource on each line all the same. The text of a
resource is kept, but for its line ends, which have no meaning outside of JSON's strings.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from sealift.owner.sources.bytestreams import Opener, inner_suffix, resumed
from sealift.owner.sources.fileset import Fileset
from sealift_protocol.errors import SourceError

DOCUMENT = ".json"
_MAX_DOCUMENT = 256 << 20
_MAX_DEPTH = 8
_STEP = 1 << 20
_BOM = b"\xef\xbb\xbf"


class _Search(msgspec.Struct):
    mode: str = ""


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"null")
    search: _Search | None = None


class _Document(msgspec.Struct):
    resourceType: str = ""  # noqa: N815  (FHIR's name)
    entry: list[_Entry] = []


class ResourceOpener(Opener):
    """Opens files of resources as streams of lines."""

    @contextmanager
    def open(self, path: Path) -> Iterator[BinaryIO]:
        """Open the file's resources, one a line.

        Raises:
            SourceError: the file cannot be read, or is a document that is too large.
        """
        with super().open(path) as stream:
            yield _as_lines(stream, path) if is_document(path) else stream


def is_document(path: Path) -> bool:
    """Return whether a file's content may be one document, not a resource on each line."""
    return inner_suffix(path) == DOCUMENT


def with_documents(files: Fileset) -> Fileset:
    """Return files whose documents are opened as lines."""
    found = copy.copy(files)
    found.opener = ResourceOpener(files.opener.key)
    return found


def _as_lines(stream: BinaryIO, path: Path) -> BinaryIO:
    head = b""
    while b"\n" not in head.lstrip() and len(head) <= _MAX_DOCUMENT:
        content = stream.read(_STEP)
        if not content:
            break
        head += content
    head = head.removeprefix(_BOM)
    first = head.lstrip().partition(b"\n")[0]
    if _is_line(first):
        return resumed(head, stream)
    content = head + stream.read(max(_MAX_DOCUMENT + 1 - len(head), 0))
    if len(content) > _MAX_DOCUMENT:
        raise SourceError(
            f"a document of FHIR is larger than {_MAX_DOCUMENT >> 20} MiB",
            path=path,
            hint="make it one resource a line: jq -c '.entry[].resource' FILE > FILE.ndjson",
        )
    try:
        lines = list(_resources(content, 0))
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Read as lines, it is refused with the number of the line.
        return io.BytesIO(content)
    return io.BytesIO(b"".join(line + b"\n" for line in lines))


def _is_line(text: bytes) -> bool:
    """Return whether a first line is a resource of its own, and no bundle of others."""
    try:
        found = msgspec.json.decode(text, type=_Document)
    except msgspec.DecodeError:
        return False
    return found.resourceType != "Bundle"


def _resources(content: bytes, depth: int) -> Iterator[bytes]:
    """Yield the resources of a document, without line ends.

    Raises:
        msgspec.DecodeError: it is not JSON, or bundles are nested too deeply.
    """
    if depth > _MAX_DEPTH:
        raise msgspec.DecodeError("too deep")
    if content.lstrip()[:1] == b"[":
        for raw in msgspec.json.decode(content, type=list[msgspec.Raw]):
            yield from _resources(bytes(raw), depth + 1)
        return
    document = msgspec.json.decode(content, type=_Document)
    if document.resourceType != "Bundle":
        yield content.strip().replace(b"\r", b" ").replace(b"\n", b" ")
        return
    for entry in document.entry:
        # A server's remarks about a search are no record of it.
        outcome = entry.search is not None and entry.search.mode == "outcome"
        if outcome or bytes(entry.resource) == b"null":
            continue
        yield from _resources(bytes(entry.resource), depth + 1)
