"""Who may do what: the only place that decides, so that no path goes around it."""

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
    """Whether a member's role opens datasets at all; operators and auditors never do."""
    return member.role in READERS


def require_signer(signer: Fingerprint, member: Member, what: str) -> None:
    """Members bring what they signed themselves.

    Raises:
        WrongSigner: the signer of `what`, such as "a commit", is another than the caller.
    """
    if signer != member.fingerprint:
        raise WrongSigner(f"{what} is signed by somebody else than the caller")


def require_owner_role(member: Member) -> None:
    """Only owners store anything.

    Raises:
        RoleDenied: the member has another role.
    """
    if member.role != OWNER:
        raise RoleDenied(f"a member with the role {member.role} may not store data")


def require_auditor(member: Member) -> None:
    """Auditors read the log's entries, and the operator may look at its own log.

    Raises:
        RoleDenied: the member has another role.
    """
    if member.role not in LOG_READERS:
        raise RoleDenied(
            f"a member with the role {member.role} may not read the log's entries"
        )


def require_uploader(histories: Histories, dataset_id: bytes, member: Member) -> None:
    """Owners upload to their own datasets, and to those that their next commit 0 will make.

    Raises:
        RoleDenied, AccessDenied: the member may not.
    """
    require_owner_role(member)
    if histories.is_author(dataset_id, member.fingerprint) is False:
        raise denied()


def require_author(histories: Histories, dataset_id: bytes, member: Member) -> None:
    """Only authors change a dataset, or ask for its account.

    Raises:
        RoleDenied, AccessDenied: the member may not.
    """
    require_owner_role(member)
    if not histories.is_author(dataset_id, member.fingerprint):
        raise denied()


def require_reader(histories: Histories, dataset_id: bytes, member: Member) -> None:
    """Authors and members with a live grant read.

    Raises:
        AccessDenied: the member may not, or there is no such dataset: the answer is the same.
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
    """The one answer that does not tell whether a dataset exists."""
    return AccessDenied("there is no such dataset, or you have no grant of it")
