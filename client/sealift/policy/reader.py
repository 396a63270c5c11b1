"""Builds a policy from a TOML document; every error has its line.

Source: docs/spec/policy.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sealift.policy.codes import CODE_SYSTEMS
from sealift.policy.grammar import ACTIONS, SettingValue, listed, settings_of
from sealift.policy.guarding import GUARD_KEYS, MistakeError, read_guard
from sealift.policy.headers import headers
from sealift.policy.lines import KeyPath
from sealift.policy.model import (
    FrameRules,
    KnownRules,
    PixelRules,
    Policy,
    Privacy,
    Rule,
)
from sealift.policy.names import expand, fold
from sealift.policy.texts import KEYS as TEXT_KEYS
from sealift.policy.texts import text_rules
from sealift_protocol.errors import PolicyInvalid

FORMATS = (1, 2)
_TOP_1 = (
    *("format", "name", "version", "description", "unlisted", "absent"),
    *("privacy", "pixels", "frames", "columns"),
)
_TOP_2 = (
    *(*_TOP_1, "max_failed", "metadata", "ages", "identifiers", "known"),
    *TEXT_KEYS,
)
_PRIVACY = ("quasi_identifiers", "sensitive", "min_k", "min_l")
_UNLISTED = {1: ("refuse", "drop", "keep"), 2: ("refuse", "drop")}
_ABSENT = ("refuse", "ignore")
_BURNED_IN = ("report", "refuse", "drop")
_BURNED_IN_2 = (*_BURNED_IN, "paint")
_MAX_FRAMES = 1_000_000
_MAX_TEXT = 200


class Reader:
    """One document, and the lines of its keys."""

    def __init__(
        self,
        document: dict[str, object],
        lines: Mapping[KeyPath, int],
        path: Path | None,
    ) -> None:
        self._document = document
        self._lines = lines
        self._path = path
        self._form = 1

    def policy(self, source: bytes) -> Policy:
        """Return the policy.

        Raises:
            PolicyInvalid: the document is not a policy.
        """
        self._form = self._check_format()
        self._only_known(self._document, (), _TOP_2 if self._form > 1 else _TOP_1)
        return Policy(
            name=self._named("name"),
            version=self._named("version"),
            description=self._text("description", ""),
            unlisted=self._choice("unlisted", _UNLISTED[self._form]),
            absent=self._choice("absent", _ABSENT),
            rules=self._rules(),
            privacy=self._privacy(),
            source=source,
            pixels=self._pixels(),
            frames=self._frames(),
            format=self._form,
            max_failed=self._max_failed(),
            metadata=self._metadata(),
            oldest=self._oldest(),
            texts=text_rules(self._document, self._invalid),
            known=self._known(),
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

    def _check_format(self) -> int:
        number = self._document.get("format")
        if number is None:
            raise self._invalid(
                (),
                "the file does not name its format",
                f"begin the file with: format = {FORMATS[-1]}",
            )
        if type(number) is not int or number not in FORMATS:
            raise self._invalid(
                ("format",),
                "this release does not support the file's format",
                "this release reads the formats 1 and 2; upgrade Sealift for newer formats",
            )
        return number

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

    def _names(
        self,
        table: Mapping[str, object],
        key: str,
        where: str = "privacy",
        what: str = "column names",
    ) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(
            isinstance(n, str) and n for n in value
        ):
            raise self._invalid(
                (where, key), f'"{key}" must be a list of {what} in quotes'
            )
        if len(set(value)) < len(value):
            raise self._invalid((where, key), f'"{key}" names one of them twice')
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
        # Format 1 does not paint, and examines every frame.
        first = self._form == 1
        known = ("burned_in",) if first else ("burned_in", "frames")
        self._only_known(table, ("pixels",), known)
        choices = _BURNED_IN if first else _BURNED_IN_2
        value = table.get("burned_in", choices[0])
        if not isinstance(value, str) or value not in choices:
            raise self._invalid(
                ("pixels", "burned_in"),
                '"burned_in" has an unknown value',
                _allowed(choices),
            )
        frames = table.get("frames", "all")
        if frames == "all":
            return PixelRules(value)
        if type(frames) is not int or not 1 <= frames <= _MAX_FRAMES:
            raise self._invalid(
                ("pixels", "frames"),
                '"frames" has an invalid value',
                'it is "all", or how many frames of an image are examined',
            )
        return PixelRules(value, frames)

    def _max_failed(self) -> float:
        # Format 1 had no such limit.
        value = self._document.get("max_failed", 0 if self._form > 1 else 1)
        return self._share(
            ("max_failed",),
            value,
            "0.01 stops a push if more than one of a hundred values of a column failed",
        )

    def _share(self, where: KeyPath, value: object, hint: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            value = -1
        if not 0 <= value <= 1:
            raise self._invalid(
                where, f'"{where[-1]}" must be a share from 0 to 1', hint
            )
        return float(value)

    def _known(self) -> KnownRules | None:
        if "known" not in self._document:
            return None
        table = self._table("known")
        self._only_known(table, ("known",), ("by", "columns", "max_unknown"))
        by = [
            name
            for pattern in self._names(table, "by", "known")
            for name in self._named_by(pattern)
        ]
        columns = self._names(table, "columns", "known")
        where = ("known", "columns")
        line = self._line(where) or 0
        share = self._share(
            ("known", "max_unknown"),
            table.get("max_unknown", 0),
            "0 stops a push if a text is sent before anything is known of its patient",
        )
        return KnownRules(
            tuple(by),
            tuple(
                Rule(pattern, "", {}, line, names=self._expanded(where, pattern))
                for pattern in columns
            ),
            share,
        )

    def _named_by(self, pattern: str) -> tuple[str, ...]:
        where = ("known", "by")
        names = self._expanded(where, pattern) or (pattern,)
        if any(set("*?[") & set(name) for name in names):
            raise self._invalid(
                where,
                '"by" names columns, without *, ? and [',
                'write each name: by = ["patient_id", "Resource.subject.reference.id"]',
            )
        return names

    def _metadata(self) -> tuple[str, ...]:
        table = self._table("metadata")
        self._only_known(table, ("metadata",), ("keep",))
        return self._names(table, "keep", "metadata", "keys of metadata")

    def _oldest(self) -> int:
        table = self._table("ages")
        self._only_known(table, ("ages",), ("oldest",))
        value = table.get("oldest", 0)
        if type(value) is not int or not 0 <= value <= 150:
            raise self._invalid(
                ("ages", "oldest"), '"oldest" must be a whole number from 0 to 150'
            )
        return value

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
        rules = [
            self._identifier(kind, value)
            for kind, value in self._table("identifiers").items()
        ]
        tags: set[str] = set()
        named: set[str] = set()
        for pattern, value in self._table("columns").items():
            where = ("columns", pattern)
            if not pattern:
                raise self._invalid(where, "the rule does not name a column")
            rule = self._rule(where, pattern, value)
            if rule.tag and rule.tag in tags:
                raise self._invalid(where, "an earlier rule has the same tag")
            tags.add(rule.tag)
            if self._form > 1:
                folded = [
                    name.casefold() if rule.is_glob else fold(name)
                    for name in rule.patterns
                ]
                if named.intersection(folded) or len(set(folded)) < len(folded):
                    raise self._invalid(
                        where,
                        "an earlier rule has the same name: case, spaces, _ and - do not count",
                        "remove one of the two",
                    )
                named.update(folded)
            rules.append(rule)
        return tuple(rules)

    def _identifier(self, kind: str, value: object) -> Rule:
        where = ("identifiers", kind)
        if kind not in headers():
            raise self._invalid(
                where,
                "the class of identifiers is unknown",
                "classes: " + listed([*headers()]),
            )
        return self._rule(where, kind, value, identifier=True)

    def _rule(
        self, where: KeyPath, pattern: str, value: object, *, identifier: bool = False
    ) -> Rule:
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
        guard = None
        names: tuple[str, ...] = ()
        if self._form > 1:
            asked = {key: given.pop(key) for key in GUARD_KEYS if key in given}
            try:
                guard = read_guard(action, asked, CODE_SYSTEMS)
            except MistakeError as mistake:
                raise self._invalid(
                    (*where, mistake.key), mistake.what, mistake.hint
                ) from None
            names = () if identifier else self._expanded(where, pattern)
        settings = self._settings(where, action, given)
        line = self._line(where) or 0
        return Rule(pattern, action, settings, line, guard, names, identifier)

    def _expanded(self, where: KeyPath, pattern: str) -> tuple[str, ...]:
        try:
            names = expand(pattern)
        except ValueError as error:
            raise self._invalid(where, str(error)) from None
        if not all(name.strip() for name in names):
            raise self._invalid(where, "the braces stand for an empty name")
        return names if len(names) > 1 or names[0] != pattern else ()

    def _settings(
        self, where: KeyPath, action: str, given: Mapping[str, object]
    ) -> Mapping[str, SettingValue]:
        known = settings_of(action, given, self._form)
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
