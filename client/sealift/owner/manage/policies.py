"""Replace the policy that a dataset requires, by a commit that its owner signs."""

from __future__ import annotations

from dataclasses import dataclass, field

from sealift.history.contents import NO_POLICY
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset
from sealift.owner.push.committing import Change, Committed, append
from sealift.policy.file import Policy, ready_policies
from sealift.policy.withdrawn import refuse_withdrawn, successor_of
from sealift_protocol.errors import AccessDenied, InvalidArgument


@dataclass(frozen=True, slots=True)
class PolicyUpgrade:
    """What replaced what.

    Attributes:
        committed: the commit; None if the dataset required the new policies already.
        required: SHA-256 of the policies that the dataset requires now.
        replaced: SHA-256 of those that it no longer requires.
        live: SHA-256 of replaced policies under which the dataset still has records. They stay
            among the required ones, so that it can be opened, but no record is pushed under a
            withdrawn one.
    """

    committed: Committed | None = field(repr=False)
    required: frozenset[bytes]
    replaced: frozenset[bytes]
    live: frozenset[bytes]


def upgrade_policy(
    member: Member, opened: OpenedDataset, policy: Policy | None = None
) -> PolicyUpgrade:
    """Replace the policies that a dataset requires.

    Args:
        member: the dataset's owner.
        opened: the dataset.
        policy: replaces all of them; by default each withdrawn ready policy is replaced by its
            version of this release.

    Raises:
        AccessDenied: the member is not the dataset's owner.
        InvalidArgument: the dataset requires no policy; or no withdrawn one, and none was named.
        PolicyViolation: the named policy was withdrawn.
    """
    if member.identity.fingerprint != opened.owner:
        raise AccessDenied(
            "only the dataset's owner can replace the policy", hint="ask the owner"
        )
    if policy is not None:
        refuse_withdrawn(policy.digest)
    before = opened.required_policies
    if not before:
        raise InvalidArgument(
            "the dataset requires no policy",
            hint="begin a new dataset under the policy: what is in this one is under none",
        )
    after = _replaced(before, policy)
    live = (before - after) & (opened.policies - {NO_POLICY})
    required = after | live
    if required == before:
        return PolicyUpgrade(None, required, frozenset(), live)

    def plan(newest: OpenedDataset) -> Change:
        still = newest.policies & (newest.required_policies - after)
        return Change(required_policies=after | still)

    committed = append(member, opened, plan)
    return PolicyUpgrade(committed, required, before - required, live)


def _replaced(before: frozenset[bytes], policy: Policy | None) -> frozenset[bytes]:
    if policy is not None:
        return frozenset({policy.digest})
    ready = ready_policies()
    after = {
        ready[name].digest if (name := successor_of(digest)) else digest
        for digest in before
    }
    if not any(successor_of(digest) for digest in before):
        raise InvalidArgument(
            "the dataset requires no policy that was withdrawn",
            hint="name the policy that shall replace it: `policy`",
        )
    return frozenset(after)
