"""Parses policy files: TOML in, a policy or an error with its line out.

Source: docs/spec/policy.md.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from sealift.policy.grammar import ACTIONS, SettingValue, listed, settings_of
from sealift.policy.lines import MAX_SIZE, KeyPath, parse_toml
from sealift.policy.texts import TextRules, text_rules
from sealift_protocol.errors import PolicyInvalid

FORMAT = 1
_TAG = re.compile(r"\([0-9A-Fa-fXx]{4},[0-9A-Fa-fXx]{4}\)")
_TOP = (
    *("format", "name", "version", "description", "unlisted", "absent"),
    *("privacy", "pixels", "frames", "columns"),
)
_PRIVACY = ("quasi_identifiers", "sensitive", "min_k", "min_l")
_UNLISTED = ("refuse", "drop", "keep")
_ABSENT = ("refuse", "ignore")
_BURNED_IN = ("report", "refuse", "drop")
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Rule:
    """The action for the columns that match a pattern.

    Attributes:
        pattern: a column's name, a DICOM tag, a FHIR path or a glob, as written in the file.
        action: a key of `ACTIONS`.
        settings: all settings of the action, with defaults filled in.
        line: line number in the file.
    """

    pattern: str
    action: str
    settings: Mapping[str, SettingValue]
    line: int

    @property
    def tag(self) -> str:
        """The eight digits of a DICOM tag, "?" for each x in the file; empty for other patterns."""
        if not _TAG.fullmatch(self.pattern):
            return ""
        return self.pattern.upper().translate(_NO_MARKS).replace("X", "?")

    @property
    def is_glob(self) -> bool:
        """Whether the pattern may match several columns."""
        return bool(set("*?[") & set(self.tag or self.pattern))


_NO_MARKS = str.maketrans("", "", "(),")


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
            pixels to null.
    """

    burned_in: str = "report"


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
class Policy:
    """A policy file.

    Attributes:
        name: name of the policy.
        version: a text that the author changes with every change.
        description: a text for people.
        unlisted: "refuse", "drop" or "keep", for columns that no rule names.
        absent: "refuse" or "ignore", for rules whose column the source does not have.
        rules: the rules, in the file's order.
        privacy: demands on the records after de-identification.
        source: the file's bytes.
        pixels: treatment of images with burned-in text.
        frames: hooks on camera frames, if any.
        texts: languages, regions and model for free text.
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
    texts: TextRules = field(default_factory=TextRules)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the file, 32 bytes."""
        return hashlib.sha256(self.source).digest()


def parse_policy(source: bytes, path: Path | None = None) -> Policy:
    """Parse a policy file's bytes.

    Args:
        source: the file's bytes.
        path: path of the file, for the error.

    Raises:
        PolicyInvalid: the file is not a policy of format 1; `line` tells where.
    """
    document, lines = parse_toml(source, path)
    return _Reader(document, lines, path).policy(source)


def load_policy(text: str | os.PathLike[str]) -> Policy:
    """Load the ready policy of that name, or else the file at that path.

    For a file with the name of a ready policy, give a path with a folder: `./NAME`.

    Raises:
        PolicyInvalid: neither exists, the file cannot be read, or it is not a policy.
    """
    ready = _ready_sources()
    if isinstance(text, str) and text in ready:
        return parse_policy(ready[text], Path(f"{text}.toml"))
    path = Path(text)
    try:
        with path.open("rb") as file:
            source = file.read(MAX_SIZE + 1)
    except (OSError, ValueError):
        raise PolicyInvalid(
            "the policy file cannot be read, and no ready policy has that name",
            path=path,
            hint="check the path; ready policies: " + listed(sorted(ready)),
        ) from None
    return parse_policy(source, path)


def ready_policies() -> dict[str, Policy]:
    """Return the names of the policies that come with Sealift."""
    return {
        name: parse_policy(source, Path(f"{name}.toml"))
        for name, source in sorted(_ready_sources().items())
    }


def _ready_sources() -> dict[str, bytes]:
    folder = resources.files("sealift.policy").joinpath("ready")
    if not folder.is_dir():
        return {}
    return {
        entry.name.removesuffix(".toml"): entry.read_bytes()
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }


