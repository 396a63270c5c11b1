"""Keywords that a TypedDict describes: unknown ones are refused, with the name that was meant."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from sealift_protocol.errors import InvalidArgument

_T = TypeVar("_T")


def refuse_unknown(given: Mapping[str, Any], known: type[Any], function: str) -> None:
    """Checks that a function has the keywords that it was called with.

    Args:
        given: the keywords.
        known: the TypedDict that describes them.
        function: its name, for the error.

    Raises:
        InvalidArgument: it lacks one; the message names the nearest that it has.
    """
    names = sorted(known.__annotations__)
    for name in given:
        if name in names:
            continue
        near = difflib.get_close_matches(name, names, n=1)
        what = f"{function}() got an unknown option `{name}`"
        if near:
            raise InvalidArgument(f"{what}; did you mean `{near[0]}`?")
        raise InvalidArgument(what, hint=f"its options are: {', '.join(names)}")


def keywords_of(given: Mapping[str, Any], known: type[_T]) -> _T:
    """Those of some keywords that a TypedDict describes."""
    names = known.__annotations__
    return cast("_T", {name: value for name, value in given.items() if name in names})
