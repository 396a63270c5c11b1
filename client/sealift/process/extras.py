"""Packages that are installed with an extra, and the error when one is missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from sealift_protocol.errors import InvalidArgument


@contextmanager
def extra(name: str, needing: str) -> Iterator[None]:
    """Around imports of packages that an extra installs.

    Args:
        name: of the extra, as in pyproject.toml.
        needing: what needs which package, as the error says: "reading images needs Pillow".

    Raises:
        InvalidArgument: an import in the block failed.
    """
    try:
        yield
    except ImportError:
        raise not_installed(name, needing) from None


def not_installed(name: str, needing: str) -> InvalidArgument:
    """The error of an extra that is not installed; the arguments are those of `extra`."""
    return InvalidArgument(
        f"{needing}, which is not installed",
        hint=f"install it with: pip install 'sealift[{name}]'",
    )


def is_installed(module: str) -> bool:
    """Whether a top-level module can be imported, without importing it."""
    return importlib.util.find_spec(module) is not None
