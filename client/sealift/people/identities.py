"""An identity's life: key rotation, endorsement, succession and revocation."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sealift.crypto.grants import make_rewrap, open_grant
from sealift.crypto.signing import sign_card
from sealift.history.member import Member
from sealift.home.profile import Profile
from sealift.home.trust import SUCCESSION, Pin
from sealift.keystore import Keys
from sealift.keystore.backend import HeldKey
from sealift.keystore.custody import Custody
from sealift.keystore.keychain import Keychain
from sealift.process.clock import unix
from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    AccessDenied,
    SealiftError,
    UnsupportedVersion,
    WrongKey,
)
from sealift_protocol.ids import Fingerprint
from sealift_protocol.logentry import Kind
from sealift_protocol.objects.cards import Card, RecipientKey, WrapSuite, verify_card
from sealift_protocol.objects.grants import Grant, Rewrap, verify_grant, verify_rewrap
from sealift_protocol.objects.identities import verify_endorsement
from sealift_protocol.v1 import objects_pb2

_REWRAPS_A_CALL = 256


@dataclass(frozen=True, slots=True)
class RotatedKeys:
    """The result of rotating recipient keys.

    Attributes:
        card_version: the new card's version.
        keys: how many recipient keys it lists.
        rewrapped: grants that were wrapped to the new key.
        destroyed: old private keys that were destroyed.
        unopened: grants that no key of this keystore opens.
    """

    card_version: int
    keys: int
    rewrapped: int
    destroyed: int
    unopened: int


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """Which grants and datasets still depend on a recipient key.

    Attributes:
        key_id: 16 bytes.
        held: whether this keystore has the private key.
        published: whether it is on the newest card, so that other members wrap to it.
        not_after: Unix seconds; 0 for a key that is not held.
        grants: how many grants are wrapped to it.
        only: how many of those no other key of this keystore opens.
        datasets: how many datasets those grants belong to.
    """

    key_id: bytes
    held: bool
    published: bool
    not_after: int
    grants: int
    only: int
    datasets: int


@dataclass(frozen=True, slots=True)
class Moved:
    """Where keys move to from a file.

    Attributes:
        custody: the token or KMS.
        suites: suites of the new recipient keys; empty for the one that the backend prefers.
    """

    custody: Custody
    suites: tuple[WrapSuite, ...] = ()


def key_usage(member: Member, keychain: Keychain, card: Card) -> list[KeyUsage]:
    """Return what depends on each recipient key, held or wrapped to, newest first."""
    held = {key.key_id: key for key in keychain.keys.recipient_keys}
    published = {key.key_id for key in card.recipient_keys}
    grants: Counter[bytes] = Counter()
    only: Counter[bytes] = Counter()
    datasets: dict[bytes, set[bytes]] = defaultdict(set)
    for dataset_id, grant, rewraps in _own_grants(member):
        keys = {grant.terms.key_id, *(rewrap.key_id for rewrap in rewraps)}
        grants.update(keys)
        # The keys here that open it; if there are none, the keys that would open it.
        needed = keys & held.keys() or keys
        if len(needed) > 1 and needed <= held.keys():
            continue
        only.update(needed)
        for key_id in needed:
            datasets[key_id].add(dataset_id)
    return [
        KeyUsage(
            key_id,
            key_id in held,
            key_id in published,
            held[key_id].not_after if key_id in held else 0,
            grants[key_id],
            only[key_id],
            len(datasets[key_id]),
        )
        for key_id in [*held, *(key_id for key_id in grants if key_id not in held)]
    ]


def rotate_keys(
    member: Member,
    keychain: Keychain,
    card: Card,
    suites: Sequence[WrapSuite] = (),
) -> RotatedKeys:
    """Publish new recipient keys and wrap the member's own grants to them.

    No owner takes part and no shard is touched. The next run resumes an interrupted one: keys are
    stored before they are published, and destroyed only after every grant is rewrapped.

    Args:
        member: the member that rotates its keys.
        keychain: the member's keystore.
        card: the member's newest card at the relay.
        suites: suites of the new keys; by default those of the card.
    """
    time, custody = unix(member.now), keychain.custody
    listed = {key.key_id for key in card.recipient_keys}
    held = keychain.keys.recipient_keys
    fresh = tuple(
        key for key in held if key.key_id not in listed and key.not_before > card.time
    )
    if not fresh:
        chosen = tuple(suites) or tuple(key.suite for key in card.recipient_keys)
        fresh = custody.new_recipient_keys(chosen, time)
    old = tuple(key for key in held if key.key_id not in {k.key_id for k in fresh})
    keychain.store(replace(keychain.keys, recipient_keys=fresh + old))
    published = custody.published(replace(keychain.keys, recipient_keys=fresh))
    signed = sign_card(
        member.identity,
        name=card.name,
        organisation=card.organisation,
        recipient_keys=published,
        time=time,
        version=card.version + 1,
        previous=card.digest,
        not_after=card.not_after,
    )
    member.relay.put_card(signed)
    renewed = verify_card(signed)
    member.log.check([(Kind.CARD, renewed.digest, b"")])
    member.last_seen.check_card(renewed)
    private = custody.private_keys(keychain.keys)
    rewrapped, unopened = _rewrap_all(
        replace(member, private_keys=private), published[0]
    )
    if not unopened:
        keychain.store(replace(keychain.keys, recipient_keys=fresh))
        custody.destroy(*(key.private for key in old))
    destroyed = 0 if unopened else len(old)
    return RotatedKeys(renewed.version, len(fresh), rewrapped, destroyed, unopened)


def endorse(member: Member, card: Card, *, not_after: int) -> None:
    """Publish an endorsement of a member until `not_after` (Unix seconds); 0 withdraws it."""
    endorsement = objects_pb2.Endorsement(
        member=card.signer.digest,
        name=card.name,
        time=unix(member.now),
        not_after=not_after,
    )
    signed = member.identity.sign(envelope.ENDORSEMENT, endorsement.SerializeToString())
    member.relay.put_statement(signed)
    member.log.check([(Kind.ENDORSEMENT, verify_endorsement(signed).digest, b"")])


def revoke_identity(member: Member, name: str, reason: str) -> None:
    """Revoke this identity permanently."""
    revocation = objects_pb2.IdentityRevocation(
        name=name, time=unix(member.now), reason=reason
    )
    member.relay.put_statement(
        member.identity.sign(
            envelope.IDENTITY_REVOCATION, revocation.SerializeToString()
        )
    )


def succeed(
    member: Member,
    keychain: Keychain,
    profile: Profile,
    hand_over: Callable[[Fingerprint], None],
    moved: Moved | None = None,
) -> Fingerprint:
    """Replace this identity with a new one: same name and recipient keys, new signing key.

    The next run resumes an interrupted one, because the new keystore is written first.

    Args:
        member: the old identity.
        keychain: its keystore.
        profile: its profile.
        hand_over: makes the new identity the owner of the old one's datasets.
        moved: where the keys move to, if they do. New recipient keys are then made there and
            published, and the old ones are kept for the grants that are wrapped to them.
    """
    custody = moved.custody if moved else keychain.custody
    staged = keychain.staged(profile.successor, custody)
    if staged is None:
        staged = _staged_keys(keychain.keys, custody, moved, unix(member.now))
        try:
            keychain.stage(profile.successor, staged, custody)
        except BaseException:
            custody.destroy(
                *(key for key in staged.held if key not in keychain.keys.held)
            )
            raise
    successor = custody.identity(staged)
    published = custody.published(staged)
    if moved:
        held = {
            key.key_id
            for key in staged.recipient_keys
            if isinstance(key.private, HeldKey)
        }
        published = [key for key in published if key.key_id in held]
    membership = profile.membership()
    hand_over(successor.fingerprint)
    time = unix(member.now)
    succession = objects_pb2.Succession(
        name=membership.name, successor=successor.public_key, time=time
    )
    card = sign_card(
        successor,
        name=membership.name,
        recipient_keys=published,
        time=time,
    )
    member.relay.succeed(
        member.identity.sign(envelope.SUCCESSION, succession.SerializeToString()), card
    )
    pins = profile.trust.pins()
    former = pins[membership.name].former if membership.name in pins else ()
    if membership.name in pins:
        profile.trust.remove(membership.name)
    former = (*former, member.identity.fingerprint)
    profile.trust.add(
        membership.name, Pin(successor.fingerprint, SUCCESSION, time, former=former)
    )
    profile.write_membership(
        replace(membership, fingerprint=str(successor.fingerprint), identity_since=time)
    )
    former_key = keychain.keys.identity
    keychain.adopt(profile.successor, custody)
    custody.destroy(former_key)
    return successor.fingerprint


def _staged_keys(keys: Keys, custody: Custody, moved: Moved | None, time: int) -> Keys:
    """Return the keys of a successor."""
    fresh = custody.new_recipient_keys(moved.suites, time) if moved else ()
    try:
        identity = custody.new_identity()
    except SealiftError:
        custody.destroy(*(key.private for key in fresh))
        raise
    return replace(
        keys, identity=identity, recipient_keys=(*fresh, *keys.recipient_keys)
    )


def _own_grants(member: Member) -> Iterator[tuple[bytes, Grant, list[Rewrap]]]:
    """Yield every grant of this member with its dataset and the member's own rewraps."""
    for summary in member.relay.list_datasets(include_future=True):
        try:
            response = member.relay.get_grants(summary.dataset_id)
        except AccessDenied:
            continue
        rewraps: dict[bytes, list[Rewrap]] = defaultdict(list)
        for rewrap in map(verify_rewrap, response.rewraps):
            if rewrap.signer in member.identities:
                rewraps[rewrap.grant].append(rewrap)
        for grant in map(verify_grant, response.grants):
            yield summary.dataset_id, grant, rewraps[grant.digest]


def _rewrap_all(member: Member, key: RecipientKey) -> tuple[int, int]:
    """Wrap every grant of this member to a key; return the rewrapped and unopened counts."""
    unopened = 0
    made = []
    for dataset_id, grant, rewraps in _own_grants(member):
        try:
            epoch_key = open_grant(
                grant,
                member.private_keys,
                dataset_id=dataset_id,
                recipients=member.identities,
                in_force=[grant.digest],
                time=max(unix(member.now), grant.terms.not_before),
                rewraps=rewraps,
            )
        except (AccessDenied, WrongKey, UnsupportedVersion):
            unopened += 1
            continue
        made.append(make_rewrap(member.identity, epoch_key, grant, key))
    for start in range(0, len(made), _REWRAPS_A_CALL):
        member.relay.put_rewraps(made[start : start + _REWRAPS_A_CALL])
    return len(made), unopened
