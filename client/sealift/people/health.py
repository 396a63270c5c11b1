"""Health checks that find what could stop a transfer before it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sealift.keystore.tlskeys import expiry, life_left
from sealift.relay.transport import Relay
from sealift_protocol.errors import ClockSkew, SealiftError
from sealift_protocol.v1 import directory_pb2

RENEW_BELOW = 1 / 3
MAX_CLOCK_SKEW_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check.

    Attributes:
        name: what was checked.
        ok: whether it passed.
        detail: what was found.
        hint: what to do if it failed.
    """

    name: str
    ok: bool
    detail: str
    hint: str = ""


def run_check(name: str, look: Callable[[], str]) -> Check:
    """Run a check and report a `SealiftError` as its finding."""
    try:
        return Check(name, True, look())
    except SealiftError as error:
        return Check(name, False, error.what, error.hint)


def check_certificate(certificate_pem: bytes, now: datetime) -> Check:
    """Check that this profile's certificate does not expire soon."""
    left, end = life_left(certificate_pem, now), expiry(certificate_pem)
    hint = "" if left >= RENEW_BELOW else "run `sealift renew`"
    return Check("certificate", left > 0, f"valid until {end:%Y-%m-%d}", hint)


def check_clock(relay: Relay, time: int) -> Check:
    """Check that this machine's clock agrees with the relay's."""
    skew = time - relay.who_am_i().time
    hint = (
        "set this machine's clock (NTP)" if abs(skew) > MAX_CLOCK_SKEW_SECONDS else ""
    )
    return Check("clock", not hint, f"{skew:+d} s from the relay's", hint)


def refuse_skew(relay: Relay, time: int) -> None:
    """Compare this machine's clock with the relay's.

    Raises:
        ClockSkew: they differ by more than ten minutes.
    """
    skew = time - relay.who_am_i().time
    if abs(skew) > MAX_CLOCK_SKEW_SECONDS:
        direction = "ahead of" if skew > 0 else "behind"
        raise ClockSkew(
            f"this machine's clock is {abs(skew)} seconds {direction} the relay's clock"
        )


def describe_usage(usage: directory_pb2.Usage) -> str:
    """Describe how much a member stores, and its limits."""
    size = f"{usage.bytes:,}" + (
        f" of {usage.bytes_limit:,}" if usage.bytes_limit else ""
    )
    shards = f"{usage.shards:,}" + (
        f" of {usage.shards_limit:,}" if usage.shards_limit else ""
    )
    return f"bytes stored: {size}, shards: {shards}"
