"""How a source is opened: its kind is chosen, and its options are checked."""

from __future__ import annotations

from pathlib import Path

from sealift.owner.sources.bytestreams import Opener
from sealift.owner.sources.choosing import STDIN, choose_kind
from sealift.owner.sources.interface import Source
from sealift.owner.sources.kinds import Kind
from sealift.owner.sources.lines import check_encoding
from sealift.owner.sources.options import SourceOptions
from sealift.owner.sources.stdin import standard_input
from sealift.process.extras import not_installed
from sealift_protocol.errors import InvalidArgument

_QUERIED = ("sql", "sqlite")


def open_source(text: str | Path, options: SourceOptions | None = None) -> Source:
    """Open a source, chosen by the kind in the options, by URL or by suffix.

    Args:
        text: a path, a pattern, a URL, or "-" for standard input.
        options: how to read it.

    Raises:
        SourceError: it does not exist, is empty, or cannot be read.
        InvalidArgument: no source reads it, or an option does not fit.
    """
    chosen = options or SourceOptions()
    kind = choose_kind(str(text), chosen.kind, Opener(chosen.crypt4gh_key), chosen)
    misfit = _misfit(kind, chosen)
    if misfit is not None:
        what, hint = misfit
        raise InvalidArgument(f"a source of kind {kind.name} {what}", hint=hint)
    check_encoding(chosen.encoding)
    if not kind.installed:
        raise _lacking(kind)
    if str(text) != STDIN:
        return kind.open(str(text), chosen)
    if kind.stream is None:
        raise InvalidArgument(
            f"a source of kind {kind.name} cannot be read from standard input",
            hint='use `kind="csv"`, jsonl or arrow',
        )
    return kind.stream(standard_input(), chosen)


def _misfit(kind: Kind, options: SourceOptions) -> tuple[str, str] | None:
    """Return what a kind does not do that the options ask for, and a hint; None if they fit."""
    if options.types and not kind.takes_types:
        return "defines its own types", "leave out `types`"
    if options.whole and not kind.takes_whole:
        return "has no records to keep whole", "leave out `whole`"
    if options.resource and kind.name != "fhir":
        return "has no resource types", 'leave out `resource`, or use `kind="fhir"`'
    if options.view is not None and kind.name != "fhir":
        return "has no views", 'leave out `view`, or use `kind="fhir"`'
    if (options.query or options.cursor_column) and kind.name not in _QUERIED:
        return (
            "does not take a query",
            "leave out `query` and `cursor_column`, or name a database by its URL",
        )
    return None


def _lacking(kind: Kind) -> InvalidArgument:
    """Return the error for a kind whose module is not installed."""
    needing = f"a source of kind {kind.name} needs {kind.module}"
    if kind.extra:
        return not_installed(kind.extra, needing)
    return InvalidArgument(
        f"{needing}, which is not installed", hint=f"install {kind.module}"
    )
