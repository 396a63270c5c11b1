"""Who may do what: the only place that decides, so that no path goes around it."""

from __future__ import annotations

from sealift_protocol.errors import AccessDenied, RoleDenied
from sealift_relay.clock import unix_now
from sealift_relay.store.metadata import Member, Metadata

OWNER = "owner"
TRAINER = "trainer"
OPERATOR = "operator"
ROLES = (OWNER, TRAINER, OPERATOR)


def require_owner_role(member: Member) -> None:
    """Only owners store anything.

    Raises:
        RoleDenied: the member has another role.
    """
    if member.role != OWNER:
        raise RoleDenied(f"a member with the role {member.role} may not store data")


def require_uploader(metadata: Metadata, dataset_id: bytes, member: Member) -> None:
    """Owners upload to their own datasets, and to those that their next commit 0 will make.

    Raises:
        RoleDenied, AccessDenied: the member may not.
    """
    require_owner_role(member)
    if metadata.is_author(dataset_id, member.fingerprint) is False:
        raise denied()


def require_author(metadata: Metadata, dataset_id: bytes, member: Member) -> None:
    """Only authors change a dataset.

    Raises:
        RoleDenied, AccessDenied: the member may not.
    """
    require_owner_role(member)
    if not metadata.is_author(dataset_id, member.fingerprint):
        raise denied()


def require_reader(metadata: Metadata, dataset_id: bytes, member: Member) -> None:
    """Authors and members with a live grant read; operators never.

    Raises:
        AccessDenied: the member may not, or there is no such dataset: the answer is the same.
    """
    if member.role == OPERATOR:
        raise denied()
    if metadata.is_author(dataset_id, member.fingerprint):
        return
    if not metadata.has_grant(dataset_id, member.fingerprint, unix_now()):
        raise denied()


def denied() -> AccessDenied:
    """The one answer that does not tell whether a dataset exists."""
    return AccessDenied("there is no such dataset, or you have no grant of it")
