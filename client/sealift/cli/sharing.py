"""Commands for access: granting, revoking, accounting, erasing, the log."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sealift.cli.options import (
    Options,
    as_json,
    confirm,
    parse_duration,
    parse_time,
    pass_options,
    retry_for,
    show_time,
    yes,
)
from sealift.cli.output import count, progress_bar, show, size
from sealift.cli.rules import excludes, needs, rules
from sealift_protocol.errors import InvalidArgument, ProfileError
from sealift_protocol.program import Told

if TYPE_CHECKING:
    from sealift.api.dataset import Revoked
    from sealift.api.listing import DatasetInfo
    from sealift.history.disclosures import DisclosureLine
    from sealift.owner.push.push import PushProgress
    from sealift.session import Session
    from sealift_protocol.ids import Fingerprint
    from sealift_protocol.objects.accounting import DeletionReceipt, Disclosure

_OUT_OF_REACH = (
    "out of reach: copies that were fetched before, and backups that the relay's operator or "
    "storage keeps"
)


@click.command()
@click.argument("dataset")
@click.option(
    "--to",
    multiple=True,
    required=True,
    metavar="WHO",
    help="Member to grant access to; repeatable.",
)
@click.option(
    "--since",
    metavar="DATE",
    help="When access begins: a date, or a time from now (default: now).",
)
@click.option(
    "--until",
    metavar="DATE",
    help="When access ends: a date, or a time from now such as 90d.",
)
@click.option(
    "--purpose", default="", help="Purpose of the access; the relay can read it."
)
@as_json
@pass_options
def grant(
    options: Options,
    dataset: str,
    to: tuple[str, ...],
    since: str | None,
    until: str | None,
    purpose: str,
    as_json: bool,
) -> None:
    """Let members open DATASET: its records, and those pushed while the grant lasts.

    Costs one wrapped key for each key epoch, whatever the dataset's size.
    """
    end = parse_time(until)
    with options.connect() as session:
        committed = session.dataset(dataset).grant(
            to=to, since=parse_time(since), until=end, purpose=purpose
        )
    commit = committed.commit
    show(
        f"granted {dataset} to {', '.join(to)}"
        + (f" until {show_time(end)}" if end else "")
        + f" ({count(len(commit.granted), 'wrapped key')}, commit {commit.number})",
        {"commit": commit.number, "grants": len(commit.granted)},
        as_json,
    )


@click.command()
@click.argument("dataset")
@click.option(
    "--from", "member", required=True, metavar="WHO", help="Member whose access ends."
)
@as_json
@pass_options
def revoke(options: Options, dataset: str, member: str, as_json: bool) -> None:
    """End a member's access to DATASET, and report what that changes and what it does not.

    Records pushed from now on are sealed under a new key epoch. What the member fetched before
    cannot be taken back.
    """
    with options.connect() as session:
        done = session.dataset(dataset).revoke(member)
        lines = [
            line
            for line in done.account.lines
            if line.disclosure.signer in done.identities
        ]
    show(
        _revocation_report(dataset, done, lines),
        {
            "commit": done.commit,
            "key_epoch": done.key_epoch,
            "fetched": [_disclosure_json(line) for line in lines],
            "open_epochs": {
                str(epoch): shards for epoch, shards in done.open_epochs.items()
            },
        },
        as_json,
    )


@contextmanager
def sealing_again(
    session: Session, reseal: bool, chosen: Callable[[DatasetInfo], bool]
) -> Iterator[Callable[[PushProgress], None]]:
    """Show progress over the shards of some datasets; yield what to call after each shard."""
    # Only resealing needs the count, which opens the datasets.
    total = (
        sum(info.shards for info in session.datasets() if chosen(info)) if reseal else 0
    )
    done = 0

    def acknowledged(progress: PushProgress) -> None:
        nonlocal done
        done += 1
        update(progress.records, progress.payload_bytes)

    with progress_bar("resealing", lambda: max(1, total), lambda: done) as update:
        yield acknowledged


@click.command()
@click.argument("dataset")
@as_json
@pass_options
def access(options: Options, dataset: str, as_json: bool) -> None:
    """Show who can open DATASET, until when, for which purpose, and who granted it."""
    from sealift.cli.values import aligned

    with options.connect() as session:
        report = session.dataset(dataset).access()
        people = [*report.co_owners, report.owner]
        for line in report.recipients:
            people += [line.recipient, *line.grantors]
        names = {
            person: session.people.label(person) for person in dict.fromkeys(people)
        }
    rows = [("who", "key epochs", "from", "until", "granted by", "purpose")]
    for line in report.recipients:
        rows.append(
            (
                names[line.recipient],
                ",".join(map(str, line.key_epochs))
                + ("" if line.live else " (not now)"),
                show_time(line.not_before),
                show_time(line.not_after),
                ", ".join(names[grantor] for grantor in line.grantors),
                "; ".join(line.purposes) or "-",
            )
        )
    text = [f"owner {names[report.owner]}"]
    if report.co_owners:
        text.append("co-owners " + ", ".join(names[co] for co in report.co_owners))
    text += aligned(rows)[0]
    for epoch in report.key_epochs:
        holders = ", ".join(names[holder] for holder in epoch.holders)
        text.append(
            f"key epoch {epoch.key_epoch}: {count(epoch.shards, 'shard')}, for {holders}"
        )
    show(
        "\n".join(text),
        {
            "owner": names[report.owner],
            "co_owners": [names[co] for co in report.co_owners],
            "recipients": [
                {
                    "name": names[line.recipient],
                    "fingerprint": str(line.recipient),
                    "key_epochs": list(line.key_epochs),
                    "not_before": line.not_before,
                    "not_after": line.not_after,
                    "purposes": list(line.purposes),
                    "granted_by": [names[grantor] for grantor in line.grantors],
                    "live": line.live,
                }
                for line in report.recipients
            ],
            "key_epochs": [
                {
                    "key_epoch": epoch.key_epoch,
                    "shards": epoch.shards,
                    "holders": [names[holder] for holder in epoch.holders],
                }
                for epoch in report.key_epochs
            ],
        },
        as_json,
    )


@click.group("co-owner")
def co_owner() -> None:
    """Manage the owners who may append to a dataset of yours."""


@co_owner.command("add")
@click.argument("dataset")
@click.argument("name")
@pass_options
def co_owner_add(options: Options, dataset: str, name: str) -> None:
    """Let owner NAME append to DATASET, grant and revoke. NAME pushes to YOU/DATASET."""
    with options.connect() as session:
        session.dataset(dataset).add_co_owner(name)
    click.echo(f"{name} is a co-owner of {dataset}")


@co_owner.command("remove")
@click.argument("dataset")
@click.argument("name")
@pass_options
def co_owner_remove(options: Options, dataset: str, name: str) -> None:
    """Remove co-owner NAME. NAME can still open DATASET until you revoke its access."""
    with options.connect() as session:
        session.dataset(dataset).remove_co_owner(name)
    click.echo(
        f"{name} is no longer a co-owner of {dataset}; `sealift revoke` ends its access"
    )


class _Disclosures(click.Group):
    """Lets `sealift disclosures DATASET` work alongside `sealift disclosures verify FILE`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["report", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_Disclosures, subcommand_metavar="DATASET | verify FILE")
