"""How a dataset's identifiers were read when it was begun, and how a push goes on with it.

Releases before identifiers were read as text lost zeros at the beginning. A patient whose pseudonym
changed would be two patients from then on, so a dataset goes on as it was begun until its owner
brings it over. Each commit's report says how its identifiers were read (docs/spec/policy.md, 7).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from sealift.formats.arrowtypes import is_text
from sealift.formats.leaves import leaves_of
from sealift.history.contents import NO_POLICY, read_contents
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset, read_history
from sealift.policy.file import Policy
from sealift.policy.grammar import FORMAT_2
from sealift.policy.reading import ReadAs, Reading, ReadLeaf
from sealift_protocol.errors import PolicyUnmet

TEXT_KINDS = frozenset({"csv", "jsonl"})
"""Kinds of source that do not say whether 007 is a number."""

GOES_ON_WITH_NUMBERS = (
    "the dataset was begun when identifiers were read as numbers, and goes on so: zeros at their "
    "beginning are lost. `sealift policy upgrade` brings it over"
)


def begun_reading(
    member: Member, opened: OpenedDataset, schema: pa.Schema | None, policy: Policy
) -> Reading | None:
    """Return how the identifiers of a dataset's newest records were read.

    Args:
        member: the member who pushes.
        opened: the dataset.
        schema: schema of the member's source at earlier pushes; None if it is not known.
        policy: the policy, which says what the identifiers are.

    Returns:
        None if no record was de-identified yet.

    Raises:
        SealiftError: the history before the newest snapshot cannot be read.
    """
    if not opened.policies - {NO_POLICY}:
        return None
    from sealift.owner.deidentify.reading import read_as

    told = newest_reading(_reports(member, opened))
    if (
        told is None
        and schema is not None
        and not _has_numbers(schema, read_as(policy))
    ):
        # Release 0.1 read texts as it does for format 1.
        return Reading.TEXT
    return told or Reading.NUMBERS


def newest_reading(reports: Sequence[str]) -> Reading | None:
    """Return what the newest report says of identifiers; None if it says nothing."""
    if not reports:
        return None
    try:
        return Reading(json.loads(reports[-1])["identifiers"])
    except (ValueError, TypeError, KeyError):
        return None


def reading_for(policy: Policy, begun: Reading | None, *, accepted: bool) -> Reading:
    """Return how a push reads identifiers.

    Args:
        policy: the policy of the push.
        begun: how they were read before; None if there are no such records.
        accepted: whether the owner has made the policy one of those that the dataset requires.

    Raises:
        PolicyUnmet: pseudonyms of earlier records would change.
    """
    if policy.format < FORMAT_2:
        if begun is Reading.TRIMMED:
            raise PolicyUnmet(
                "the dataset has pseudonyms of a policy of format 2, which may differ from those "
                "of format 1",
                hint="push under a policy of format 2; nothing was sealed",
            )
        return begun or Reading.TEXT
    if begun in (None, Reading.TRIMMED) or accepted:
        return Reading.TRIMMED
    raise PolicyUnmet(
        "the dataset was begun under a policy of format 1: pseudonyms and shifts of some people "
        "would change",
        hint="bring it over with `sealift policy upgrade`, or push under the policy that it was "
        "begun with; nothing was sealed",
    )


def numbers_plain(schema: pa.Schema) -> ReadLeaf:
    """Return how leaves are read without a policy: what are numbers in a dataset stay numbers."""
    numbers = {
        path
        for path, kind in leaves_of(schema)
        if pa.types.is_integer(kind) or pa.types.is_floating(kind)
    }
    return lambda path: ReadAs.PLAIN if path in numbers else ReadAs.INFERRED


def _reports(member: Member, opened: OpenedDataset) -> Sequence[str]:
    if opened.policy_reports or not opened.history.commits[0].number:
        return opened.policy_reports
    # There is none since the last snapshot.
    whole, _ = read_history(member, opened.dataset_id, opened.trusted, whole=True)
    return read_contents(whole, (), opened.epoch_keys).policy_reports


def _has_numbers(schema: pa.Schema, read_leaf: ReadLeaf) -> bool:
    """Return whether a leaf that is read as text now was of another type."""
    return any(
        read_leaf(path) is ReadAs.TEXT and not is_text(kind)
        for path, kind in leaves_of(schema)
    )
