"""Plug-ins of other packages: found by entry point, loaded on use, named in errors."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from sealift_protocol.errors import InvalidArgument

OURS = "sealift"
_T = TypeVar("_T")


def plugin_names(group: str) -> list[str]:
    """Return the names that installed packages register in a group, without loading anything."""
    return sorted({point.name for point in entry_points(group=group)})


def find_plugin(group: str, name: str) -> EntryPoint | None:
    """Return the entry point registered under a name, without loading it; None if there is none.

    Sealift's own package takes precedence, so that no other can replace a built-in.

    Raises:
        InvalidArgument: several packages register the name.
    """
    # An editable install may list a package twice.
    found = {
        (package_of(point), point.value): point
        for point in entry_points(group=group, name=name)
    }
    ours = [point for (package, _), point in found.items() if package == OURS]
    if ours:
        return ours[0]
    if len(found) > 1:
        packages = ", ".join(sorted({package for package, _ in found}))
        raise InvalidArgument(
            f'several packages add "{name}" to {group}: {packages}',
            hint="uninstall all of them but one",
        )
    return next(iter(found.values()), None)


def load_plugin(point: EntryPoint, kind: type[_T]) -> _T:
    """Load an entry point.

    Raises:
        InvalidArgument: it cannot be imported or has the wrong type; the error names the package.
    """
    loaded = import_plugin(point)
    if not isinstance(loaded, kind):
        raise unfit(point, f"is not of the type {kind.__name__}")
    return loaded


def import_plugin(point: EntryPoint) -> object:
    """Load an entry point of any type; raises as `load_plugin`."""
    try:
        loaded: object = point.load()
    except (Exception, SystemExit):  # noqa: BLE001  (whatever a package does at import)
        raise InvalidArgument(
            f"{_named(point)} cannot be loaded",
            hint=f"update or uninstall the package; to see why: python -c 'import {point.module}'",
        ) from None
    return loaded


def unfit(point: EntryPoint, why: str) -> InvalidArgument:
    """Return the error for an entry point that breaks its interface."""
    return InvalidArgument(
        f"{_named(point)} {why}", hint="update or uninstall the package"
    )


def package_of(point: EntryPoint) -> str:
    """Return the name of the distribution that registers an entry point."""
    return point.dist.name if point.dist is not None else "an unnamed package"


def _named(point: EntryPoint) -> str:
    return f'the plug-in "{point.name}" of the package {package_of(point)}'
