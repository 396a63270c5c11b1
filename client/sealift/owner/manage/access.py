"""Grant, revoke and report access to a dataset, and rotate its key epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sealift.crypto.grants import make_grant
from sealift.crypto.keyschedule import EPOCH_KEY_SIZE
from sealift.history.member import Member
from sealift.history.opened import OpenedDataset
from sealift.owner.push.committing import Change, Committed, append
from sealift.process.clock import unix
from sealift.process.secret import Secret
from sealift_protocol.errors import AccessDenied, InvalidArgument, NotTrusted
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects.cards import Card
from sealift_protocol.objects.commits import CoOwners
from sealift_protocol.objects.grants import verify_grant
from sealift_protocol.objects.parsing import MAX_PURPOSE
from sealift_protocol.v1 import objects_pb2


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One recipient's access.

    Attributes:
        recipient: the member.
        key_epochs: the key epochs that it can open.
        not_before: earliest Unix seconds.
        not_after: latest Unix seconds; 0 for no end.
        purposes: the purposes of the grants.
        grantors: the members who granted it.
        live: whether it is valid now.
    """

    recipient: Fingerprint
    key_epochs: tuple[int, ...]
    not_before: int
    not_after: int
    purposes: tuple[str, ...]
    grantors: tuple[Fingerprint, ...]
    live: bool


@dataclass(frozen=True, slots=True)
class EpochLine:
    """One key epoch: the number of its live shards, and the members who hold its key."""

    key_epoch: int
    shards: int
    holders: tuple[Fingerprint, ...]


@dataclass(frozen=True, slots=True)
class AccessReport:
    """Who can open what of a dataset, from its verified history."""

    owner: Fingerprint
    co_owners: tuple[Fingerprint, ...]
    recipients: tuple[AccessLine, ...]
    key_epochs: tuple[EpochLine, ...]


def grants_for(
    member: Member,
    opened: OpenedDataset,
    cards: Sequence[Card],
    *,
    not_before: int = 0,
    not_after: int = 0,
    purpose: str = "",
) -> list[objects_pb2.Signed]:
    """Sign grants of every key epoch, whatever the dataset's size.

    Raises:
        InvalidArgument: the purpose is too long, or the end is not in the future.
        CardExpired: a card has no key that is valid now.
    """
    now = unix(member.now)
    if len(purpose.encode()) > MAX_PURPOSE:
        raise InvalidArgument(f"a purpose has at most {MAX_PURPOSE} bytes")
    if not_after and not_after <= max(now, not_before):
        raise InvalidArgument("the grant would end before it begins")
    return [
        make_grant(
            member.identity,
            key,
            card,
            dataset_id=opened.dataset_id,
            key_epoch=key_epoch,
            time=now,
            not_before=not_before,
            not_after=not_after,
            purpose=purpose,
        )
        for card in cards
        for key_epoch, key in sorted(opened.epoch_keys.items())
    ]


def revoke(
    member: Member,
    opened: OpenedDataset,
    recipients: Sequence[Fingerprint],
    find_card: Callable[[Fingerprint], Card],
) -> Committed:
    """End recipients' grants and begin a new key epoch in the same commit.

    What they have already fetched stays with them.

    Raises:
        AccessDenied: a recipient has no grant.
        InvalidArgument: an author of the dataset cannot be revoked.
    """
    for recipient in recipients:
        if opened.history.is_author(recipient):
            raise InvalidArgument(
                "an author's own access cannot be revoked",
                hint="remove a co-owner with `sealift co-owner remove` first",
            )
        if not opened.history.grants_of(recipient):
            raise AccessDenied("that member has no grant of the dataset", hint="")

    def plan(newest: OpenedDataset) -> Change:
        new_key = _new_key()
        grants = _regrant(member, newest, new_key, set(recipients), find_card)
        return Change(revoked=list(recipients), grants=grants, new_key=new_key)

    return append(member, opened, plan)


