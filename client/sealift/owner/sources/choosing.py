"""How the kind of a source is chosen: by name, by URL, or by its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sealift.owner.sources.bytestreams import Opener, inner_suffix, is_packed
from sealift.owner.sources.dicomdir import is_index
from sealift.owner.sources.fileset import Found, look_for
from sealift.owner.sources.kinds import Kind
from sealift.owner.sources.options import SourceOptions, selection_of
from sealift.owner.sources.registry import KINDS, PlugIns, find_kind, plug_ins
from sealift.owner.sources.unread import how_to_convert
from sealift_protocol.errors import InvalidArgument, UnclearSource

STDIN = "-"
# Stands for the kind of files that no kind reads.
_NONE = ""


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Files by the name of their kind.

    Attributes:
        files: the files whose kind is known.
        undecided: the kind of files whose content does not say theirs, if there are no others;
            empty if there are no such files.
    """

    files: dict[str, list[Path]]
    undecided: str


def check_source(
    text: str, kind: str = "", options: SourceOptions | None = None
) -> None:
    """Refuse early, without reading it, what no source could read.

    Raises:
        SourceError: it does not exist.
        InvalidArgument: no source reads it.
    """
    choose_kind(text, kind, options=options)


def choose_kind(
    text: str,
    name: str,
    opener: Opener | None = None,
    options: SourceOptions | None = None,
) -> Kind:
    """Return the kind of a source.

    Args:
        text: a path, a pattern or a URL.
        name: name of a kind; empty to choose by URL, suffix or content.
        opener: opens files whose suffix is ambiguous; without it, the first kind is taken.
        options: further paths, and which files are read.

    Raises:
        SourceError: there is no such file, or it cannot be read.
        InvalidArgument: the kind is unknown, or files of several kinds are mixed.
    """
    if name:
        return find_kind(name)
    scheme, separator, _ = text.partition("://")
    if scheme and separator:
        return _of_scheme(scheme)
    if text == STDIN:
        raise InvalidArgument(
            "standard input has no suffix that gives its kind",
            hint='use `kind="csv"`, jsonl or arrow',
        )
    chosen = options or SourceOptions()
    # Also files that are not settled tell the kind.
    wanted = replace(selection_of(chosen), settle_seconds=0)
    return _of_files(look_for([text, *chosen.more], wanted), opener, chosen.notice)


def _of_scheme(scheme: str) -> Kind:
    """Return the one kind that reads URLs of a scheme; built-in kinds come first.

    Raises:
        InvalidArgument: no kind does, or several do.
    """
    for kind in KINDS.values():
        if scheme in kind.schemes:
            return kind
    added = plug_ins()
    claims = [kind for kind in added.kinds.values() if scheme in kind.schemes]
    if len(claims) == 1:
        return claims[0]
    if claims:
        names = ", ".join(sorted(kind.name for kind in claims))
        raise InvalidArgument(
            f"several kinds of source read this URL ({names})",
            hint="choose one with `kind`",
        )
    broken = "".join(f". {problem.what}" for problem in added.problems)
    raise InvalidArgument(
        "no source reads URLs of that kind", hint="see `sealift sources`" + broken
    )


def _of_files(
    found: Found, opener: Opener | None, notice: Callable[[str], None]
) -> Kind:
    """Return the one kind that files are of.

    Raises:
        UnclearSource: they are of no kind or of several.
    """
    if any(is_index(path) for path in found.paths if path.parent == found.root):
        # The other files of a disc, such as a viewer, are not listed there.
        return KINDS["dicom"]
    known = _sort(found.paths, opener)
    if not known.files and known.undecided:
        return KINDS[known.undecided]
    if _NONE not in known.files:
        kind = _agreed(known.files, KINDS)
        added = None
    else:
        # Load plug-ins only here, so that built-in kinds cost nothing for them.
        added = plug_ins()
        known = _Sorted(_with_added(known.files, added.kinds.values()), known.undecided)
        kind = _agreed(known.files, {**KINDS, **added.kinds})
    if kind is not None:
        return kind
    raise _unclear(found, known.files, _broken(added), notice)