def disclosures() -> None:
    """Account for disclosures: who fetched what of DATASET, when, and for which purpose.

    Each line is signed by the member that fetched, and is in the relay's log. That none is missing
    is checked too (45 CFR 164.528). `verify` checks a JSON report without a relay.
    """


@disclosures.command("report")
@click.argument("dataset")
@click.option(
    "--from", "start", metavar="DATE", help="Leave out disclosures before this."
)
@click.option(
    "--to", "end", metavar="DATE", help="Leave out disclosures from this time on."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="Format of the report; json includes the proofs.",
)
@pass_options
def disclosures_report(
    options: Options, dataset: str, start: str | None, end: str | None, form: str
) -> None:
    """Report the disclosures of DATASET."""
    from sealift.cli.values import aligned
    from sealift.history.disclosures import write_report

    first, last = parse_time(start), parse_time(end)
    with options.connect() as session:
        account = session.dataset(dataset).disclosures()
        lines = [
            line
            for line in account.lines
            if first <= line.disclosure.time
            and (not last or line.disclosure.time < last)
        ]
        names = {
            who: session.people.label(who)
            for who in dict.fromkeys(line.disclosure.signer for line in lines)
        }
        log_key = str(session.log.key)
    rows: list[tuple[str, ...]] = [
        ("time (UTC)", "recipient", "purpose", "commit", "shards", "log entry")
    ]
    rows += [_disclosure_row(line.disclosure, names, str(line.index)) for line in lines]
    if form == "json":
        click.echo(json.dumps(write_report(account, lines, names, log_key)))
    elif form == "csv":
        text = io.StringIO()
        csv.writer(text).writerows([_guard(cell) for cell in row] for row in rows)
        click.echo(text.getvalue(), nl=False)
    else:
        table = aligned(rows)[0] if lines else []
        entries = (
            f"{account.entries:,} {'entry' if account.entries == 1 else 'entries'}"
        )
        complete = (
            f"{count(len(lines), 'disclosure')}, each signed and logged; none of the "
            f"dataset's {entries} in the log is missing"
        )
        click.echo("\n".join([*table, complete]))


