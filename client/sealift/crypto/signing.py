"""An identity and the objects it signs: cards, commits, grants, membership requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from cryptography.hazmat.primitives.asymmetric import ed25519

from sealift.process.secret import Secret
from sealift_protocol import signed as envelope
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects.cards import RecipientKey
from sealift_protocol.objects.commits import (
    CoOwners,
    Genesis,
    GrantEntry,
    ShardEntry,
    Snapshot,
)
from sealift_protocol.objects.grants import GrantTerms
from sealift_protocol.v1 import objects_pb2


class SigningKey(Protocol):
    """The signing key of an identity: in this process, in an HSM or in a KMS."""

    @property
    def public_key(self) -> bytes:
        """The public key, 32 bytes for Ed25519, 65 for P-256."""

    def sign(self, message: bytes) -> bytes:
        """Return a 64-byte signature."""


@dataclass(frozen=True, slots=True)
class Ed25519Key:
    """An Ed25519 key in this process (RFC 8032).

    Attributes:
        seed: 32 bytes.
    """

    seed: Secret

    @property
    def public_key(self) -> bytes:
        """The public key, 32 bytes."""
        return self._key().public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return a 64-byte signature."""
        return self._key().sign(message)

    def _key(self) -> ed25519.Ed25519PrivateKey:
        return ed25519.Ed25519PrivateKey.from_private_bytes(self.seed.view())


@dataclass(frozen=True, slots=True)
class Identity:
    """A member's identity, which signs the member's objects.

    Attributes:
        key: the signing key.
        tag_secret: secret for the tags that find a person's records again: the seed, or the
            owner's secret where the private key cannot be exported.
        public_key: 32 bytes for Ed25519, 65 for P-256.
        fingerprint: the fingerprint that people compare.
    """

    key: SigningKey
    tag_secret: Secret
    public_key: bytes = field(init=False)
    fingerprint: Fingerprint = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "public_key", self.key.public_key)
        object.__setattr__(self, "fingerprint", Fingerprint.of(self.public_key))

    @classmethod
    def of_seed(cls, seed: Secret) -> Self:
        """Return the identity of a 32-byte Ed25519 seed."""
        return cls(Ed25519Key(seed), seed)

    def sign(self, payload_type: str, payload: bytes) -> objects_pb2.Signed:
        """Sign a serialised object."""
        message = envelope.pre_authentication_encoding(payload_type, payload)
        return objects_pb2.Signed(
            payload_type=payload_type,
            payload=payload,
            signer=self.public_key,
            signature=self.key.sign(message),
        )


def sign_card(
    identity: Identity,
    *,
    name: str,
    recipient_keys: Sequence[RecipientKey],
    time: int,
    version: int = 1,
    previous: bytes = b"",
    organisation: str = "",
    not_after: int = 0,
) -> objects_pb2.Signed:
    """Sign a card that lists recipient keys in the member's order of preference."""
    card = objects_pb2.Card(
        name=name,
        organisation=organisation,
        version=version,
        previous=previous,
        time=time,
        not_after=not_after,
        recipient_keys=[
            objects_pb2.RecipientKey(
                key_id=key.key_id,
                suite=int(key.suite),
                public_key=key.public_key,
                not_before=key.not_before,
                not_after=key.not_after,
            )
            for key in recipient_keys
        ],
    )
    return identity.sign(envelope.CARD, card.SerializeToString())


