"""Optional packages, and the error when one is missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from sealift_protocol.errors import InvalidArgument


@contextmanager
def extra(name: str, needing: str) -> Iterator[None]:
    """Report a failed import in the block as a missing extra.

    Args:
        name: the extra, as in pyproject.toml.
        needing: what needs which package, for the error: "reading images needs Pillow".

    Raises:
        InvalidArgument: an import in the block failed.
    """
    try:
        yield
    except ImportError:
        raise not_installed(name, needing) from None


def not_installed(name: str, needing: str) -> InvalidArgument:
    """Return the error for an extra that is not installed; arguments as for `extra`."""
    return InvalidArgument(
        f"{needing}, which is not installed",
        hint=f"install it with: pip install 'sealift[{name}]'",
    )


def is_installed(module: str) -> bool:
    """Return whether a top-level module can be imported, without importing it."""
    return importlib.util.find_spec(module) is not None