@disclosures.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--log-key", help="The log's verifier key (default: this profile's, if any)."
)
@pass_options
def disclosures_verify(options: Options, file: Path, log_key: str | None) -> None:
    """Verify a JSON report offline: every signature and every proof in it."""
    from sealift.history.disclosures import verify_report
    from sealift.home.profile import find_profile
    from sealift_protocol.notes import VerifierKey

    key = None if log_key is None else VerifierKey.parse(log_key)
    note = ""
    if key is None:
        try:
            key = VerifierKey.parse(find_profile(options.profile).membership().log_key)
        except ProfileError:
            note = "; compare the report's log_key with the relay's: it was not checked"
    verified = verify_report(file.read_text(), key)
    click.echo(f"{count(len(verified), 'disclosure')} verified{note}")


@click.command()
@click.argument("dataset")
@click.option(
    "--shard",
    "shards",
    multiple=True,
    metavar="ID",
    help="Destroy only this shard; repeatable.",
)
@yes
@as_json
@pass_options
def delete(
    options: Options, dataset: str, shards: tuple[str, ...], yes: bool, as_json: bool
) -> None:
    """Destroy DATASET at the relay: its wrapped keys and shards. The log keeps that it existed."""
    try:
        ids = [bytes.fromhex(shard) for shard in shards]
    except ValueError:
        raise InvalidArgument("a shard's id is 32 hexadecimal digits") from None
    what = count(len(ids), "shard") + f" of {dataset}" if ids else dataset
    confirm(f"destroy {what} at the relay? this cannot be undone", yes=yes)
    with options.connect() as session:
        receipt = session.dataset(dataset).delete(shards=ids)
        fresh = None if ids else session.keys.rotate()
    lines = [_receipt_text(receipt)]
    if fresh is not None:
        lines.append(
            "this profile's recipient keys were replaced, and the old ones destroyed: the "
            "dataset's keys cannot be recovered with this keystore, not even from a backup of "
            "the relay's database"
        )
    lines.append(_OUT_OF_REACH)
    show("\n".join(lines), _receipt_json(receipt), as_json)


