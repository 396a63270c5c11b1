"""Giving an epoch key to a recipient, and opening what was given."""

from __future__ import annotations

from collections.abc import Mapping

from sealift.secret import Secret
from sealift.signing import Identity, sign_grant
from sealift.suites import PrivateKey, load_recipient
from sealift_protocol.errors import (
    ContextMismatch,
    GrantExpired,
    InvalidArgument,
    WrongKey,
    WrongSigner,
)
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects import Card, Grant, GrantTerms, RecipientKey
from sealift_protocol.v1 import objects_pb2


def choose_recipient_key(card: Card, time: int) -> RecipientKey:
    """The first key on the card, in its owner's order of preference, that is valid now.

    Raises:
        InvalidArgument: none is valid.
    """
    for key in card.recipient_keys:
        if key.valid_at(time):
            return key
    raise InvalidArgument(
        "the recipient's card has no key that is valid now",
        hint="ask the recipient to publish a new card",
    )


def make_grant(
    identity: Identity,
    epoch_key: Secret,
    card: Card,
    *,
    dataset_id: bytes,
    key_epoch: int,
    time: int,
    not_after: int = 0,
    purpose: str = "",
) -> objects_pb2.Signed:
    """Wraps an epoch key to a verified card and signs the grant.

    Raises:
        InvalidArgument: the card has no key that is valid now.
        MalformedObject: the card's public key is not one.
    """
    key = choose_recipient_key(card, time)
    terms = GrantTerms(
        dataset_id=dataset_id,
        key_epoch=key_epoch,
        owner=identity.fingerprint,
        recipient=card.signer,
        key_id=key.key_id,
        suite=key.suite,
        not_before=time,
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
    owner: Fingerprint,
    recipient: Fingerprint,
    time: int,
) -> Secret:
    """Unwraps the epoch key of a verified grant.

    Args:
        grant: signature verified.
        private_keys: the recipient's keys by key id.
        dataset_id: the dataset that the caller is opening.
        owner: the fingerprint that the caller trusts as its owner.
        recipient: the caller's own fingerprint.
        time: Unix seconds.

    Raises:
        WrongSigner: the grant is somebody else's, not the trusted owner's.
        ContextMismatch: it is for another dataset or recipient, or names another suite.
        GrantExpired: it is not valid now.
        WrongKey: no key of the caller opens it, or one of its terms was changed.
    """
    terms = grant.terms
    if grant.signer != owner or terms.owner != owner:
        raise WrongSigner("a grant is not signed by the dataset's owner")
    if terms.dataset_id != dataset_id or terms.recipient != recipient:
        raise ContextMismatch("a grant is for another dataset or another recipient")
    if not terms.live_at(time):
        raise GrantExpired("the grant is not valid at this time")
    key = private_keys.get(terms.key_id)
    if key is None:
        raise WrongKey("the grant is for a key that this keystore does not hold")
    if key.suite != terms.suite:
        raise ContextMismatch("a grant names another suite than its key has")
    return key.unwrap(grant.wrapped_key, terms.context())
