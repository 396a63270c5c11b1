"""Export formats by name: the built-in ones, and entry points of the group `sealift.exports`."""

from __future__ import annotations

import importlib

from sealift.process.plugins import find_plugin, load_plugin, plugin_names, unfit
from sealift.trainer.exports.interface import Export
from sealift_protocol.errors import InvalidArgument

GROUP = "sealift.exports"
# Each is a module of this package with an `EXPORT`, imported on first use.
BUILT_IN = ("parquet", "arrow", "webdataset", "files")


def export_names() -> list[str]:
    """Return the names of all formats; nothing is loaded."""
    return [*BUILT_IN, *(name for name in plugin_names(GROUP) if name not in BUILT_IN)]


def find_export(name: str) -> Export:
    """Return the format of that name.

    Raises:
        InvalidArgument: there is no such format, or the package that adds it is broken.
    """
    if name in BUILT_IN:
        found: Export = importlib.import_module(
            f"sealift.trainer.exports.{name}"
        ).EXPORT
        return found
    point = find_plugin(GROUP, name)
    if point is None:
        raise InvalidArgument(
            "there is no export format of that name",
            hint="use one of " + ", ".join(export_names()),
        )
    export = load_plugin(point, Export)
    if export.name != name:
        raise unfit(point, "declares a different name")
    return export