class _Reader:
    """Builds a policy from a TOML document; every error has its line."""

    def __init__(
        self,
        document: dict[str, object],
        lines: Mapping[KeyPath, int],
        path: Path | None,
    ) -> None:
        self._document = document
        self._lines = lines
        self._path = path

    def policy(self, source: bytes) -> Policy:
        self._check_format()
        self._only_known(self._document, (), _TOP)
        return Policy(
            name=self._named("name"),
            version=self._named("version"),
            description=self._text("description", ""),
            unlisted=self._choice("unlisted", _UNLISTED),
            absent=self._choice("absent", _ABSENT),
            rules=self._rules(),
            privacy=self._privacy(),
            source=source,
            pixels=self._pixels(),
            frames=self._frames(),
            texts=text_rules(self._document, self._invalid),
        )

    def _invalid(
        self, where: KeyPath, what: str, hint: str | None = None
    ) -> PolicyInvalid:
        line = self._line(where)
        text = f"line {line}: {what}" if line else what
        return PolicyInvalid(text, path=self._path, line=line, hint=hint)

    def _line(self, where: KeyPath) -> int | None:
        """Return the line of a key, or of the table that should have it."""
        while where and where not in self._lines:
            where = where[:-1]
        return self._lines.get(where)

    def _only_known(
        self, table: Mapping[str, object], where: KeyPath, known: tuple[str, ...]
    ) -> None:
        for key in table:
            if key not in known:
                raise self._invalid(
                    (*where, key),
                    "the key is unknown",
                    "known keys here: " + listed(known),
                )

    def _check_format(self) -> None:
        number = self._document.get("format")
        if number is None:
            raise self._invalid(
                (),
                "the file does not name its format",
                f"begin the file with: format = {FORMAT}",
            )
        if type(number) is not int or number != FORMAT:
            raise self._invalid(
                ("format",),
                "this release does not support the file's format",
                f"this release reads format {FORMAT}; upgrade Sealift for newer formats",
            )

    def _named(self, key: str) -> str:
        text = self._text(key, None)
        if not 0 < len(text) <= _MAX_TEXT or not text.isprintable():
            raise self._invalid(
                (key,), f'"{key}" must have 1 to {_MAX_TEXT} printable characters'
            )
        return text

    def _text(self, key: str, default: str | None) -> str:
        value = self._document.get(key, default)
        if value is None:
            raise self._invalid((), f'the file has no "{key}"', f'add: {key} = "..."')
        if not isinstance(value, str):
            raise self._invalid(
                (key,), f'"{key}" must be a text', f'put it in quotes: {key} = "..."'
            )
        return value

    def _choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self._document.get(key, choices[0])
        if not isinstance(value, str) or value not in choices:
            raise self._invalid(
                (key,), f'"{key}" has an unknown value', _allowed(choices)
            )
        return value

    def _table(self, key: str) -> Mapping[str, object]:
        value = self._document.get(key, {})
        if not isinstance(value, dict):
            raise self._invalid(
                (key,),
                f'"{key}" must be a table',
                f"begin the table with a line [{key}]",
            )
        return value

    def _privacy(self) -> Privacy:
        table = self._table("privacy")
        self._only_known(table, ("privacy",), _PRIVACY)
        privacy = Privacy(
            self._names(table, "quasi_identifiers"),
            self._names(table, "sensitive"),
            self._count(table, "min_k"),
            self._count(table, "min_l"),
        )
        for least, needed, given in (
            (
                "min_k",
                "quasi_identifiers",
                privacy.min_k and not privacy.quasi_identifiers,
            ),
            (
                "min_l",
                "quasi_identifiers",
                privacy.min_l and not privacy.quasi_identifiers,
            ),
            ("min_l", "sensitive", privacy.min_l and not privacy.sensitive),
        ):
            if given:
                raise self._invalid(("privacy", least), f'"{least}" needs "{needed}"')
        return privacy

    def _names(self, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(
            isinstance(n, str) and n for n in value
        ):
            raise self._invalid(
                ("privacy", key), f'"{key}" must be a list of column names in quotes'
            )
        if len(set(value)) < len(value):
            raise self._invalid(("privacy", key), f'"{key}" names a column twice')
        return tuple(value)

    def _count(self, table: Mapping[str, object], key: str) -> int:
        value = table.get(key, 0)
        if type(value) is not int or not 0 <= value <= 1_000_000_000:
            raise self._invalid(
                ("privacy", key), f'"{key}" must be a whole number, 0 or more'
            )
        return value

    def _pixels(self) -> PixelRules:
        table = self._table("pixels")
        self._only_known(table, ("pixels",), ("burned_in",))
        value = table.get("burned_in", _BURNED_IN[0])
        if not isinstance(value, str) or value not in _BURNED_IN:
            raise self._invalid(
                ("pixels", "burned_in"),
                '"burned_in" has an unknown value',
                _allowed(_BURNED_IN),
            )
        return PixelRules(value)

    def _frames(self) -> FrameRules | None:
        if "frames" not in self._document:
            return None
        table = self._table("frames")
        self._only_known(table, ("frames",), ("column", "hooks"))
        column, hooks = table.get("column"), table.get("hooks")
        if not isinstance(column, str) or not column:
            raise self._invalid(
                ("frames", "column"), '"column" must be the name of a column in quotes'
            )
        if (
            not isinstance(hooks, list)
            or not hooks
            or not all(isinstance(name, str) and name for name in hooks)
        ):
            raise self._invalid(
                ("frames", "hooks"),
                '"hooks" must be a list of names of hooks in quotes',
            )
        return FrameRules(column, tuple(hooks))

    def _rules(self) -> tuple[Rule, ...]:
        if "columns" not in self._document:
            raise self._invalid(
                (),
                "the file has no [columns]",
                "add a line [columns], followed by rules",
            )
        rules = []
        tags: set[str] = set()
        for pattern, value in self._table("columns").items():
            rule = self._rule(pattern, value)
            if rule.tag and rule.tag in tags:
                raise self._invalid(
                    ("columns", pattern), "an earlier rule has the same tag"
                )
            tags.add(rule.tag)
            rules.append(rule)
        return tuple(rules)

    def _rule(self, pattern: str, value: object) -> Rule:
        where = ("columns", pattern)
        if not pattern:
            raise self._invalid(where, "the rule does not name a column")
        table = {"action": value} if isinstance(value, str) else value
        if not isinstance(table, dict) or "action" not in table:
            raise self._invalid(
                where,
                "a rule must be an action in quotes, or a table with an action",
                _FORM,
            )
        action = table["action"]
        if not isinstance(action, str) or action not in ACTIONS:
            raise self._invalid(
                (*where, "action"),
                "the action is unknown",
                "actions: " + listed([*ACTIONS]),
            )
        given = {key: setting for key, setting in table.items() if key != "action"}
        return Rule(
            pattern,
            action,
            self._settings(where, action, given),
            self._line(where) or 0,
        )

    def _settings(
        self, where: KeyPath, action: str, given: Mapping[str, object]
    ) -> Mapping[str, SettingValue]:
        known = settings_of(action, given.get("to"))
        settings: dict[str, SettingValue] = {}
        for name, setting in known.items():
            value = given.get(name, setting.default)
            if value is None:
                hint = f"add: {name} = ...; {setting.what}"
                raise self._invalid(
                    where, f'"{action}" needs the setting "{name}"', hint
                )
            if name in given and not setting.allowed(value):
                raise self._invalid(
                    (*where, name),
                    f'"{name}" has an invalid value',
                    "it is " + setting.what,
                )
            settings[name] = value  # type: ignore[assignment]
        for name in given:
            if name not in known:
                raise self._invalid(
                    (*where, name),
                    f'the action "{action}" does not have this setting',
                    "it takes: " + listed([*known]),
                )
        return settings


_FORM = 'write NAME = "drop", or NAME = { action = "hash" }; put a NAME with a dot in quotes'


def _allowed(choices: tuple[str, ...]) -> str:
    return "it is " + " or ".join(f'"{choice}"' for choice in choices)
