"""What a policy of format 2 says about free text: its languages, regions and model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sealift.policy.lines import KeyPath
from sealift_protocol.errors import PolicyInvalid

KEYS = ("languages", "regions", "model")
"""The keys at the top of the file."""
LANGUAGES = ("en", "fr", "es", "de", "it", "nl", "pt", "pl")
"""Languages whose labels, titles, dates and addresses the scrubber knows."""
MODELS = ("en-sm", "en-md", "fr-sm", "fr-md", "es-sm")
"""Models of packages, by which a policy names them; docs/owner/deidentification-recall.md."""

_REGION = re.compile(r"[A-Z]{2}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Invalid = Callable[[KeyPath, str, str | None], PolicyInvalid]


@dataclass(frozen=True, slots=True)
class TextRules:
    """What a policy says about its texts.

    Attributes:
        languages: the languages of the texts, the likeliest first.
        regions: ISO 3166-1 codes of the regions whose telephone numbers are looked for; empty
            for those where the languages are spoken.
        model: the name of a model of a package, for its language; empty for the default.
        folder: a folder with a spaCy model of the user's, for the first language.
        sha256: the digest of that folder, as `sealift policy check` prints it.
    """

    languages: tuple[str, ...] = ("en",)
    regions: tuple[str, ...] = ()
    model: str = ""
    folder: str = ""
    sha256: str = ""


def text_rules(document: Mapping[str, object], invalid: Invalid) -> TextRules:
    """Read the three keys of a policy.

    Args:
        document: the parsed file.
        invalid: makes the error for a key, from what is wrong and a hint.

    Raises:
        PolicyInvalid: a key has a value that it cannot have.
    """
    languages = _codes(document, "languages", ["en"], invalid, LANGUAGES.__contains__)
    if not languages:
        raise invalid(
            ("languages",), '"languages" is empty', 'write: languages = ["en"]'
        )
    regions = _codes(document, "regions", [], invalid, _is_region)
    model = document.get("model", "")
    if isinstance(model, str):
        if model and model not in MODELS:
            raise invalid(
                ("model",),
                '"model" names no model that Sealift knows',
                "it is one of " + ", ".join(MODELS) + ", or a table with a folder",
            )
        return TextRules(languages, regions, model)
    if not isinstance(model, dict) or set(model) != {"folder", "sha256"}:
        raise invalid(
            ("model",),
            '"model" must be a name, or a table with "folder" and "sha256"',
            'write: model = { folder = "...", sha256 = "..." }',
        )
    folder, digest = model["folder"], model["sha256"]
    if not isinstance(folder, str) or not folder:
        raise invalid(("model", "folder"), '"folder" must be a path in quotes', None)
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise invalid(
            ("model", "sha256"), '"sha256" must have 64 hexadecimal digits', None
        )
    return TextRules(languages, regions, "", folder, digest)


def _codes(
    document: Mapping[str, object],
    key: str,
    default: list[str],
    invalid: Invalid,
    allowed: Callable[[Any], bool],
) -> tuple[str, ...]:
    value = document.get(key, default)
    if (
        not isinstance(value, list)
        or not all(isinstance(code, str) and allowed(code) for code in value)
        or len(set(value)) < len(value)
    ):
        what = ", ".join(LANGUAGES) if key == "languages" else "two capitals, as in US"
        raise invalid(
            (key,), f'"{key}" must be a list of codes, each once', f"codes: {what}"
        )
    return tuple(value)


def _is_region(code: str) -> bool:
    return _REGION.fullmatch(code) is not None