def rotate(
    member: Member,
    opened: OpenedDataset,
    find_card: Callable[[Fingerprint], Card],
) -> Committed:
    """Begin a new key epoch, granted to every member whose grant is in force."""

    def plan(newest: OpenedDataset) -> Change:
        new_key = _new_key()
        grants = _regrant(member, newest, new_key, set(), find_card)
        return Change(grants=grants, new_key=new_key)

    return append(member, opened, plan)


def set_co_owners(
    member: Member,
    opened: OpenedDataset,
    co_owners: Sequence[Fingerprint],
    new_cards: Sequence[Card],
    *,
    successor: Fingerprint | None = None,
) -> Committed:
    """Replace the set of co-owners; new ones are granted every key epoch.

    A removed co-owner keeps its grants until they are revoked.
    """
    return append(
        member,
        opened,
        lambda newest: Change(
            co_owners=CoOwners(tuple(co_owners), successor),
            grants=grants_for(member, newest, new_cards),
        ),
    )


def report(member: Member, opened: OpenedDataset) -> AccessReport:
    """Report who can open what, from the verified history and the grants that it names."""
    now = unix(member.now)
    history = opened.history
    response = member.relay.get_grants(opened.dataset_id, everybody=True)
    purposes = {grant.digest: grant for grant in map(verify_grant, response.grants)}
    lines = []
    for recipient in history.recipients():
        entries = history.grants_of(recipient)
        known = [
            purposes[entry.digest] for entry in entries if entry.digest in purposes
        ]
        ends = [entry.not_after for entry in entries]
        lines.append(
            AccessLine(
                recipient=recipient,
                key_epochs=tuple(dict.fromkeys(entry.key_epoch for entry in entries)),
                not_before=min(entry.not_before for entry in entries),
                not_after=0 if 0 in ends else max(ends),
                purposes=tuple(
                    dict.fromkeys(g.terms.purpose for g in known if g.terms.purpose)
                ),
                grantors=tuple(dict.fromkeys(g.signer for g in known)),
                live=any(entry.live_at(now) for entry in entries),
            )
        )
    epochs = []
    for key_epoch in range(1, history.key_epoch + 1):
        shards = sum(entry.key_epoch == key_epoch for entry in opened.shards)
        holders = [line.recipient for line in lines if key_epoch in line.key_epochs]
        epochs.append(EpochLine(key_epoch, shards, tuple(holders)))
    co_owners = tuple(sorted(history.co_owners))
    return AccessReport(history.owner, co_owners, tuple(lines), tuple(epochs))


def _new_key() -> Secret:
    return Secret.random(EPOCH_KEY_SIZE)


def _regrant(
    member: Member,
    opened: OpenedDataset,
    new_key: Secret,
    left_out: set[Fingerprint],
    find_card: Callable[[Fingerprint], Card],
) -> list[objects_pb2.Signed]:
    """Grant the next key epoch to every member who has the current one, on the same terms."""
    now = unix(member.now)
    history = opened.history
    response = member.relay.get_grants(opened.dataset_id, everybody=True)
    terms = {grant.digest: grant.terms for grant in map(verify_grant, response.grants)}
    made = []
    for recipient in dict.fromkeys(
        [member.identity.fingerprint, *history.recipients()]
    ):
        if recipient in left_out:
            continue
        entries = history.grants_of(recipient)
        lasting = [e for e in entries if e.not_after == 0 or now < e.not_after]
        if not lasting and recipient != member.identity.fingerprint:
            continue
        last = lasting[-1] if lasting else None
        before = None if last is None else terms.get(last.digest)
        try:
            card = find_card(recipient)
        except NotTrusted as error:
            raise NotTrusted(
                "a member with access is not trusted on this machine",
                hint=f"pin it, or revoke its access first: {recipient}",
            ) from error
        made.append(
            make_grant(
                member.identity,
                new_key,
                card,
                dataset_id=opened.dataset_id,
                key_epoch=history.key_epoch + 1,
                time=now,
                not_before=0 if last is None else max(now, last.not_before),
                not_after=0 if last is None else last.not_after,
                purpose="" if before is None else before.purpose,
            )
        )
    return made
