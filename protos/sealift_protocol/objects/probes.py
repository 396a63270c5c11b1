"""Probes, which show that a member can open what is sealed to it.

Each object is verified before it is parsed (docs/spec/objects.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from sealift_protocol import signed as envelope
from sealift_protocol.ids import ID_SIZE, Fingerprint
from sealift_protocol.layout import DIGEST_SIZE
from sealift_protocol.objects.cards import WrapSuite
from sealift_protocol.objects.parsing import (
    check_size,
    open_signed,
    parse_fingerprint,
    parse_time,
)
from sealift_protocol.v1 import objects_pb2

PROBE_SIZE = 1024


@dataclass(frozen=True, slots=True)
class Probe:
    """A sealed kibibyte for one recipient."""

    recipient: Fingerprint
    key_id: bytes
    suite: WrapSuite
    wrapped_key: bytes
    sealed: bytes
    time: int
    signer: Fingerprint
    digest: bytes


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """The recipient of a probe (the signer) shows that it opened the probe."""

    probe: bytes
    opened: bytes
    time: int
    signer: Fingerprint
    digest: bytes


def verify_probe(signed: objects_pb2.Signed) -> Probe:
    """Verifies and parses a probe.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = open_signed(signed, envelope.PROBE, objects_pb2.Probe)
    check_size(message.key_id, ID_SIZE, "a probe's key id")
    return Probe(
        recipient=parse_fingerprint(message.recipient, "a probe's recipient"),
        key_id=message.key_id,
        suite=WrapSuite.parse(message.suite),
        wrapped_key=message.wrapped_key,
        sealed=message.sealed,
        time=parse_time(message.time),
        signer=verified.signer,
        digest=verified.digest,
    )


def verify_probe_answer(signed: objects_pb2.Signed) -> ProbeAnswer:
    """Verifies and parses an answer to a probe.

    Raises:
        VerificationError: a subclass that says what is wrong.
    """
    message, verified = open_signed(
        signed, envelope.PROBE_ANSWER, objects_pb2.ProbeAnswer
    )
    check_size(message.probe, DIGEST_SIZE, "a probe's digest")
    return ProbeAnswer(
        message.probe,
        message.opened,
        parse_time(message.time),
        verified.signer,
        verified.digest,
    )
