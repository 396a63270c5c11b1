"""Probes: a sealed kibibyte shows that a recipient can open what is sent to it."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sealift.crypto.grants import choose_recipient_key
from sealift.crypto.suites import load_recipient
from sealift.history.member import Member
from sealift.process.clock import unix
from sealift.process.log import log
from sealift.process.secret import Secret
from sealift_protocol import signed as envelope
from sealift_protocol.errors import SealiftError, WrongKey
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects.cards import Card, WrapSuite
from sealift_protocol.objects.probes import (
    PROBE_SIZE,
    Probe,
    verify_probe,
    verify_probe_answer,
)
from sealift_protocol.v1 import objects_pb2

_KEY_SIZE = 32
# Every probe has a fresh key.
_NONCE = bytes(12)
_POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How many seconds a recipient took to open its probe; None if it did not."""

    name: str
    seconds: float | None


def probe_all(
    member: Member,
    cards: Sequence[Card],
    *,
    wait_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> list[ProbeResult]:
    """Leave a probe for each recipient and wait until each has proved that it opened its own.

    A recipient's client answers when it runs `sealift doctor`.
    """
    begun = time.monotonic()
    waiting = {}
    for card in cards:
        signed, opened = _make_probe(member, card)
        member.relay.put_probe(signed)
        waiting[verify_probe(signed).digest] = (card, opened)
    took: dict[Fingerprint, float] = {}
    while waiting:
        for signed in member.relay.get_probes().answers:
            answer = verify_probe_answer(signed)
            if answer.probe not in waiting:
                continue
            card, opened = waiting[answer.probe]
            if (answer.signer, answer.opened) == (card.signer, opened):
                took[card.signer] = time.monotonic() - begun
                del waiting[answer.probe]
        if not waiting or time.monotonic() - begun >= wait_seconds:
            break
        sleep(min(_POLL_SECONDS, wait_seconds))
    return [ProbeResult(card.name, took.get(card.signer)) for card in cards]


def answer_probes(member: Member) -> int:
    """Open and answer every probe that waits for this member; return how many."""
    count = 0
    for signed in member.relay.get_probes().probes:
        try:
            answer = _answer(member, verify_probe(signed))
        except SealiftError as error:
            # Another member's broken probe must not stop this member's work.
            log.warning("skip_probe", error=type(error).__name__)
            continue
        member.relay.answer_probe(answer)
        count += 1
    return count


def _make_probe(member: Member, card: Card) -> tuple[objects_pb2.Signed, bytes]:
    now = unix(member.now)
    recipient_key = choose_recipient_key(card, now)
    key, plaintext = Secret.random(_KEY_SIZE), secrets.token_bytes(PROBE_SIZE)
    context = _context(
        member.identity.fingerprint, card.signer, recipient_key.key_id, now
    )
    recipient = load_recipient(recipient_key.suite, recipient_key.public_key)
    probe = objects_pb2.Probe(
        recipient=card.signer.digest,
        key_id=recipient_key.key_id,
        suite=int(recipient_key.suite),
        wrapped_key=recipient.wrap(key, context),
        sealed=AESGCM(key.view()).encrypt(_NONCE, plaintext, context),
        time=now,
    )
    signed = member.identity.sign(envelope.PROBE, probe.SerializeToString())
    return signed, hashlib.sha256(plaintext).digest()


def _answer(member: Member, probe: Probe) -> objects_pb2.Signed:
    key = member.private_keys.get(probe.key_id)
    if key is None or WrapSuite(key.suite) != probe.suite:
        raise WrongKey("a probe is for a key that is not in this keystore")
    context = _context(probe.signer, probe.recipient, probe.key_id, probe.time)
    secret = key.unwrap(probe.wrapped_key, context)
    try:
        plaintext = AESGCM(secret.view()).decrypt(_NONCE, probe.sealed, context)
    except InvalidTag:
        raise WrongKey("a probe does not open with the key that came with it") from None
    answer = objects_pb2.ProbeAnswer(
        probe=probe.digest,
        opened=hashlib.sha256(plaintext).digest(),
        time=unix(member.now),
    )
    return member.identity.sign(envelope.PROBE_ANSWER, answer.SerializeToString())


def _context(
    sender: Fingerprint, recipient: Fingerprint, key_id: bytes, time: int
) -> bytes:
    parts = (sender.digest, recipient.digest, key_id, time.to_bytes(8, "big"))
    return b"sealift/1 probe" + b"".join(parts)