def _sort(paths: Iterable[Path], opener: Opener | None) -> _Sorted:
    """Sort files by the built-in kind that reads them."""
    files: dict[str, list[Path]] = {}
    undecided = ""
    for path in paths:
        name = _of_file(path, opener)
        if name is None:
            undecided = _reading(inner_suffix(path), KINDS.values())[0]
        else:
            files.setdefault(name, []).append(path)
    return _Sorted(files, undecided)


def _of_file(path: Path, opener: Opener | None) -> str | None:
    """Return the built-in kind of a file; None if its suffix and content do not say."""
    suffix = inner_suffix(path)
    if not suffix and not is_packed(path):
        claims = (kind for kind in KINDS.values() if kind.claims and kind.claims(path))
        return next((kind.name for kind in claims), _NONE)
    names = _reading(suffix, KINDS.values())
    if len(names) > 1 and opener is not None:
        told = {name: _recognises(KINDS[name], path, opener) for name in names}
        if None in told.values():
            return None
        names = [name for name in names if told[name]] + names
    return names[0] if names else _NONE


def _reading(suffix: str, kinds: Iterable[Kind]) -> list[str]:
    """Return the names of the kinds that read files of a suffix."""
    return [kind.name for kind in kinds if suffix in kind.suffixes]


def _recognises(kind: Kind, path: Path, opener: Opener) -> bool | None:
    return kind.recognises is not None and kind.recognises(path, opener)


def _with_added(
    files: Mapping[str, list[Path]], added: Iterable[Kind]
) -> dict[str, list[Path]]:
    """Sort the files that no built-in kind reads by the kinds that other packages add.

    Where several read a suffix, a slash is between their names: none of them is chosen.
    """
    kinds = list(added)
    told = {name: list(paths) for name, paths in files.items() if name != _NONE}
    names: dict[str, str] = {}
    for path in files[_NONE]:
        suffix = inner_suffix(path)
        if suffix not in names:
            names[suffix] = "/".join(_reading(suffix, kinds))
        told.setdefault(names[suffix], []).append(path)
    return told


def _agreed(files: Mapping[str, object], kinds: Mapping[str, Kind]) -> Kind | None:
    """Return the kind that all files are of; None if there is no such kind."""
    if len(files) != 1:
        return None
    return kinds.get(next(iter(files)))


def _broken(added: PlugIns | None) -> str:
    """Return why kinds of other packages cannot be used, to end a hint with."""
    if added is None or not added.problems:
        return ""
    return ". " + "; ".join(problem.what for problem in added.problems)


def _unclear(
    found: Found,
    files: Mapping[str, Sequence[Path]],
    broken: str,
    notice: Callable[[str], None],
) -> UnclearSource:
    """Return the error for files that are of no kind or of several."""
    if not files:
        for sentence in found.skipped.sentences():
            notice(sentence)
        return UnclearSource(
            "the kind of source is ambiguous (no files): there is no file to read",
            path=found.root,
            hint="check the path, `include` and `exclude`",
        )
    if files.keys() == {_NONE}:
        return _unread(files[_NONE][0], broken)
    for name, paths in sorted(files.items()):
        notice(f"of kind {name or 'unknown'}: {len(paths):,}, such as {paths[0].name}")
    names = ", ".join(sorted(name or "unknown" for name in files))
    return UnclearSource(
        f"the kind of source is ambiguous ({names})",
        path=found.root,
        hint="push each kind to a dataset of its own: choose files with `include` and `exclude`, "
        "or give the kind with `kind`; see `sealift sources`" + broken,
    )


def _unread(path: Path, broken: str) -> UnclearSource:
    """Return the error for a file that no kind reads."""
    known = how_to_convert(path)
    if known is not None:
        what, way_out = known
        return UnclearSource(what, path=path, hint=way_out)
    return UnclearSource(
        "the kind of source is ambiguous (unknown): no source reads files of this suffix",
        path=path,
        hint="give it with `kind` (`files` pushes any file unchanged); see `sealift sources`"
        + broken,
    )
