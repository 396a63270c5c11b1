"""Decides who may do what. It is decided nowhere else, so no call can bypass it."""

from __future__ import annotations

from sealift_protocol.errors import (
    AccessDenied,
    DatasetDeleted,
    RoleDenied,
    WrongSigner,
)
from sealift_protocol.ids import Fingerprint
from sealift_protocol.roles import LOG_READERS, OWNER, READERS
from sealift_relay.clock import unix_now
from sealift_relay.store.histories import Histories
from sealift_relay.store.members import Member


def may_read(member: Member) -> bool:
    """Whether a member's role may open datasets; operators and auditors never may."""
    return member.role in READERS


def require_signer(signer: Fingerprint, member: Member, what: str) -> None:
    """Checks that the caller has signed what it sends.

    Raises:
        WrongSigner: another identity signed `what`, such as "a commit".
    """
    if signer != member.fingerprint:
        raise WrongSigner(f"{what} is not signed by the caller")


def require_owner_role(member: Member) -> None:
    """Checks that the member may store data, which only owners may.

    Raises:
        RoleDenied: the member has another role.
    """
    if member.role != OWNER:
        raise RoleDenied(f"a member with the role {member.role} may not store data")


def require_auditor(member: Member) -> None:
    """Checks that the member may read the log's entries: auditors and operators may.

    Raises:
        RoleDenied: the member has another role.
    """
    if member.role not in LOG_READERS:
        raise RoleDenied(
            f"a member with the role {member.role} may not read the log's entries"
        )


def require_uploader(histories: Histories, dataset_id: bytes, member: Member) -> None:
    """Checks that the member may upload to a dataset.

    An owner may upload to a dataset that it may append to, and to one that does not exist
    yet, which its next commit 0 will create.

    Raises:
        RoleDenied, AccessDenied: the member may not.
    """
    require_owner_role(member)
    if histories.is_author(dataset_id, member.fingerprint) is False:
        raise denied()


def require_author(histories: Histories, dataset_id: bytes, member: Member) -> None:
    """Checks that the member is an author, who may change a dataset or ask for its account.

    Raises:
        RoleDenied, AccessDenied: the member may not.
    """
    require_owner_role(member)
    if not histories.is_author(dataset_id, member.fingerprint):
        raise denied()


def require_reader(histories: Histories, dataset_id: bytes, member: Member) -> None:
    """Checks that the member may read a dataset: authors and members with a live grant may.

    Raises:
        AccessDenied: the member may not, or the dataset does not exist; the error is the same.
        DatasetDeleted: it was deleted; only its authors and former recipients are told.
    """
    if not may_read(member):
        raise denied()
    author = bool(histories.is_author(dataset_id, member.fingerprint))
    grants = histories.grants(dataset_id, member.identities)
    if (author or grants) and histories.is_deleted(dataset_id):
        raise DatasetDeleted("the owner has deleted the dataset")
    if not author and not any(grant.live_at(unix_now()) for grant in grants):
        raise denied()


def denied() -> AccessDenied:
    """The error for a forbidden and a missing dataset alike: it does not show which one it is."""
    return AccessDenied("there is no such dataset, or you have no grant of it")
