"""De-identification before sealing, as a policy file says."""

from __future__ import annotations

from sealift.owner.deidentify.anonymity import Anonymity, AnonymityCheck
from sealift.owner.deidentify.deidentifier import Deidentifier
from sealift.owner.deidentify.policy import (
    Policy,
    Privacy,
    Rule,
    load_policy,
    parse_policy,
    ready_policies,
)
from sealift.owner.deidentify.preview import PreviewRow, side_by_side
from sealift.owner.deidentify.report import ColumnReport, Report
from sealift.owner.deidentify.tokens import Tokeniser

__all__ = [
    "Anonymity",
    "AnonymityCheck",
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
