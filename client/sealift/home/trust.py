"""The trust store: the members pinned on this machine, and those that they endorse."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from sealift.home.lastseen import LastSeen
from sealift.process.files import read_again, write_atomically
from sealift.process.layouts import FileStruct, Layout
from sealift_protocol import signed as envelope
from sealift_protocol.errors import (
    AlreadyTrusted,
    CardExpired,
    ClockSkew,
    EndorsementExpired,
    FingerprintMismatch,
    IdentityRevoked,
    InvalidArgument,
    MalformedObject,
    NotTrusted,
)
from sealift_protocol.ids import Fingerprint, check_name
from sealift_protocol.objects.cards import Card, verify_card
from sealift_protocol.objects.identities import (
    Endorsement,
    Succession,
    verify_endorsement,
    verify_identity_revocation,
    verify_succession,
)
from sealift_protocol.v1 import objects_pb2

_VERSION = 2
_MAX_SKEW_SECONDS = 600
COMPARED = "compared"
FIRST_USE = "first use"
SUCCESSION = "succession"


@dataclass(frozen=True, slots=True)
class Pin:
    """Why a member is trusted on this machine.

    Attributes:
        fingerprint: the identity that the member must have.
        how: "compared" by people, "first use" without comparing, or by "succession".
        since: Unix seconds.
        endorses: whether the member is an organisation whose endorsements are trusted.
        former: identities that this one succeeded; what they signed stays trusted.
    """

    fingerprint: Fingerprint
    how: str = COMPARED
    since: int = 0
    endorses: bool = False
    former: tuple[Fingerprint, ...] = ()

    @property
    def identities(self) -> frozenset[Fingerprint]:
        """The current identity and the former ones."""
        return frozenset({self.fingerprint, *self.former})


@dataclass(frozen=True, slots=True)
class TrustedMember:
    """A member whose card was verified.

    Attributes:
        card: the newest card, verified.
        identities: the current identity and those that it succeeded.
        how: as `Pin.how`, or "endorsed by NAME".
        until: when the endorsement ends, Unix seconds; 0 for a pin.
        endorser: the endorsing organisation; empty for a pin.
    """

    card: Card
    identities: frozenset[Fingerprint]
    how: str
    until: int = 0
    endorser: str = ""

    @property
    def name(self) -> str:
        """The member's name at the relay."""
        return self.card.name

    @property
    def fingerprint(self) -> Fingerprint:
        """The current identity."""
        return self.card.signer


class _Pin(FileStruct, frozen=True):
    fingerprint: str
    how: str
    since: int
    endorses: bool
    former: tuple[str, ...]


class _Store(FileStruct, frozen=True):
    version: int
    pins: dict[str, _Pin]


_LAYOUT = Layout(
    "the trust store",
    {_VERSION: _Store},
    MalformedObject,
    "restore the file trust.json of this profile, or remove it and pin again",
)


