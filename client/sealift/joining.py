"""Joining a relay: keys made here, a certificate request sent, a profile written."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sealift.certificates import certificate_request, check_issued, generate_tls_key
from sealift.clock import Clock, unix, utc_now
from sealift.enrolment import enrol
from sealift.files import write_atomically
from sealift.keystore import Keys, StoredKey
from sealift.keystore.file import Keychain, create
from sealift.profile import Membership, Profile, new_profile, profiles_folder
from sealift.secret import Secret
from sealift.signing import Identity, sign_card, sign_membership_request
from sealift.suites import generate, load_private_key
from sealift_protocol.errors import InvalidArgument, MalformedObject, TokenExpired
from sealift_protocol.ids import Fingerprint, check_name, key_id_of
from sealift_protocol.notes import log_verifier_key
from sealift_protocol.objects import RecipientKey, WrapSuite, parse_message
from sealift_protocol.v1 import objects_pb2

TOKEN_PREFIX = "sealift-join-1."  # noqa: S105
DEFAULT_SUITES = (WrapSuite.MLKEM768_X25519,)
_KEY_LIFETIME = timedelta(days=730)


@dataclass(frozen=True, slots=True)
class Joined:
    """The result of joining.

    Attributes:
        profile: the new profile.
        name: the member's name at the relay.
        role: the member's role.
        fingerprint: what others have to pin.
    """

    profile: Profile
    name: str
    role: str
    fingerprint: Fingerprint


def parse_token(text: str) -> objects_pb2.JoinToken:
    """Reads a token's text form.

    Raises:
        InvalidArgument: it is not a whole token.
    """
    compact = "".join(text.split())
    try:
        if not compact.startswith(TOKEN_PREFIX):
            raise MalformedObject("no prefix")
        body = compact.removeprefix(TOKEN_PREFIX)
        data = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        token = parse_message(objects_pb2.JoinToken, data)
        sizes = (len(token.ca_fingerprint), len(token.log_key))
        if not (token.address and token.secret and sizes == (32, 32)):
            raise MalformedObject("a field is missing")
    except (binascii.Error, MalformedObject):
        raise InvalidArgument(
            "this is not a whole enrolment token",
            hint=f"copy all of what the operator sent; it begins with {TOKEN_PREFIX}",
        ) from None
    return token


def join(
    token_text: str,
    passphrase: Secret,
    *,
    profile_name: str | None = None,
    suites: tuple[WrapSuite, ...] = DEFAULT_SUITES,
    organisation: str = "",
    keys: Keys | None = None,
    now: Clock = utc_now,
) -> Joined:
    """Makes keys, enrols them at the relay that the token names, and writes a profile.

    Private keys are written to the passphrase-protected keystore before anything is sent and
    never leave this machine.

    Args:
        token_text: what the operator sent.
        passphrase: protects the keystore.
        profile_name: name of the profile; the member's name by default.
        suites: which recipient keys the card carries, most preferred first.
        organisation: shown on the card; the relay can read it.
        keys: kept ones to join with, instead of making new ones.
        now: the clock.

    Raises:
        InvalidArgument: the token cannot be read.
        TokenExpired, TokenRefused: the relay does not accept it.
        ProfileError: a profile of that name exists.
        RelayUntrusted: the server is not the one that the token names.
    """
    token = parse_token(token_text)
    name = check_name(token.name)
    time = unix(now)
    if time >= token.not_after:
        raise TokenExpired("the enrolment token has expired by this machine's clock")
    with new_profile(profile_name or name) as staging:
        keys = keys or _generate_keys(suites, time)
        create(staging.keystore, keys, passphrase)
        identity = Identity(keys.identity_seed)
        _enrol(staging, token, keys, identity, organisation, time, now)
    profile = Profile(profiles_folder() / (profile_name or name))
    return Joined(profile, name, token.role, identity.fingerprint)


def rejoin(
    token_text: str, profile: Profile, keychain: Keychain, *, now: Clock = utc_now
) -> Joined:
    """Gets a new certificate for an identity that is a member already.

    For a profile whose certificate has expired; the operator makes the token with --again.

    Raises:
        InvalidArgument: the token cannot be read, or is for another member.
        TokenExpired, TokenRefused: the relay does not accept it.
    """
    token = parse_token(token_text)
    if token.name != profile.membership().name:
        raise InvalidArgument("the enrolment token is for another member than this profile")
    identity = Identity(keychain.keys.identity_seed)
    _enrol(profile, token, keychain.keys, identity, "", unix(now), now)
    return Joined(profile, token.name, token.role, identity.fingerprint)


def _enrol(
    profile: Profile,
    token: objects_pb2.JoinToken,
    keys: Keys,
    identity: Identity,
    organisation: str,
    time: int,
    now: Clock,
) -> None:
    card = sign_card(
        identity,
        name=token.name,
        organisation=organisation,
        recipient_keys=published_keys(keys),
        time=time,
    )
    request = sign_membership_request(
        identity,
        token_secret=token.secret,
        certificate_request=certificate_request(keys.tls_private_key, token.name),
        card=card,
    )
    authority, certificate, response = enrol(token.address, token.ca_fingerprint, request, now=now)
    check_issued(certificate, authority, keys.tls_private_key)
    write_atomically(profile.authority, authority)
    write_atomically(profile.certificate, certificate)
    profile.write_membership(
        Membership(
            token.name,
            token.role,
            response.address,
            str(identity.fingerprint),
            str(log_verifier_key(token.log_key)),
        )
    )


def generate_recipient_keys(suites: tuple[WrapSuite, ...], time: int) -> tuple[StoredKey, ...]:
    """Fresh recipient keys, valid for two years from `time` (Unix seconds)."""
    not_after = time + int(_KEY_LIFETIME.total_seconds())
    stored = []
    for suite in suites:
        private = generate(suite)
        key_id = key_id_of(suite, private.recipient().public_key)
        stored.append(StoredKey(key_id, suite, private.private_bytes(), time, not_after))
    return tuple(stored)


def published_keys(keys: Keys) -> list[RecipientKey]:
    """The public halves of a keystore's recipient keys, as a card lists them."""
    published = []
    for key in keys.recipient_keys:
        public = load_private_key(key.suite, key.private).recipient().public_key
        published.append(RecipientKey(key.key_id, key.suite, public, key.not_before, key.not_after))
    return published


def _generate_keys(suites: tuple[WrapSuite, ...], time: int) -> Keys:
    return Keys(
        identity_seed=Secret(secrets.token_bytes(32)),
        recipient_keys=generate_recipient_keys(suites, time),
        tls_private_key=generate_tls_key(),
        owner_secret=Secret.random(32),
    )
