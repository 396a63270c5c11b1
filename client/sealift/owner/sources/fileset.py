"""The files of a source as parts: one file, those of a folder, or those matching a pattern."""

from __future__ import annotations

import fnmatch
import glob
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sealift.owner.sources.bytestreams import FileDigests, Opener, file_part, is_packed
from sealift.owner.sources.deltalog import LOG, live_files
from sealift.owner.sources.interface import Part
from sealift_protocol.errors import EmptySource, SourceError

# Next to a file of the same name, a file with one of these suffixes holds its digest.
_DIGESTS = (".sha256", ".md5")
# Suffixes in common use for files that are still being written.
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".swp", "._copying_")
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files of folders and patterns are read.

    Attributes:
        settle_seconds: files of a folder that changed within this many seconds are left out.
        include: patterns of names, or of paths below the folder, that are read; all if empty.
        exclude: patterns of those that are left out.
    """

    settle_seconds: float = 0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, path: Path, root: Path) -> bool:
        """Return whether a file's name or path fits the patterns."""
        below = path.relative_to(root).as_posix() if path != root else path.name

        def fits(patterns: tuple[str, ...]) -> bool:
            return any(
                fnmatch.fnmatchcase(path.name, pattern)
                or fnmatch.fnmatchcase(below, pattern)
                for pattern in patterns
            )

        return (not self.include or fits(self.include)) and not fits(self.exclude)


@dataclass(slots=True)
class Skipped:
    """What a folder has and a push leaves out, by reason; some of the names for the owner."""

    names: dict[str, list[str]] = field(default_factory=dict, repr=False)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        """Count one."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        named = self.names.setdefault(reason, [])
        if len(named) < _NAMED:
            named.append(name)

    def sentences(self) -> list[str]:
        """Return a sentence for each reason, with some names."""
        told = []
        for reason, number in self.counts.items():
            names = self.names[reason]
            more = f" and {number - len(names):,} more" if number > len(names) else ""
            told.append(f"left out, {reason}: {', '.join(names)}{more}")
        return told


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a source.

    Attributes:
        root: the folder that names are shown relative to.
        paths: the files.
        skipped: what was left out.
    """

    root: Path
    paths: list[Path]
    skipped: Skipped


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
        # A link and its target are one part, under the target's own name.
        parts: dict[str, Part] = {}
        for part in map(file_part, paths):
            if part.name not in parts:
                parts[part.name] = part
            elif not path_of(part).is_symlink():
                del parts[part.name]
                parts[part.name] = part
        self.parts = list(parts.values())
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
    """Return the root and the files of one path; see `look_for`."""
    found = look_for([text], Selection(settle_seconds=settle_seconds))
    return found.root, found.paths


def look_for(texts: Sequence[str], selection: Selection | None = None) -> Found:
    """Return the files of some paths: each a file, a folder with all below it, or a pattern.

    Folders and patterns leave out files whose names mark them as unfinished (.tmp, .part). Folders
    also leave out names that begin with `.` or `_` (which Spark, Hadoop and Delta use for their own
    files), links to outside the folder, and what is no file. Of a Delta table, only the files of
    its newest version are returned.

    Args:
        texts: paths or patterns.
        selection: which files of them are read.

    Raises:
        SourceError: nothing is there, it is not a file, or a folder cannot be read.
    """
    chosen = selection or Selection()
    skipped = Skipped()
    roots, paths = [], []
    for text in texts:
        root, some = _look(Path(text), text, chosen, skipped)
        roots.append(root)
        paths += some
    if len(roots) == 1:
        return Found(roots[0], paths, skipped)
    folders = [root if root.is_dir() else root.parent for root in roots]
    try:
        return Found(Path(os.path.commonpath(folders)), paths, skipped)
    except ValueError:
        raise SourceError(
            "some of the paths are absolute and some are not",
            hint="give all of them in one way",
        ) from None


def _look(
    path: Path, text: str, selection: Selection, skipped: Skipped
) -> tuple[Path, list[Path]]:
    try:
        if path.is_dir():
            return path, list(_below(path, selection, skipped))
        if path.exists():
            return path, [_regular(path)]
        if glob.has_magic(text):
            found = sorted(Path(name) for name in glob.glob(text, recursive=True))  # noqa: PTH207
            root = _fixed_folder(path)
            files = [
                match
                for match in found
                if match.is_file()
                and not _is_unfinished(match.name)
                and selection.takes(match, root)
            ]
            if files:
                return root, files
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


def _below(folder: Path, selection: Selection, skipped: Skipped) -> Iterator[Path]:
    """Return the files below a folder, sorted by the parts of their paths."""
    inside = folder.resolve()
    for entry in _walk(str(folder), skipped):
        path = Path(entry.path)
        if entry.is_symlink() and not path.resolve().is_relative_to(inside):
            skipped.add("as links to outside the folder", entry.name)
            continue
        if not selection.takes(path, folder):
            skipped.add("by the patterns", entry.name)
            continue
        if selection.settle_seconds and not _is_settled(path, selection.settle_seconds):
            continue
        yield path


def _walk(folder: str, skipped: Skipped) -> Iterator[os.DirEntry[str]]:
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
    if LOG in beside and Path(folder, LOG).is_dir():
        yield from _walk_delta(folder, skipped)
        return
    for entry in entries:
        if _is_marked(entry.name):
            skipped.add("by names that begin with . or _", entry.name)
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, skipped)
            continue
        # A link to itself is an error for the entry, and not a file for the path.
        is_file = Path(entry.path).is_file() if entry.is_symlink() else entry.is_file()
        if not is_file:
            skipped.add(_what_it_is(entry), entry.name)
        elif _is_unfinished(entry.name):
            skipped.add("as unfinished by their names", entry.name)
        else:
            stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122
            if suffix.lower() not in _DIGESTS or not {stem, f"{stem}.c4gh"} & beside:
                yield entry
            else:
                skipped.add("as digests of files beside them", entry.name)


def _walk_delta(folder: str, skipped: Skipped) -> Iterator[os.DirEntry[str]]:
    """Return the entries of a Delta table's files that its newest version has."""
    live = {str(path) for path in live_files(Path(folder))}
    for entry in _entries_below(folder):
        if entry.path in live:
            live.discard(entry.path)
            yield entry
        elif not entry.name.startswith("."):
            skipped.add("as removed from the Delta table", entry.name)
    if live:
        raise SourceError(
            f"{len(live):,} files that the Delta table's log names are missing",
            path=Path(folder),
            hint="copy the whole table again, with its `_delta_log`",
        )


def _entries_below(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != LOG:
                yield from _entries_below(entry.path)
        elif entry.is_file():
            yield entry


def _is_marked(name: str) -> bool:
    """Return whether a name is one that data frameworks pass over, as Spark decides it."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _what_it_is(entry: os.DirEntry[str]) -> str:
    if not entry.is_symlink():
        return "as pipes, sockets or devices"
    path = Path(entry.path)
    try:
        return (
            "as links to folders" if path.is_dir() else "as links that lead to no file"
        )
    except OSError:
        return "as links that lead to no file"


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
