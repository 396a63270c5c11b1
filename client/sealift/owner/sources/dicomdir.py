"""DICOMDIR as an index: of a disc's files, those that it lists (PS3.10 8.6, PS3.3 F)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sealift.formats.dicom import DAMAGE, quiet
from sealift.owner.sources.dicomfiles import is_directory, read_header
from sealift.owner.sources.fileset import Fileset, find_files, path_of
from sealift_protocol.errors import SourceError

NAME = "DICOMDIR"
_UNLISTED = "files that no DICOMDIR lists"
_ABSENT = "files that a DICOMDIR lists, and that are not there"


@dataclass(frozen=True, slots=True)
class Indexed:
    """The files that are read.

    Attributes:
        files: the files; without any DICOMDIR that is followed.
        told: number of files that are left out, by the reason.
    """

    files: Fileset
    told: Counter[str] = field(default_factory=Counter)


def is_index(path: Path) -> bool:
    """Return whether a file has the name that PS3.10 8.6 reserves, in any case."""
    return path.name.upper() == NAME


def follow_indices(files: Fileset, *, strict: bool) -> Indexed:
    """Return the files that are listed, if there is a DICOMDIR; otherwise all.

    A DICOMDIR is for the files of its folder. One that lists none of them is of another disc: it
    is passed over.

    Args:
        files: the files; or one DICOMDIR, for what it lists.
        strict: whether a listed file that is not there is an error.

    Raises:
        SourceError: a listed file is not there, or an index cannot be read.
    """
    paths = [path_of(part) for part in files.parts]
    indices = [path for path in paths if is_index(path)]
    if not indices:
        return Indexed(files)
    root = files.root
    if paths == [root]:
        root = root.parent
        paths = find_files(str(root))[1]
    told: Counter[str] = Counter()
    own = _by_index(paths, indices)
    for index in indices:
        below = own[index]
        listed, absent = _listed(index, below, files)
        if not listed:
            paths = [path for path in paths if path != index] or paths
        else:
            left = set(below) - listed
            paths = [path for path in paths if path not in left]
            told[_UNLISTED] += len(left - set(indices))
        told[NAME] += 1
        if listed and absent and strict:
            raise SourceError(
                f"the DICOMDIR lists {absent} files that are not there",
                path=index,
                hint='copy the disc again; or leave them out with `on_error="skip"`',
            )
        told[_ABSENT] += absent if listed else 0
    return Indexed(Fileset(root, paths, files.opener), +told)


def _by_index(paths: Iterable[Path], indices: Iterable[Path]) -> dict[Path, list[Path]]:
    """Return the files that each index is for: a disc inside of another has its own."""
    at = {index.parent: index for index in indices}
    found: dict[Path, list[Path]] = {index: [] for index in indices}
    for path in paths:
        nearest = next((at[folder] for folder in path.parents if folder in at), None)
        if nearest is not None:
            found[nearest].append(path)
    return found


def _listed(
    index: Path, below: Iterable[Path], files: Fileset
) -> tuple[set[Path], int]:
    """Return the files that an index lists, and the number of those that are not there.

    Names of discs are in capitals, and copies of discs often are not.
    """
    with files.opener.open(index) as stream:
        header = read_header(stream, index)
    if not is_directory(header):
        return set(), 0
    names = {
        path.relative_to(index.parent).as_posix().casefold(): path for path in below
    }
    found: set[Path] = set()
    absent = 0
    try:
        with quiet():
            for record in header.get("DirectoryRecordSequence") or []:
                parts = record.get("ReferencedFileID")
                if not parts:
                    continue
                texts = [parts] if isinstance(parts, str) else [str(p) for p in parts]
                path = names.get("/".join(texts).casefold())
                absent += path is None
                found |= {path} if path is not None else set()
    except DAMAGE:
        raise SourceError("the DICOMDIR is damaged", path=index) from None
    return found, absent
