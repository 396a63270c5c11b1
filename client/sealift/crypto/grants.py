"""Grants an epoch key to a recipient, opens a grant, and rewraps it to a newer key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sealift.crypto.signing import Identity, sign_grant, sign_rewrap
from sealift.crypto.suites import PrivateKey, load_recipient
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    CardExpired,
    ContextMismatch,
    GrantExpired,
    GrantRevoked,
    WrongKey,
)
from sealift_protocol.ids import ID_SIZE, Fingerprint
from sealift_protocol.objects.cards import Card, RecipientKey
from sealift_protocol.objects.grants import Grant, GrantTerms, Rewrap
from sealift_protocol.v1 import objects_pb2

_REWRAP_CONTEXT = b"sealift/1 rewrap"


def choose_recipient_key(card: Card, time: int) -> RecipientKey:
    """Return the first key on the card, in its owner's order of preference, that is valid now.

    Raises:
        CardExpired: no key is valid.
    """
    for key in card.recipient_keys:
        if key.valid_at(time):
            return key
    raise CardExpired("the recipient's card has no key that is valid now")


def make_grant(
    identity: Identity,
    epoch_key: Secret,
    card: Card,
    *,
    dataset_id: bytes,
    key_epoch: int,
    time: int,
    not_before: int = 0,
    not_after: int = 0,
    purpose: str = "",
) -> objects_pb2.Signed:
    """Wrap an epoch key to a verified card and sign the grant.

    Raises:
        CardExpired: the card has no key that is valid now.
        MalformedObject: the card's public key is not valid.
    """
    key = choose_recipient_key(card, time)
    terms = GrantTerms(
        dataset_id=dataset_id,
        key_epoch=key_epoch,
        grantor=identity.fingerprint,
        recipient=card.signer,
        key_id=key.key_id,
        suite=key.suite,
        not_before=not_before or time,
        not_after=not_after,
        purpose=purpose,
    )
    wrapped = load_recipient(key.suite, key.public_key).wrap(epoch_key, terms.context())
    return sign_grant(identity, terms, wrapped)


def open_grant(
    grant: Grant,
    private_keys: Mapping[bytes, PrivateKey],
    *,
    dataset_id: bytes,
    recipients: Collection[Fingerprint],
    in_force: Collection[bytes],
    time: int,
    rewraps: Sequence[Rewrap] = (),
) -> Secret:
    """Unwrap the epoch key of a verified grant.

    Args:
        grant: a grant whose signature was verified.
        private_keys: the recipient's keys by key id.
        dataset_id: the dataset that the caller is opening.
        recipients: the caller's own identities, past and present.
        in_force: digests of the grants in force in the dataset's verified history.
        time: current time, Unix seconds.
        rewraps: verified rewraps; the caller's own rewraps of this grant are tried too.

    Raises:
        ContextMismatch: the grant is for another dataset or recipient, or names another suite.
        GrantRevoked: the grant is not in force in the history.
        GrantExpired: the grant is not valid now.
        WrongKey: no key of the caller opens the grant, or one of its terms was changed.
    """
    terms = grant.terms
    if terms.dataset_id != dataset_id or terms.recipient not in recipients:
        raise ContextMismatch("the grant is for another dataset or another recipient")
    if grant.digest not in in_force:
        raise GrantRevoked("the grant is not in force in the dataset's history")
    if not terms.live_at(time):
        raise GrantExpired("the grant is not valid at this time")
    key = private_keys.get(terms.key_id)
    if key is not None:
        if key.suite != terms.suite:
            raise ContextMismatch("the grant names another suite than its key has")
        return key.unwrap(grant.wrapped_key, terms.context())
    for rewrap in rewraps:
        key = private_keys.get(rewrap.key_id)
        own = rewrap.grant == grant.digest and rewrap.signer in recipients
        if own and key is not None and key.suite == rewrap.suite:
            return key.unwrap(
                rewrap.wrapped_key, rewrap_context(grant.digest, rewrap.key_id)
            )
    raise WrongKey("the grant is for a key that this keystore does not hold")


def make_rewrap(
    identity: Identity, epoch_key: Secret, grant: Grant, key: RecipientKey
) -> objects_pb2.Signed:
    """Wrap a granted epoch key to another of the recipient's own keys, and sign the rewrap.

    Raises:
        MalformedObject: the public key is not valid.
    """
    recipient = load_recipient(key.suite, key.public_key)
    wrapped = recipient.wrap(epoch_key, rewrap_context(grant.digest, key.key_id))
    return sign_rewrap(identity, grant.digest, grant.terms.dataset_id, key, wrapped)


def rewrap_context(grant_digest: bytes, key_id: bytes) -> bytes:
    """Return the wrap's `info`: the grant and the key (docs/spec/objects.md)."""
    return _REWRAP_CONTEXT + grant_digest + key_id[:ID_SIZE]