@click.command("erase-subject")
@rules(excludes("--pseudonym", "--subject"), needs("--policy", "--subject"))
@click.argument("dataset")
@click.option(
    "--subject",
    default="",
    metavar="NUMBER",
    help="The person's own number, as the source has it.",
)
@click.option(
    "--pseudonym",
    default="",
    metavar="VALUE",
    help="Instead: the value in the subject column, as trainers see it.",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="FILE",
    help="Policy that the records were pushed under, unless it is a ready one; repeatable.",
)
@retry_for
@yes
@as_json
@pass_options
def erase_subject(
    options: Options,
    dataset: str,
    subject: str,
    pseudonym: str,
    policies: tuple[str, ...],
    retry_for: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase one person's records from DATASET, after consent was withdrawn.

    Shards that hold the person's records are sealed again without them, and the old shards
    destroyed. What the quarantine holds of the person is erased too. Members with access are told
    when they next open the dataset, and asked to purge their copies.

    Under a policy that hashes or tokenises the subject column, give the person's own number: the
    policy's rule is applied to it.
    """
    retry_seconds = parse_duration(retry_for)
    confirm("erase this person's records at the relay? this cannot be undone", yes=yes)
    with options.connect() as session:
        erased, receipt = session.dataset(dataset).erase(
            subject,
            pseudonym=pseudonym,
            policy=policies,
            retry_seconds=retry_seconds,
        )
    lines = [
        f"erased {count(erased.records, 'record')} from {count(erased.shards, 'shard')}"
    ]
    if erased.quarantined:
        lines.append(f"erased {count(erased.quarantined, 'quarantined record')}")
    if erased.quarantined is None:
        lines.append(
            "not searched: the quarantine, which holds people's own numbers; give --subject for it"
        )
    if receipt is not None:
        lines += [_receipt_text(receipt), _OUT_OF_REACH]
    text = "\n".join(lines)
    machine: dict[str, object] = {
        "records": erased.records,
        "shards": erased.shards,
        "searched": erased.searched,
        "quarantined": erased.quarantined,
    }
    if receipt is not None:
        machine["receipt"] = _receipt_json(receipt)
    show(text, machine, as_json)


@click.command()
@click.argument("dataset", metavar="OWNER/DATASET")
@yes
@pass_options
def purge(options: Options, dataset: str, yes: bool) -> None:
    """Confirm that you deleted copies of records that the owner of DATASET has erased.

    Delete your copies first: this signs a receipt that enters the log.
    """
    confirm("have you deleted every copy of the erased records?", yes=yes)
    with options.connect() as session:
        confirmed = session.dataset(dataset).confirm_purge()
    if not confirmed:
        click.echo("there is nothing to purge")
        return
    click.echo(f"confirmed the purge of {count(len(confirmed), 'erasure')}")


@click.group("log")
def log_group() -> None:
    """Audit the relay's append-only log of every signed object and every disclosure."""


@log_group.command("verify")
@as_json
@pass_options
def log_verify(options: Options, as_json: bool) -> None:
    """Audit the whole log.

    An auditor's profile verifies every entry and the object behind it. Any other profile verifies
    every hash, and that the log extends the one that this profile saw before.
    """
    with options.connect() as session:
        done = 0
        with progress_bar("auditing", lambda: 1, lambda: done) as update:
            audit = session.log.verify(lambda entries: update(entries, 0))
    kinds = [
        f"  {number:,} {kind.name.lower().replace('_', ' ')}"
        for kind, number in sorted(audit.kinds.items())
    ]
    entries = f"{audit.size:,} {'entry' if audit.size == 1 else 'entries'}"
    text = [f"{entries} verified, root {audit.root.hex()[:16]}…, "
            f"{count(audit.witnesses, 'cosignature')}", *kinds]  # fmt: skip
    if audit.destroyed:
        text.append(f"  {count(audit.destroyed, 'object')} destroyed by deletions")
    show(
        "\n".join(text),
        {
            "size": audit.size,
            "root": audit.root.hex(),
            "cosignatures": audit.witnesses,
            "kinds": {
                kind.name.lower(): number for kind, number in audit.kinds.items()
            },
            "destroyed": audit.destroyed,
        },
        as_json,
    )


@click.command()
@rules(needs("--probe", "NAME"), needs("--wait", "--probe"))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--probe",
    is_flag=True,
    help="Send each NAME a sealed KiB, and wait until it is opened.",
)
@click.option(
    "--wait",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long --probe waits.",
)
@as_json
@pass_options
@click.pass_context
def doctor(
    context: click.Context,
    options: Options,
    names: tuple[str, ...],
    probe: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Check what could stop a transfer: relay, clock, certificate, log, keys, grants, members.

    Also answers probes that other members sent you. Exits with 1 if a check fails.
    """
    with options.connect() as session:
        checks = session.doctor(names)
        unanswered = preflight(session, names, wait) if probe and names else []
    ok = all(check.ok for check in checks) and not unanswered
    lines = [
        f"{'ok ' if check.ok else 'NOT'}  {check.name}: {check.detail}"
        + (f"; hint: {check.hint}" if check.hint else "")
        for check in checks
    ]
    lines += [
        f"NOT  probe of {name}: not opened within {wait:.0f} s" for name in unanswered
    ]
    number = sum(not check.ok for check in checks) + len(unanswered)
    wrong = Told("CHECKS_FAILED", f"{count(number, 'check')} failed")
    show(
        "\n".join(lines),
        {
            "ok": ok,
            "checks": [
                {"name": c.name, "ok": c.ok, "detail": c.detail, "hint": c.hint}
                for c in checks
            ],
            "unanswered": unanswered,
        },
        as_json,
        error=None if ok else wrong,
    )
    if not ok:
        context.exit(1)


def preflight(session: Session, names: tuple[str, ...], wait: float) -> list[str]:
    """Probe members; return the names of those that did not answer in time."""
    click.echo(f"waiting for {', '.join(names)} to open a probe", err=True)
    results = session.people.preflight(names, wait_seconds=wait)
    return [result.name for result in results if result.seconds is None]


def _revocation_report(dataset: str, done: Revoked, lines: list[DisclosureLine]) -> str:
    from sealift.cli.values import aligned

    text = [
        f"{done.member} has no access to {dataset} from now on (commit {done.commit})",
        "",
    ]
    if lines:
        text.append(f"what {done.member} fetched before, and keeps:")
        rows = [("time (UTC)", "purpose", "commit", "shards")]
        rows += [
            (
                show_time(line.disclosure.time),
                line.disclosure.purpose or "-",
                str(line.disclosure.number),
                str(line.disclosure.shard_count),
            )
            for line in lines
        ]
        text += [f"  {row}" for row in aligned(rows)[0]]
    else:
        text.append(f"according to the log, {done.member} has fetched nothing")
    text += [
        "",
        "closed from now on:",
        "  the relay sends it no byte and no commit of the dataset",
        f"  later pushes are sealed under key epoch {done.key_epoch}, which it never had",
    ]
    left = {epoch: shards for epoch, shards in done.open_epochs.items() if shards}
    if left:
        text += [
            "",
            f"still open to {done.member}, if it ever obtains the ciphertext:",
        ]
        text += [f"  key epoch {e}: {count(n, 'shard')}" for e, n in left.items()]
        text.append(
            f"  `sealift rotate {dataset} --reseal` seals them again under a new key"
        )
    return "\n".join(text)


def _disclosure_row(
    disclosure: Disclosure, names: dict[Fingerprint, str], index: str
) -> tuple[str, ...]:
    return (
        show_time(disclosure.time),
        names.get(disclosure.signer, str(disclosure.signer)),
        disclosure.purpose or "-",
        str(disclosure.number),
        str(disclosure.shard_count),
        index,
    )


def _disclosure_json(line: DisclosureLine) -> dict[str, object]:
    return {
        "time": line.disclosure.time,
        "purpose": line.disclosure.purpose,
        "commit": line.disclosure.number,
        "shards": line.disclosure.shard_count,
        "index": line.index,
    }


def _receipt_text(receipt: DeletionReceipt) -> str:
    grants = f" and {count(receipt.grants, 'wrapped key')}" if receipt.grants else ""
    return (
        f"the relay destroyed {count(receipt.shards, 'shard')} ({size(receipt.size)}){grants} "
        f"on {show_time(receipt.time)} UTC, and signed a receipt"
    )


def _receipt_json(receipt: DeletionReceipt) -> dict[str, object]:
    return {
        "shards": receipt.shards,
        "bytes": receipt.size,
        "grants": receipt.grants,
        "time": receipt.time,
        "commit": receipt.commit.hex(),
    }


def _guard(cell: str) -> str:
    # A spreadsheet must not run a member's purpose as a formula.
    return (
        "'" + cell
        if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and cell != "-"
        else cell
    )
