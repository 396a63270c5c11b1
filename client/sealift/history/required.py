"""Check the policies of a dataset's records against the policies that are required."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from sealift.history.opened import OpenedDataset
from sealift.policy.file import load_policy
from sealift_protocol.errors import PolicyUnmet

_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_required(
    opened: OpenedDataset,
    required: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> None:
    """Refuse a dataset with records under a policy that is not allowed.

    Args:
        opened: the dataset.
        required: policies that the caller allows, if any are named; the owner's own
            requirement holds in any case.

    Raises:
        PolicyUnmet: it has such records.
        PolicyInvalid: a required policy is not valid.
    """
    if opened.required_policies and not opened.policies <= opened.required_policies:
        raise PolicyUnmet(
            "the dataset has records that are not under a policy that its owner requires",
            hint="tell the owner: a co-owner has bypassed the policy",
        )
    named = [required] if isinstance(required, str | os.PathLike) else list(required)
    allowed = {policy_digest(text) for text in named}
    if allowed and not opened.policies <= allowed:
        raise PolicyUnmet(
            "the dataset has records that were not de-identified under the policy you require",
            hint="ask the owner which policy they were pushed under; nothing was fetched",
        )


def policy_digest(text: str | os.PathLike[str]) -> bytes:
    """Return the SHA-256 of a policy, 32 bytes: from its hex digest, file or ready-policy name.

    Raises:
        PolicyInvalid: it is none of these.
    """
    if isinstance(text, str) and _DIGEST.fullmatch(text):
        return bytes.fromhex(text)
    return load_policy(text).digest
