"""Options given as keywords: changed in a frozen dataclass, and misspelled ones named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from sealift_protocol.errors import InvalidArgument

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_O = TypeVar("_O", bound="DataclassInstance")


def changed(options: _O, changes: Mapping[str, object], call: str) -> _O:
    """The options with some of their fields changed.

    Args:
        options: a frozen dataclass.
        changes: by field.
        call: the function that took them, for the message.

    Raises:
        InvalidArgument: there is no such option; the nearest one is named.
    """
    names = [field.name for field in fields(options)]
    for name in changes:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            what = f"{call}() got an unknown option `{name}`"
            raise InvalidArgument(
                f"{what}; did you mean `{near[0]}`?" if near else what,
                hint=f"the options are those of sealift.{type(options).__name__}",
            )
    return replace(options, **changes)
