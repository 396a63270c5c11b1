"""Keyword options: an unknown one is refused, and the error suggests the nearest name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sealift_protocol.errors import InvalidArgument

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_O = TypeVar("_O", bound="DataclassInstance")
_T = TypeVar("_T")


def refuse_unknown(
    given: Mapping[str, object], known: Collection[str], function: str
) -> None:
    """Check that a function accepts the keywords it was called with.

    Args:
        given: the keywords.
        known: the names that the function accepts.
        function: its name, for the error.

    Raises:
        InvalidArgument: a keyword is unknown; the message suggests the nearest known name.
    """
    for name in given:
        if name in known:
            continue
        near = get_close_matches(name, known, n=1)
        what = f"{function}() got an unknown option `{name}`"
        if near:
            raise InvalidArgument(f"{what}; did you mean `{near[0]}`?")
        raise InvalidArgument(what, hint=f"its options are: {', '.join(sorted(known))}")


def changed(
    options: _O,
    changes: Mapping[str, object],
    function: str,
    also: Collection[str] = (),
) -> _O:
    """Return a copy of a frozen dataclass with some fields changed.

    Args:
        options: the dataclass.
        changes: by field.
        function: which took them, for the error.
        also: other arguments of the function, which may have been meant.

    Raises:
        InvalidArgument: as `refuse_unknown`.
    """
    names = [field.name for field in fields(options)]
    refuse_unknown(changes, [*names, *also], function)
    return replace(options, **changes)


def keywords_of(given: Mapping[str, Any], known: type[_T]) -> _T:
    """Return the keywords that a TypedDict declares."""
    names = known.__annotations__
    return cast("_T", {name: value for name, value in given.items() if name in names})
