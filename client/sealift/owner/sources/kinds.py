"""What a kind of source is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sealift.owner.sources.bytestreams import Opener
from sealift.owner.sources.interface import Source
from sealift.owner.sources.options import SourceOptions
from sealift.process.extras import is_installed


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source.

    Attributes:
        name: the value of `kind` that selects it.
        what: what it reads.
        suffixes: file suffixes that select it.
        schemes: URL schemes that select it.
        continues: how a push continues after an interruption.
        open: opens files, or what a URL names.
        extra: the extra that it needs; empty for none.
        module: the module that must be installed for it; empty for none.
        takes_types: whether column types can be given.
        takes_whole: whether records can be kept whole.
        stream: opens standard input; None if it cannot read from there.
        recognises: for kinds that share a suffix, whether a file's content is of this kind;
            None if the content does not say.
        claims: whether a file without a suffix is of this kind, by its name or first bytes.
    """

    name: str
    what: str
    open: Callable[[str, SourceOptions], Source]
    suffixes: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    continues: str = ""
    extra: str = ""
    module: str = ""
    takes_types: bool = False
    takes_whole: bool = False
    stream: Callable[[BinaryIO, SourceOptions], Source] | None = None
    recognises: Callable[[Path, Opener], bool | None] | None = None
    claims: Callable[[Path], bool] | None = None

    @property
    def installed(self) -> bool:
        """Return whether the module that it needs is installed."""
        return not self.module or is_installed(self.module)
