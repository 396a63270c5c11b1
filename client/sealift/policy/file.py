"""Reads policy files, and lists the ready ones.

Source: docs/spec/policy.md.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from sealift.policy.grammar import listed
from sealift.policy.lines import MAX_SIZE, parse_toml
from sealift.policy.model import (
    FrameRules,
    Guard,
    KnownRules,
    PixelRules,
    Policy,
    Privacy,
    Rule,
)
from sealift.policy.reader import Reader
from sealift_protocol.errors import PolicyInvalid

__all__ = [
    "FrameRules",
    "Guard",
    "KnownRules",
    "PixelRules",
    "Policy",
    "Privacy",
    "Rule",
    "load_policy",
    "parse_policy",
    "ready_policies",
    "retired_policies",
]


def parse_policy(source: bytes, path: Path | None = None) -> Policy:
    """Parse a policy file's bytes.

    Args:
        source: the file's bytes.
        path: path of the file, for the error.

    Raises:
        PolicyInvalid: the file is not a policy of format 1 or 2; `line` tells where.
    """
    document, lines = parse_toml(source, path)
    return Reader(document, lines, path).policy(source)


def load_policy(text: str | os.PathLike[str]) -> Policy:
    """Load the ready policy of that name, or else the file at that path.

    For a file with the name of a ready policy, give a path with a folder: `./NAME`.

    Raises:
        PolicyInvalid: neither exists, the file cannot be read, or it is not a policy.
    """
    ready = _ready_sources()
    if isinstance(text, str) and text in ready:
        return parse_policy(ready[text], Path(f"{text}.toml"))
    path = Path(text)
    try:
        with path.open("rb") as file:
            source = file.read(MAX_SIZE + 1)
    except (OSError, ValueError):
        raise PolicyInvalid(
            "the policy file cannot be read, and no ready policy has that name",
            path=path,
            hint="check the path; ready policies: " + listed(sorted(ready)),
        ) from None
    return parse_policy(source, path)


def ready_policies() -> dict[str, Policy]:
    """Return the names of the policies that come with Sealift."""
    return {
        name: parse_policy(source, Path(f"{name}.toml"))
        for name, source in sorted(_ready_sources().items())
    }


def retired_policies() -> list[Policy]:
    """Return the ready policies that are withdrawn, under which datasets may have records."""
    return [parse_policy(source) for source in _sources("retired").values()]


def _ready_sources() -> dict[str, bytes]:
    return _sources("ready")


def _sources(name: str) -> dict[str, bytes]:
    folder = resources.files("sealift.policy").joinpath(name)
    if not folder.is_dir():
        return {}
    return {
        entry.name.removesuffix(".toml"): entry.read_bytes()
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }
