"""A policy as data: its rules, guards and tables (docs/spec/policy.md)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sealift.policy.grammar import SettingValue
from sealift.policy.texts import TextRules

_TAG = re.compile(r"\([0-9A-Fa-fXx]{4},[0-9A-Fa-fXx]{4}\)")
_NO_MARKS = str.maketrans("", "", "(),")


@dataclass(frozen=True, slots=True)
class Guard:
    """What a value must be to stay; a value that is not becomes null, or stops the push.

    Attributes:
        by: "type", "values" or "code".
        allowed: the name of the type; the values; or the names of the code systems.
        least: the smallest number, with the type "numeric".
        most: the largest number, with the type "numeric".
        refuses: whether a value that does not fit stops the push.
    """

    by: str
    allowed: tuple[str, ...] = field(repr=False)
    least: float = 0.0
    most: float = 0.0
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """The action for the leaves that a pattern or a class of identifiers names.

    Attributes:
        pattern: as written in the file: a column's name, the path of a leaf, a DICOM tag, a FHIR
            path or a glob; or the name of a class of identifiers.
        action: a key of `ACTIONS`.
        settings: all settings of the action, with defaults filled in.
        line: line number in the file.
        guard: what a value must be; None without a guard.
        names: the patterns that the braces of a pattern stand for; empty without braces.
        identifier: whether `pattern` is a class of identifiers (`headers`).
    """

    pattern: str
    action: str
    settings: Mapping[str, SettingValue]
    line: int
    guard: Guard | None = None
    names: tuple[str, ...] = ()
    identifier: bool = False

    @property
    def patterns(self) -> tuple[str, ...]:
        """The pattern, or what its braces stand for."""
        return self.names or (self.pattern,)

    @property
    def tag(self) -> str:
        """The eight digits of a DICOM tag, "?" for each x in the file; empty for other patterns."""
        if not _TAG.fullmatch(self.pattern):
            return ""
        return self.pattern.upper().translate(_NO_MARKS).replace("X", "?")

    @property
    def is_glob(self) -> bool:
        """Whether the pattern may match several columns."""
        return not self.identifier and bool(set("*?[") & set(self.tag or self.pattern))


@dataclass(frozen=True, slots=True)
class Privacy:
    """The demands on the records after de-identification.

    Attributes:
        quasi_identifiers: columns that together could identify a person.
        sensitive: columns whose values must not be linked to a person.
        min_k: the fewest records that may share their quasi-identifiers; 0 for no minimum.
        min_l: the fewest distinct sensitive values among them; 0 for no minimum.
    """

    quasi_identifiers: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    min_k: int = 0
    min_l: int = 0


@dataclass(frozen=True, slots=True)
class PixelRules:
    """The treatment of images of the DICOM source that may have burned-in text.

    Attributes:
        burned_in: "report" counts them in a notice, "refuse" seals nothing, "drop" sets their
            pixels to null, "paint" seals copies in which the text is painted over.
        frames: how many frames of an image are examined; 0 for all.
    """

    burned_in: str = "report"
    frames: int = 0


@dataclass(frozen=True, slots=True)
class FrameRules:
    """The hooks that change camera frames.

    Attributes:
        column: the column that holds the frames.
        hooks: names of the hooks, in the order in which they run.
    """

    column: str
    hooks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownRules:
    """The last look: identifiers that are known from elsewhere are searched in texts.

    Attributes:
        by: names of columns that say whose record it is; a record may have several.
        columns: rules without an action of their own, whose patterns name columns with identifiers
            beside those of the classes of identifiers.
        max_unknown: the largest share of records with texts that may be sent before everything is
            read, while nothing is known of their person.
    """

    by: tuple[str, ...] = field(default=(), repr=False)
    columns: tuple[Rule, ...] = field(default=(), repr=False)
    max_unknown: float = 0.0


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy file.

    Attributes:
        name: name of the policy.
        version: a text that the author changes with every change.
        description: a text for people.
        unlisted: "refuse", "drop" or (in format 1) "keep", for leaves that no rule names.
        absent: "refuse" or "ignore", for rules whose column the source does not have.
        rules: the rules, in the file's order.
        privacy: demands on the records after de-identification.
        source: the file's bytes.
        pixels: treatment of images with burned-in text.
        frames: hooks on camera frames, if any.
        format: 1 or 2.
        max_failed: the largest share of a column's values that may fail to be changed.
        metadata: keys of Arrow metadata that stay.
        oldest: no year tells an age of this or more; 0 for no limit.
        texts: languages, regions and model for free text.
        known: the last look before sealing; None without one.
    """

    name: str
    version: str
    description: str
    unlisted: str
    absent: str
    rules: tuple[Rule, ...]
    privacy: Privacy
    source: bytes = field(repr=False)
    pixels: PixelRules = PixelRules()
    frames: FrameRules | None = None
    format: int = 1
    max_failed: float = 1.0
    metadata: tuple[str, ...] = ()
    oldest: int = 0
    texts: TextRules = field(default_factory=TextRules)
    known: KnownRules | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256 of the file, 32 bytes."""
        return hashlib.sha256(self.source).digest()
