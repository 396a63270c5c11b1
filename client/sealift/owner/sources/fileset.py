"""The files of a source as parts: one file, those of a folder, or those matching a pattern."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sealift.owner.sources.bytestreams import FileDigests, Opener, file_part, is_packed
from sealift.owner.sources.interface import Part
from sealift_protocol.errors import EmptySource, SourceError

# Next to a file of the same name, a file with one of these suffixes holds its digest.
_DIGESTS = (".sha256", ".md5")
# Suffixes in common use for files that are still being written.
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".swp")


class Fileset:
    """Files that are parts of one source.

    Attributes:
        root: the folder that names are shown relative to.
        parts: the parts, in the order of their names.
        opener: opens the files.
        size: bytes of all files.
    """

    def __init__(self, root: Path, paths: Sequence[Path], opener: Opener) -> None:
        """Examine the files.

        Raises:
            SourceError: a file cannot be examined.
            EmptySource: there is no file.
        """
        self.root = root
        self.opener = opener
        # A link and its target are one part.
        self.parts = list({part.name: part for part in map(file_part, paths)}.values())
        self.size = sum(part.size for part in self.parts)
        self._digests = FileDigests()
        if not self.parts:
            raise EmptySource(
                "there is no file to read", path=root, hint="check the path"
            )

    @property
    def first(self) -> Path:
        """The first file, from which a schema is inferred."""
        return path_of(self.parts[0])

    def relative(self, part: Part) -> str:
        """Return a part's path below the root, with slashes."""
        path = path_of(part)
        return (
            path.relative_to(self.root).as_posix() if path != self.root else path.name
        )

    def digest(self, part: Part, size: int | None = None) -> bytes:
        """Return BLAKE3 of a part's first `size` bytes; of the whole file if it is compressed."""
        path = path_of(part)
        return self._digests.digest(path, None if is_packed(path) else size)


def path_of(part: Part) -> Path:
    """Return the path of a part that is a file.

    Raises:
        SourceError: the part is not a file.
    """
    if part.path is None:
        raise SourceError("this part of the source is not a file")
    return part.path


def offset_of(mark: str) -> int:
    """Return the offset in a mark, for formats whose marks are offsets."""
    return int(mark) if mark else 0


def unreadable(path: Path, error: OSError) -> SourceError:
    """Return the error for a file that the system cannot read."""
    reason = (
        error.strerror.lower() if error.strerror else "it is damaged or ends too early"
    )
    return SourceError(f"the file cannot be read: {reason}", path=path)


def find_files(text: str, *, settle_seconds: float = 0) -> tuple[Path, list[Path]]:
    """Return the root and the files of a path: the file, all below a folder, or a pattern's.

    Folders and patterns leave out files whose names mark them as unfinished (.tmp, .part). Folders
    also leave out hidden files and links to outside the folder.

    Args:
        text: a path or a pattern.
        settle_seconds: files of a folder that changed within this many seconds are left out.

    Raises:
        SourceError: nothing is there, it is not a file, or a folder cannot be read.
    """
    path = Path(text)
    try:
        if path.is_dir():
            return path, list(_below(path, settle_seconds))
        if path.exists():
            return path, [_regular(path)]
        if glob.has_magic(text):
            found = sorted(Path(name) for name in glob.glob(text, recursive=True))  # noqa: PTH207
            files = [
                match
                for match in found
                if match.is_file() and not _is_unfinished(match.name)
            ]
            if files:
                return _fixed_folder(path), files
    except OSError as error:
        raise unreadable(Path(error.filename or path), error) from None
    raise SourceError("there is no such file", path=path, hint="check the path")


def _regular(path: Path) -> Path:
    if not path.is_file():
        raise SourceError(
            "the path is neither a file nor a folder",
            path=path,
            hint="to push a stream, pipe it in and push -",
        )
    return path


def _is_unfinished(name: str) -> bool:
    return name.lower().endswith(_UNFINISHED)


def _below(folder: Path, settle_seconds: float) -> Iterator[Path]:
    """Return the files below a folder, sorted by the parts of their paths."""
    inside = folder.resolve()
    for entry in _walk(str(folder)):
        path = Path(entry.path)
        if entry.is_symlink() and not path.resolve().is_relative_to(inside):
            continue
        if settle_seconds and not _is_settled(path, settle_seconds):
            continue
        yield path


def _walk(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(
            "a folder cannot be read",
            path=Path(error.filename or folder),
            hint="check its permissions",
        ) from None
    beside = {entry.name for entry in entries}
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
            continue
        # A link to itself is an error for the entry, and not a file for the path.
        is_file = Path(entry.path).is_file() if entry.is_symlink() else entry.is_file()
        if is_file and not _is_unfinished(entry.name):
            stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122
            if suffix.lower() not in _DIGESTS or not {stem, f"{stem}.c4gh"} & beside:
                yield entry


def _is_settled(path: Path, seconds: float) -> bool:
    try:
        return abs(time.time() - path.stat().st_mtime) >= seconds
    except FileNotFoundError:
        # The file was removed after it was listed.
        return False


def _fixed_folder(pattern: Path) -> Path:
    """Return the folders before the first wildcard."""
    fixed = Path(pattern.anchor)
    for name in pattern.parts[len(fixed.parts) : -1]:
        if glob.has_magic(name):
            break
        fixed /= name
    return fixed
