"""Commands that rotate keys: now, by a policy, and what is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from sealift.cli.options import (
    Options,
    as_json,
    parse_duration,
    pass_options,
    show_time,
)
from sealift.cli.output import count, show
from sealift.cli.rules import excludes, needs, rules
from sealift.cli.sharing import sealing_again
from sealift_protocol.errors import InvalidArgument

if TYPE_CHECKING:
    from sealift.people.rotation import Rotation
    from sealift.people.status import Status
    from sealift.session import Session

DEFAULT = "default"
_DAY = 86_400
every = click.option(
    "--every",
    metavar="TIME",
    help="Rotate nothing now, but set how long until rotation is due: 90d, 1y or "
    f'"{DEFAULT}".',
)


@click.command()
@rules(
    excludes("--due", "--every", "--reseal", "DATASET"),
    excludes("--every", "--reseal"),
    needs("--retry-for", "--reseal"),
)
@click.argument("dataset", required=False)
@click.option(
    "--reseal",
    "reseal_history",
    is_flag=True,
    help="Also seal again everything that was pushed before.",
)
@every
@click.option("--due", is_flag=True, help="Rotate all datasets and keys that are due.")
@click.option(
    "--retry-for",
    metavar="TIME",
    help="With --reseal: how long to keep retrying while the relay is unreachable "
    "(default: 10m).",
)
@pass_options
def rotate(
    options: Options,
    dataset: str | None,
    reseal_history: bool,
    every: str | None,
    due: bool,
    retry_for: str | None,
) -> None:
    """Begin a new key epoch of DATASET: later pushes are sealed under a new key.

    Everyone who has access keeps it. With --reseal, records are fetched, sealed again and
    replaced, so that old keys open nothing that is left at the relay.

    With --every, this profile's policy is set, for DATASET, or for all datasets and your recipient
    keys. `sealift status` shows what is due, and `sealift rotate --due`, run by a timer, rotates
    it. By default keys are used for two years and identities for three, the longest periods that
    NIST SP 800-57 recommends.
    """
    if due:
        with options.connect() as session:
            _rotate_due(session)
    elif every is not None:
        _set_policy(options, dataset, every)
    elif dataset is None:
        raise InvalidArgument(
            "no dataset is named",
            hint="name a dataset, or use --due, or --every to set when keys are due",
        )
    else:
        retry_seconds = parse_duration(retry_for or "10m")
        _rotate_now(options, dataset, reseal_history, retry_seconds)


def _rotate_now(
    options: Options, dataset: str, reseal_history: bool, retry_seconds: float
) -> None:
    with (
        options.connect() as session,
        sealing_again(
            session, reseal_history, lambda info: info.name == dataset
        ) as progress,
    ):
        committed = session.dataset(dataset).rotate(
            reseal=reseal_history,
            progress=progress,
            retry_seconds=retry_seconds,
        )
    commit = committed.commit
    again = (
        f", {count(len(commit.added), 'shard')} sealed again" if reseal_history else ""
    )
    click.echo(f"{dataset} is at key epoch {commit.key_epoch}{again}")


def _rotate_due(session: Session) -> None:
    done = 0
    for rotation in session.keys.rotate_due():
        click.echo(f"rotated {_what(rotation)}")
        done += 1
    if not done:
        click.echo("nothing is due")


def _set_policy(options: Options, dataset: str | None, every: str) -> None:
    if dataset is None:
        shown = set_policy(options, every, "key_epochs", "recipient_keys")
        click.echo(f"key epochs and recipient keys are due after {shown}")
        return
    with options.connect() as session:
        session.dataset(dataset).rotate_every(
            None if every == DEFAULT else parse_duration(every)
        )
    click.echo(f"key epochs of {dataset} are due after {every}")


def set_policy(options: Options, every: str, *fields: str) -> str:
    """Set fields of a profile's rotation policy; return the time as text."""
    from sealift.home.settings import RotationPolicy

    profile = options.found()
    settings = profile.settings
    defaults = RotationPolicy()
    times = {
        field: getattr(defaults, field) if every == DEFAULT else parse_duration(every)
        for field in fields
    }
    policy = replace(settings.rotation, **times)  # type: ignore[arg-type] # all of them are times
    profile.write_settings(replace(settings, rotation=policy))
    return days(times[fields[0]])


