"""The roles of members; the operator's token sets a member's role."""

from __future__ import annotations

OWNER = "owner"
TRAINER = "trainer"
OPERATOR = "operator"
AUDITOR = "auditor"
ROLES = (OWNER, TRAINER, OPERATOR, AUDITOR)
READERS = (OWNER, TRAINER)
LOG_READERS = (AUDITOR, OPERATOR)
