"""`Session.doctor`: checks for problems that could stop a transfer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from sealift.api.connection import Connection
from sealift.api.listing import DatasetInfo
from sealift.people.health import (
    Check,
    check_certificate,
    check_clock,
    describe_usage,
    run_check,
)
from sealift.people.probes import answer_probes


def examine(
    connection: Connection,
    names: Sequence[str],
    datasets: Callable[[], Sequence[DatasetInfo]],
) -> list[Check]:
    """Check relay, clock, certificate, log, card, quota, probes, datasets and named members."""
    relay = connection.relay
    reached = run_check("relay", lambda: f"{relay.who_am_i().name} is known there")
    if not reached.ok:
        return [reached]
    certificate = connection.profile.certificate.read_bytes()
    return [
        reached,
        check_clock(relay, connection.time),
        check_certificate(certificate, connection.now()),
        run_check("log", partial(_log, connection)),
        run_check("card", partial(_card, connection)),
        run_check("quota", lambda: describe_usage(relay.who_am_i().usage)),
        run_check("probes", lambda: f"answered {answer_probes(connection.member)}"),
        run_check("datasets", lambda: _datasets(datasets())),
        *(
            run_check(f"member {name}", partial(_member, connection, name))
            for name in names
        ),
    ]


def _log(connection: Connection) -> str:
    note, checkpoint = connection.member.log.advance()
    return f"{checkpoint.size:,} entries, cosignatures: {len(note.signatures) - 1}"


def _card(connection: Connection) -> str:
    card = connection.contacts.own_card()
    keys = card.recipient_keys
    held = sum(key.key_id in connection.member.private_keys for key in keys)
    return f"version {card.version}, {held} of {len(keys)} keys are held here"


def _datasets(found: Sequence[DatasetInfo]) -> str:
    closed = sum(not info.trusted for info in found)
    return f"{len(found) - closed} open" + (
        f", {closed} of unknown owners" if closed else ""
    )


def _member(connection: Connection, name: str) -> str:
    return connection.contacts.meet(name).how
