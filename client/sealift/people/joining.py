"""Joining a relay: make keys, send a certificate request, write a profile."""

from __future__ import annotations

from dataclasses import dataclass

from sealift.crypto.signing import Identity, sign_card, sign_membership_request
from sealift.home.profile import Membership, Profile, new_profile, profiles_folder
from sealift.keystore import Keys
from sealift.keystore.custody import Custody
from sealift.keystore.file import create
from sealift.keystore.keychain import Keychain
from sealift.keystore.tlskeys import (
    TlsKey,
    certificate_request,
    check_issued,
    generate_tls_key,
)
from sealift.process.clock import Clock, unix, utc_now
from sealift.process.files import write_atomically
from sealift.process.secret import Secret
from sealift.relay.enrolment import enrol
from sealift_protocol.errors import (
    InvalidArgument,
    SealiftError,
    TokenExpired,
)
from sealift_protocol.ids import Fingerprint, check_name
from sealift_protocol.jointoken import parse_token
from sealift_protocol.notes import log_verifier_key
from sealift_protocol.objects.cards import RecipientKey, WrapSuite
from sealift_protocol.v1 import objects_pb2


@dataclass(frozen=True, slots=True)
class Joined:
    """The result of joining.

    Attributes:
        profile: the new profile.
        name: the member's name at the relay.
        role: the member's role.
        fingerprint: the fingerprint that other members must pin.
    """

    profile: Profile
    name: str
    role: str
    fingerprint: Fingerprint


def join(
    token_text: str,
    custody: Custody | Secret,
    *,
    profile_name: str | None = None,
    suites: tuple[WrapSuite, ...] = (),
    organisation: str = "",
    keys: Keys | None = None,
    tls_key_in_keystore: bool = False,
    now: Clock = utc_now,
) -> Joined:
    """Make keys, enrol them at the relay that the token names, and write a profile.

    Private keys are written to the keystore before anything is sent and never leave it.

    Args:
        token_text: the enrolment token from the operator.
        custody: where the keys are kept: in a file under a passphrase, or in a token or KMS.
        profile_name: name of the profile; the member's name by default.
        suites: suites of the recipient keys on the card, most preferred first; by default the
            one that the custody prefers.
        organisation: shown on the card; the relay can read it.
        keys: existing keys to join with, instead of new ones.
        tls_key_in_keystore: whether to make the TLS key in the token or KMS too; it then signs
            every handshake, and worker processes must be forked.
        now: the clock.

    Raises:
        InvalidArgument: the token cannot be read.
        TokenExpired, TokenRefused: the relay does not accept it.
        ProfileError: a profile of that name already exists.
        RelayUntrusted: the server is not the one that the token names.
    """
    if isinstance(custody, Secret):
        custody = Custody.of_passphrase(custody)
    token = parse_token(token_text)
    name = check_name(token.name)
    time = unix(now)
    if time >= token.not_after:
        raise TokenExpired("the enrolment token has expired, by this machine's clock")
    with new_profile(profile_name or name) as staging:
        keys = keys or _generate_keys(
            custody, suites, time, tls_key_in_keystore=tls_key_in_keystore
        )
        try:
            create(staging.keystore, keys, custody.lock)
            identity = custody.identity(keys)
            card_keys = custody.published(keys)
            tls_key = custody.tls_key(keys)
            _enrol(
                staging,
                token,
                tls_key,
                identity,
                card_keys,
                organisation,
                time,
                time,
                now,
            )
        except BaseException:
            # The file is removed with the profile, and with it the only reference to these keys.
            custody.destroy(*keys.held)
            raise
    profile = Profile(profiles_folder() / (profile_name or name))
    return Joined(profile, name, token.role, identity.fingerprint)


def rejoin(
    token_text: str, profile: Profile, keychain: Keychain, *, now: Clock = utc_now
) -> Joined:
    """Get a new certificate for an existing member, whose certificate has expired.

    The operator makes the token with `--again`.

    Raises:
        InvalidArgument: the token cannot be read, or is for another member.
        TokenExpired, TokenRefused: the relay does not accept it.
    """
    token = parse_token(token_text)
    member = profile.membership()
    if token.name != member.name:
        raise InvalidArgument(
            "the enrolment token is for another member, not this profile's"
        )
    keys, custody = keychain.keys, keychain.custody
    identity = custody.identity(keys)
    card_keys, tls_key = custody.published(keys), custody.tls_key(keys)
    time, since = unix(now), member.identity_since
    _enrol(profile, token, tls_key, identity, card_keys, "", since, time, now)
    return Joined(profile, token.name, token.role, identity.fingerprint)


def _enrol(
    profile: Profile,
    token: objects_pb2.JoinToken,
    tls_key: TlsKey,
    identity: Identity,
    card_keys: list[RecipientKey],
    organisation: str,
    since: int,
    time: int,
    now: Clock,
) -> None:
    card = sign_card(
        identity,
        name=token.name,
        organisation=organisation,
        recipient_keys=card_keys,
        time=time,
    )
    request = sign_membership_request(
        identity,
        token_secret=token.secret,
        certificate_request=certificate_request(tls_key, token.name),
        card=card,
    )
    authority, certificate, response = enrol(
        token.address, token.ca_fingerprint, request, now=now
    )
    check_issued(certificate, authority, tls_key)
    write_atomically(profile.authority, authority)
    write_atomically(profile.certificate, certificate)
    profile.write_membership(
        Membership(
            token.name,
            token.role,
            response.address,
            str(identity.fingerprint),
            str(log_verifier_key(token.log_key)),
            since,
        )
    )


def _generate_keys(
    custody: Custody,
    suites: tuple[WrapSuite, ...],
    time: int,
    *,
    tls_key_in_keystore: bool,
) -> Keys:
    recipient_keys = custody.new_recipient_keys(suites, time)
    made = [key.private for key in recipient_keys]
    try:
        identity = custody.new_identity()
        made.append(identity)
        tls_key = custody.new_tls_key() if tls_key_in_keystore else generate_tls_key()
    except SealiftError:
        custody.destroy(*made)
        raise
    return Keys(identity, recipient_keys, tls_key, Secret.random(32))