@click.command()
@rules(excludes("--metrics", "--json"))
@click.option(
    "--metrics",
    is_flag=True,
    help="Print Prometheus' text format, for a textfile collector.",
)
@as_json
@pass_options
def status(options: Options, metrics: bool, as_json: bool) -> None:
    """Show your certificate, your keystore, and which keys are due for rotation."""
    from sealift.people.status import as_prometheus

    with options.connect() as session:
        found = session.identity.status()
    if metrics:
        click.echo(as_prometheus(found), nl=False)
        return
    show("\n".join(_status_lines(found)), _machine(found), as_json)


def _status_lines(found: Status) -> list[str]:
    from sealift.cli.values import aligned

    member = found.membership
    rows = [("key", "of", "since", "used for", "due")]
    rows += [
        (
            rotation.kind.value,
            _subject(rotation),
            show_time(rotation.since),
            days(rotation.seconds),
            _due(rotation, found.time),
        )
        for rotation in found.rotations
    ]
    lines = [
        f"{member.name} ({member.role}) at {member.address}",
        f"keystore     {found.keystore}",
        f"certificate  valid until {found.certificate_end:%Y-%m-%d}",
        f"backup       {_backup(found)}",
        *aligned(rows, right=[False] * len(rows[0]))[0],
    ]
    return [*lines, *_what_to_do(found.overdue)]


def _backup(found: Status) -> str:
    from sealift.keystore.custody import FILE_URL

    if found.keystore != FILE_URL:
        return "left to the token or KMS"
    if found.backup is None:
        return "none; `sealift keystore backup` makes one"
    what = (
        "of your current keys"
        if found.backup.complete
        else "older than your keys: make a new one"
    )
    return f"{show_time(found.backup.time)}, {what}"


def _what_to_do(overdue: Sequence[Rotation]) -> list[str]:
    from sealift.people.rotation import RotationKind

    if not overdue:
        return []
    lines = [f"{count(len(overdue), 'key')} overdue"]
    if any(rotation.kind is not RotationKind.IDENTITY for rotation in overdue):
        lines.append("  `sealift rotate --due` rotates key epochs and recipient keys")
    if any(rotation.kind is RotationKind.IDENTITY for rotation in overdue):
        lines.append("  `sealift identity succeed` replaces your signing key")
    return lines


def _machine(found: Status) -> dict[str, object]:
    return {
        "name": found.membership.name,
        "role": found.membership.role,
        "address": found.membership.address,
        "keystore": found.keystore,
        "certificate_end": int(found.certificate_end.timestamp()),
        "backup": None if found.backup is None else asdict(found.backup),
        "keys": [
            {
                "kind": rotation.kind.value,
                "id": rotation.subject.hex(),
                "dataset": rotation.name,
                "since": rotation.since,
                "due": rotation.due,
                "overdue": rotation.is_overdue(found.time),
            }
            for rotation in found.rotations
        ],
    }


def _subject(rotation: Rotation) -> str:
    from sealift.cli.values import printable
    from sealift.people.rotation import RotationKind
    from sealift_protocol.ids import Fingerprint

    if rotation.kind is RotationKind.IDENTITY:
        # As other members see it.
        return str(Fingerprint(rotation.subject))[:24]
    return printable(rotation.name) if rotation.name else rotation.subject.hex()[:16]


def _what(rotation: Rotation) -> str:
    return (
        f"the {rotation.kind.value} of {_subject(rotation)}"
        if rotation.name
        else (f"{rotation.kind.value} {_subject(rotation)}")
    )


def _due(rotation: Rotation, time: int) -> str:
    if not rotation.is_overdue(time):
        return show_time(rotation.due)
    if not rotation.since:
        return "OVERDUE: its first use is not known"
    return f"OVERDUE by {days(time - rotation.due)}"


def days(seconds: int) -> str:
    """Format seconds as whole days, rounded down."""
    return count(seconds // _DAY, "day")
