"""Sealift's own JSON and TOML files: typed, without unknown keys, errors quote no values."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from sealift_protocol.errors import SealiftError

_FIELD = re.compile(
    r"Object (?:missing required|contains unknown) field `([\w.-]{1,64})`"
)
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")


class FileStruct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object in one of Sealift's files, which refuses unknown keys."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Layout(Generic[T]):
    """A kind of file, or of text inside one: its types, and the error for a bad one.

    The standard library parses the text, so files of earlier releases parse as before; msgspec
    converts the result to types.

    Attributes:
        what: its name in errors: "the trust store".
        types: its type, or its types by version if it has a key `version`.
        error: the class of the error.
        hint: what to do when it cannot be read.
    """

    what: str
    types: type[T] | Mapping[int, type[T]]
    error: Callable[..., SealiftError]
    hint: str

    def read_json(self, content: bytes | str) -> T:
        """Parse a JSON text.

        Raises:
            SealiftError: an `error` that names the wrong key and never a value.
        """
        try:
            text = content if isinstance(content, str) else content.decode()
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise self.refused("it is not JSON") from None
        return self.typed(found)

    def read_toml(self, content: bytes) -> T:
        """Parse a TOML text; raises as `read_json`."""
        try:
            found = tomllib.loads(content.decode())
        except (ValueError, RecursionError):
            raise self.refused("it is not TOML") from None
        return self.typed(found)

    def typed(self, found: object) -> T:
        """Convert parsed data to its type; raises as `read_json`."""
        types = self.types
        try:
            if not isinstance(types, Mapping):
                return msgspec.convert(found, types)
            return msgspec.convert(found, self._of_version(types, found))
        except msgspec.ValidationError as error:
            problem = _problem(str(error))
        raise self.refused(problem)

    def refused(self, problem: str) -> SealiftError:
        """Return the error for a file that cannot be read; `problem` must not quote a value."""
        return self.error(f"{self.what} cannot be read: {problem}", hint=self.hint)

    def _of_version(self, types: Mapping[int, type[T]], found: object) -> type[T]:
        if not isinstance(found, dict):
            raise self.refused("it is not an object")
        if "version" not in found:
            raise self.refused('the key "version" is missing')
        version = found["version"]
        if type(version) is not int or version not in types:
            raise self.error(
                f"{self.what} has a version that this release does not know",
                hint="use the release that wrote it",
            )
        return types[version]


def _problem(message: str) -> str:
    """Describe what msgspec found, without the values that msgspec quotes.

    Source: msgspec, src/msgspec/_core.c, ms_raise_validation_error and its callers.
    """
    place = _PLACE.search(message)
    inside = place[1] if place else ""
    field = _FIELD.match(message)
    if field:
        key = f"{inside}.{field[1]}" if inside else field[1]
        state = "is missing" if "missing" in field[0] else "is not known"
        return f'the key "{key}" {state}'
    if "unknown field" in message:
        return "it has a key that is not known"
    if inside:
        return f'the key "{inside}" has a value of another type'
    return "it is not an object"
