"""TOML with the line of each key, which tomllib lacks, and errors that do not quote the file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

from sealift_protocol.errors import PolicyInvalid

MAX_SIZE = 1 << 20

_WHERE = re.compile(r"\(at line (\d+), column (\d+)\)$")
_SPACE = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]+")
_TEXT = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)

KeyPath = tuple[str, ...]


def parse_toml(
    source: bytes, path: Path | None
) -> tuple[dict[str, object], dict[KeyPath, int]]:
    """Return a TOML file's content, and the line of every key in it.

    Raises:
        PolicyInvalid: the file is not TOML, or is too large.
    """
    if len(source) > MAX_SIZE:
        raise PolicyInvalid(
            f"the policy file is larger than {MAX_SIZE} bytes", path=path
        )
    try:
        # Editors on Windows put a byte order mark before UTF-8, which has no meaning.
        text = source.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise PolicyInvalid(
            f"line {line}: the file is not UTF-8",
            path=path,
            line=line,
            hint="save the file as UTF-8 in the editor",
        ) from None
    try:
        return tomllib.loads(text), lines_of_keys(text)
    except RecursionError:
        raise PolicyInvalid(
            "the file is nested too deeply for a policy", path=path
        ) from None
    except ValueError as error:
        raise _bad_toml(text, str(error), path) from None


def _bad_toml(text: str, message: str, path: Path | None) -> PolicyInvalid:
    """Return the error for a file that is not TOML; tomllib's own message quotes the file."""
    where = _WHERE.search(message)
    line = int(where[1]) if where else text.rstrip("\n").count("\n") + 1
    place = f"line {line}, column {where[2]}" if where else f"line {line}"
    if message.startswith(("Cannot overwrite", "Duplicate", "Cannot declare")):
        return PolicyInvalid(
            f"{place}: a key or table occurs twice in the file",
            path=path,
            line=line,
            hint="keep one of the two; a name with a dot needs quotes",
        )
    if "(at " not in message:
        return PolicyInvalid("a number in the file is too long", path=path)
    return PolicyInvalid(
        f"{place}: this is not TOML",
        path=path,
        line=line,
        hint="put texts in quotes, and names with anything but letters, digits, - and _",
    )


def lines_of_keys(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of every key and table, by its path.

    Inline tables are included; tables in arrays are not.

    Args:
        text: a TOML 1.0 document that tomllib has accepted, with line ends of one character.
    """
    return _Scan(text).lines


class _Scan:
    """One pass over a valid document; its validity is not checked again."""

    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._place = 0
        self._counted = 0
        self._line = 1
        table: KeyPath = ()
        in_array = False
        while self._skip_space():
            if self._text[self._place] == "[":
                in_array = self._text.startswith("[[", self._place)
                self._place += 2 if in_array else 1
                table = self._key((), note=not in_array)
                self._place += 2 if in_array else 1
            else:
                self._pair(table, note=not in_array)

    def _skip_space(self) -> bool:
        """Skip white space, line ends and comments; returns whether anything is left."""
        self._place = self._match(_SPACE).end()
        return self._place < len(self._text)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self._text, self._place)
        if found is None:
            raise ValueError("not a TOML document")
        return found

    def _current_line(self) -> int:
        self._line += self._text.count("\n", self._counted, self._place)
        self._counted = self._place
        return self._line

    def _pair(self, table: KeyPath, *, note: bool) -> None:
        path = self._key(table, note=note)
        self._place += 1  # The equals sign.
        self._value(path, note=note)

    def _key(self, path: KeyPath, *, note: bool) -> KeyPath:
        """Skip a key with dots, and the space after it."""
        while True:
            self._skip_space()
            line = self._current_line()
            if self._text[self._place] in "\"'":
                quoted = self._match(_TEXT)
                part = str(tomllib.loads(f"key = {quoted[0]}")["key"])
                self._place = quoted.end()
            else:
                bare = self._match(_BARE_KEY)
                part = bare[0]
                self._place = bare.end()
            path = (*path, part)
            if note:
                self.lines.setdefault(path, line)
            self._skip_space()
            if self._text[self._place] != ".":
                return path
            self._place += 1

    def _value(self, path: KeyPath, *, note: bool) -> None:
        self._skip_space()
        first = self._text[self._place]
        if first in "\"'":
            self._place = self._match(_TEXT).end()
        elif first == "[":
            self._items("]", lambda: self._value(path, note=False))
        elif first == "{":
            self._items("}", lambda: self._pair(path, note=note))
        else:
            self._place = self._match(_SCALAR).end()

    def _items(self, end: str, item: Callable[[], None]) -> None:
        self._place += 1
        while self._skip_space() and self._text[self._place] != end:
            item()
            self._skip_space()
            if self._text[self._place] == ",":
                self._place += 1
        self._place += 1
