"""De-identification before sealing, by a policy file.

The engine is imported on first use, so that code that only reads policies need not load NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from sealift.policy.file import (
    Policy,
    Privacy,
    Rule,
    load_policy,
    parse_policy,
    ready_policies,
)

if TYPE_CHECKING:
    from sealift.owner.deidentify.anonymity import Anonymity, AnonymityCheck
    from sealift.owner.deidentify.deidentifier import Deidentifier
    from sealift.owner.deidentify.preview import PreviewRow, side_by_side
    from sealift.owner.deidentify.report import ColumnReport, Report
    from sealift.owner.deidentify.tokens import CardTokeniser, Tokeniser

_ENGINE = {
    "Anonymity": "anonymity",
    "AnonymityCheck": "anonymity",
    "CardTokeniser": "tokens",
    "ColumnReport": "report",
    "Deidentifier": "deidentifier",
    "PreviewRow": "preview",
    "Report": "report",
    "Tokeniser": "tokens",
    "side_by_side": "preview",
}

__all__ = [
    "Anonymity",
    "AnonymityCheck",
    "CardTokeniser",
    "ColumnReport",
    "Deidentifier",
    "Policy",
    "PreviewRow",
    "Privacy",
    "Report",
    "Rule",
    "Tokeniser",
    "load_policy",
    "parse_policy",
    "ready_policies",
    "side_by_side",
]


def __getattr__(name: str) -> object:
    if name not in _ENGINE:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"{__name__}.{_ENGINE[name]}"), name)