def sign_commit(
    identity: Identity,
    *,
    dataset_id: bytes,
    number: int,
    parent: bytes,
    time: int,
    key_epoch: int,
    added: Sequence[ShardEntry],
    metadata: bytes,
    removed: Sequence[bytes] = (),
    genesis: Genesis | None = None,
    granted: Sequence[GrantEntry] = (),
    revoked: Sequence[Fingerprint] = (),
    co_owners: CoOwners | None = None,
    snapshot: Snapshot | None = None,
    erasure: bool = False,
    deletion: bool = False,
) -> objects_pb2.Signed:
    """Sign a commit whose metadata is already sealed."""
    commit = objects_pb2.Commit(
        dataset_id=dataset_id,
        number=number,
        parent=parent,
        time=time,
        key_epoch=key_epoch,
        added=[shard_entry_message(entry) for entry in added],
        removed=removed,
        metadata=metadata,
        granted=[_grant_entry_message(entry) for entry in granted],
        revoked=[recipient.digest for recipient in revoked],
        erasure=erasure,
        deletion=deletion,
    )
    if genesis is not None:
        commit.genesis.CopyFrom(_genesis_message(genesis))
    if co_owners is not None:
        commit.co_owners.CopyFrom(
            objects_pb2.CoOwners(
                fingerprints=[f.digest for f in co_owners.fingerprints],
                successor=co_owners.successor.digest if co_owners.successor else b"",
            )
        )
    if snapshot is not None:
        commit.snapshot.CopyFrom(
            objects_pb2.Snapshot(
                genesis=_genesis_message(snapshot.genesis),
                owner=snapshot.owner.digest,
                co_owners=[f.digest for f in snapshot.co_owners],
                pages=snapshot.pages,
                grants=[_grant_entry_message(entry) for entry in snapshot.grants],
            )
        )
    return identity.sign(envelope.COMMIT, commit.SerializeToString())


def shard_entry_message(entry: ShardEntry) -> objects_pb2.ShardEntry:
    """Return a shard's entry for a commit or a snapshot page."""
    return objects_pb2.ShardEntry(
        shard_id=entry.shard_id,
        key_epoch=entry.key_epoch,
        stored_size=entry.stored_size,
        digest=entry.digest,
        not_after=entry.not_after,
    )


def _grant_entry_message(entry: GrantEntry) -> objects_pb2.GrantEntry:
    return objects_pb2.GrantEntry(
        digest=entry.digest,
        recipient=entry.recipient.digest,
        key_epoch=entry.key_epoch,
        not_before=entry.not_before,
        not_after=entry.not_after,
    )


def _genesis_message(genesis: Genesis) -> objects_pb2.Genesis:
    return objects_pb2.Genesis(
        salt=genesis.salt,
        owner=genesis.owner.digest,
        co_owners=[co_owner.digest for co_owner in genesis.co_owners],
    )


def sign_grant(
    identity: Identity, terms: GrantTerms, wrapped_key: bytes
) -> objects_pb2.Signed:
    """Sign a grant whose epoch key is already wrapped."""
    grant = objects_pb2.Grant(
        dataset_id=terms.dataset_id,
        key_epoch=terms.key_epoch,
        grantor=terms.grantor.digest,
        recipient=terms.recipient.digest,
        key_id=terms.key_id,
        suite=int(terms.suite),
        wrapped_key=wrapped_key,
        not_before=terms.not_before,
        not_after=terms.not_after,
        purpose=terms.purpose,
    )
    return identity.sign(envelope.GRANT, grant.SerializeToString())


def sign_rewrap(
    identity: Identity,
    grant_digest: bytes,
    dataset_id: bytes,
    key: RecipientKey,
    wrapped_key: bytes,
) -> objects_pb2.Signed:
    """Sign a granted epoch key that its recipient has wrapped to another of its own keys."""
    rewrap = objects_pb2.Rewrap(
        grant=grant_digest,
        dataset_id=dataset_id,
        key_id=key.key_id,
        suite=int(key.suite),
        wrapped_key=wrapped_key,
    )
    return identity.sign(envelope.REWRAP, rewrap.SerializeToString())


def sign_membership_request(
    identity: Identity,
    *,
    token_secret: bytes,
    certificate_request: bytes,
    card: objects_pb2.Signed,
) -> objects_pb2.Signed:
    """Sign the request of a future member to the enrolment service."""
    request = objects_pb2.MembershipRequest(
        token_secret=token_secret, certificate_request=certificate_request, card=card
    )
    return identity.sign(envelope.MEMBERSHIP_REQUEST, request.SerializeToString())