@dataclass(frozen=True, slots=True)
class TrustStore:
    """Pins in one JSON file, `trust.json`."""

    path: Path

    def pins(self) -> dict[str, Pin]:
        """Return all pinned members, by name.

        Raises:
            MalformedObject: the file is not a trust store.
        """
        try:
            found = _LAYOUT.read_json(read_again(self.path))
        except FileNotFoundError:
            return {}
        try:
            return {
                name: Pin(
                    fingerprint=Fingerprint.parse(pin.fingerprint),
                    how=pin.how,
                    since=pin.since,
                    endorses=pin.endorses,
                    former=tuple(map(Fingerprint.parse, pin.former)),
                )
                for name, pin in found.pins.items()
            }
        except InvalidArgument:
            raise _LAYOUT.refused("a pin has a malformed fingerprint") from None

    def add(self, name: str, pin: Pin) -> None:
        """Pin a member; pinning the same fingerprint again updates `how`.

        Raises:
            AlreadyTrusted: another fingerprint is pinned under that name.
        """
        pins = self.pins()
        known = pins.get(check_name(name))
        if known is not None and known.fingerprint != pin.fingerprint:
            raise AlreadyTrusted("another fingerprint is pinned under that name")
        if known is not None:
            pin = replace(pin, former=known.former)
        self._write({**pins, name: pin})

    def remove(self, name: str) -> None:
        """Remove a pin.

        Raises:
            NotTrusted: the member is not pinned.
        """
        pins = self.pins()
        if pins.pop(name, None) is None:
            raise not_pinned(name, pins, hint="")
        self._write(pins)

    def find(self, name: str) -> Pin:
        """Return the pin of a member.

        Raises:
            NotTrusted: the member is not pinned.
        """
        pins = self.pins()
        if name not in pins:
            raise not_pinned(name, pins)
        return pins[name]

    def may_meet(self, name: str, *, first_use: bool) -> bool:
        """Return whether the member could be trusted at all, so that a lookup is worthwhile."""
        pins = self.pins()
        return name in pins or first_use or any(pin.endorses for pin in pins.values())

    def verify_member(
        self,
        name: str,
        signed_card: objects_pb2.Signed,
        statements: Sequence[objects_pb2.Signed],
        last_seen: LastSeen,
        time: int,
        *,
        first_use: bool = False,
    ) -> TrustedMember:
        """Verify a member's card from the relay, and decide whether to trust the member.

        Args:
            name: the member that the card should belong to.
            signed_card: as received.
            statements: endorsements, successions and revocations, as received, oldest first.
            last_seen: what this client saw before.
            time: Unix seconds.
            first_use: whether to pin a member that is neither pinned nor endorsed.

        Raises:
            NotTrusted: the member is neither pinned nor endorsed.
            FingerprintMismatch: the card belongs to another identity or carries another name.
            IdentityRevoked: the member revoked the identity.
            EndorsementExpired: an organisation's endorsement of the member has ended.
            CardExpired, ClockSkew: the card is not valid at this time.
            RollbackDetected: the relay showed a newer card before.
            VerificationError: a signature is not valid.
        """
        card = verify_card(signed_card)
        if card.name != name:
            raise FingerprintMismatch(
                "the relay's card for that member carries another name"
            )
        _note_revocations(statements, last_seen)
        pins = self.pins()
        trusted: TrustedMember | None
        if name in pins:
            trusted = self._by_pin(name, pins[name], card, statements, last_seen, time)
        else:
            trusted = _by_endorsement(pins, card, statements, time)
        if trusted is None:
            if not first_use:
                raise NotTrusted("no fingerprint is pinned for the member")
            self.add(name, Pin(card.signer, FIRST_USE, time))
            trusted = TrustedMember(card, frozenset({card.signer}), FIRST_USE)
        if last_seen.is_revoked(card.signer):
            raise IdentityRevoked("the member has revoked this identity")
        _check_times(card, time)
        last_seen.check_card(card)
        return trusted

    def _by_pin(
        self,
        name: str,
        pin: Pin,
        card: Card,
        statements: Sequence[objects_pb2.Signed],
        last_seen: LastSeen,
        time: int,
    ) -> TrustedMember:
        successions = [s for s in _parsed_successions(statements) if s.name == name]
        former, current = list(pin.former), pin.fingerprint
        while current != card.signer:
            following = [s.successor for s in successions if s.signer == current]
            if not following or following[0] in former:
                raise FingerprintMismatch(
                    "the relay's card for that member has another fingerprint"
                )
            if last_seen.is_revoked(current):
                raise IdentityRevoked("the member has revoked the pinned identity")
            former.append(current)
            current = following[0]
        if current != pin.fingerprint:
            pin = Pin(current, SUCCESSION, time, pin.endorses, tuple(former))
            self._write({**self.pins(), name: pin})
        return TrustedMember(card, pin.identities, pin.how)

    def _write(self, pins: dict[str, Pin]) -> None:
        document = {
            "version": _VERSION,
            "pins": {
                name: {
                    "fingerprint": str(pin.fingerprint),
                    "how": pin.how,
                    "since": pin.since,
                    "endorses": pin.endorses,
                    "former": [str(former) for former in pin.former],
                }
                for name, pin in sorted(pins.items())
            },
        }
        write_atomically(self.path, (json.dumps(document, indent=1) + "\n").encode())


def not_pinned(
    name: str, pinned: Iterable[str], *, hint: str | None = None
) -> NotTrusted:
    """Return the error for a name that is not pinned, with the pinned name most like it.

    Args:
        name: as a person gave it. It is quoted only if it can be a member's name: anything else may
            be a secret in the wrong place.
        pinned: the pinned names.
        hint: what to do if no pinned name is like it; the default hint if None.
    """
    near = get_close_matches(name.lower(), pinned, n=1)
    try:
        who = f'"{check_name(name)}"'
    except InvalidArgument:
        who = "that name"
    if near:
        return NotTrusted(
            f'no fingerprint is pinned for {who}; did you mean "{near[0]}"?', hint=""
        )
    return NotTrusted(f"no fingerprint is pinned for {who}", hint=hint)


def _note_revocations(
    statements: Sequence[objects_pb2.Signed], last_seen: LastSeen
) -> None:
    for signed in statements:
        if signed.payload_type == envelope.IDENTITY_REVOCATION:
            last_seen.remember_revoked(verify_identity_revocation(signed).signer)


def _by_endorsement(
    pins: dict[str, Pin],
    card: Card,
    statements: Sequence[objects_pb2.Signed],
    time: int,
) -> TrustedMember | None:
    organisations = {
        identity: name
        for name, pin in pins.items()
        if pin.endorses
        for identity in pin.identities
    }
    newest: dict[Fingerprint, Endorsement] = {}
    for signed in statements:
        if signed.payload_type != envelope.ENDORSEMENT:
            continue
        endorsement = verify_endorsement(signed)
        about_card = (endorsement.member, endorsement.name) == (card.signer, card.name)
        known = newest.get(endorsement.signer)
        if about_card and (known is None or endorsement.time >= known.time):
            newest[endorsement.signer] = endorsement
    relevant = [e for signer, e in newest.items() if signer in organisations]
    for endorsement in relevant:
        if endorsement.live_at(time):
            name = organisations[endorsement.signer]
            until, identities = endorsement.not_after, frozenset({card.signer})
            return TrustedMember(card, identities, f"endorsed by {name}", until, name)
    if relevant:
        raise EndorsementExpired(
            "an organisation's endorsement of that member has ended"
        )
    return None


def _parsed_successions(statements: Sequence[objects_pb2.Signed]) -> list[Succession]:
    return [
        verify_succession(s)
        for s in statements
        if s.payload_type == envelope.SUCCESSION
    ]


def _check_times(card: Card, time: int) -> None:
    if card.time > time + _MAX_SKEW_SECONDS:
        raise ClockSkew(
            "the member's card was signed in the future, by this machine's clock",
            hint="check this machine's clock, then ask the member to check theirs and to run "
            "`sealift key rotate`",
        )
    if card.not_after and time >= card.not_after:
        raise CardExpired("the member's card has expired")
