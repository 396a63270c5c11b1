"""Commands for bills of materials: what a training run read, signed by its trainer."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from sealift.cli.options import Options, as_json, pass_options, show_time
from sealift.cli.output import count, show, size, tell
from sealift.cli.rules import needs, rules
from sealift_protocol.errors import (
    InvalidArgument,
    MalformedObject,
)

if TYPE_CHECKING:
    from sealift.history.bills import BillCheck
    from sealift.trainer.engine.plan import Run
    from sealift_protocol.bill.format import Bill, BilledDataset, BilledRun
    from sealift_protocol.ids import Fingerprint

# By the value of the check's outcome.
_MARKS = {"ok": "ok ", "failed": "NOT", "unchecked": "-  "}
# A note may be long, and its author is not trusted.
_LONG = 2000
_offline = click.option("--offline", is_flag=True, help="Do not connect to the relay.")


@click.group()
def bom() -> None:
    """Record what a training run read, in a signed document to keep with its checkpoint."""


@bom.command("make")
@rules(needs("--shuffle-block", "--seed"))
@click.argument("dataset", metavar="OWNER/DATASET")
@click.option(
    "--commit",
    type=int,
    metavar="N",
    help="Commit that was trained on (default: the newest).",
)
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Seed of the shuffle, if records were shuffled.",
)
@click.option(
    "--epochs",
    type=int,
    metavar="N",
    help="Number of training epochs (default with --seed: 1).",
)
@click.option(
    "--shuffle-block",
    type=int,
    default=8,
    show_default=True,
    metavar="N",
    help="Number of shards that were mixed at a time.",
)
@click.option(
    "--disclosure",
    "disclosures",
    multiple=True,
    metavar="DIGEST",
    help="Disclosure under which records were fetched, from `sealift pull --json`; repeatable.",
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Result of the training; its SHA-256 and size go into the bill, its name does not.",
)
@click.option(
    "--note", default="", help="Free text; anyone who gets the bill can read it."
)
@pass_options
def bom_make(
    options: Options,
    dataset: str,
    commit: int | None,
    seed: int | None,
    epochs: int | None,
    shuffle_block: int,
    disclosures: tuple[str, ...],
    checkpoint: Path | None,
    note: str,
) -> None:
    """Sign and print a bill of materials for a training loop outside Sealift.

    A loop over `sealift.open_dataset` gets its bill from `dataset.bill_of_materials()`, which knows
    the order and the disclosures.
    """
    runs = _runs(seed, epochs, shuffle_block)
    digests = [_digest(text) for text in disclosures]
    with options.connect() as session:
        text = session.log.make_bill(
            dataset,
            runs,
            commit=commit,
            disclosures=digests,
            checkpoint=checkpoint,
            note=note,
        )
    click.echo(text, nl=False)
    if not digests:
        click.echo(
            "note: the bill names no disclosure, so no logged fetch backs it", err=True
        )


@bom.command("show")
@click.argument("file", type=click.File("rb"))
@_offline
@as_json
@pass_options
def bom_show(options: Options, file: BinaryIO, offline: bool, as_json: bool) -> None:
    """Show the bill in FILE, with the names that this profile knows.

    Only the signature is checked. `sealift bom verify` checks the content.
    """
    from sealift.home.profile import profile_names
    from sealift_protocol.bill.format import verify_bill, write_payload

    bill = verify_bill(_read(file))
    names = _Names({}, {})
    if not offline and profile_names():
        with options.connect() as session:
            names = _Names(*session.log.names_in(bill))
    document = json.loads(write_payload(bill))
    document["names"] = {
        **{str(who): name for who, name in names.people.items()},
        **{dataset_id.hex(): name for dataset_id, name in names.datasets.items()},
    }
    show("\n".join(_describe(bill, names)), document, as_json)


@bom.command("verify")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--trainer",
    metavar="FINGERPRINT",
    help="Required signer, in groups or words (default: any member that this profile trusts).",
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File that the bill must have been made for.",
)
@_offline
@as_json
@pass_options
def bom_verify(
    options: Options,
    file: BinaryIO,
    trainer: str | None,
    checkpoint: Path | None,
    offline: bool,
    as_json: bool,
) -> None:
    """Verify the bill in FILE: its signature and, for your own datasets, all of its content.

    An owner's profile checks commit, shards, records and policies against the dataset's history,
    and disclosures against its account. A trainer's profile checks that disclosures are in the
    log. Exits with 4 if a check fails.
    """
    from sealift.history.bills import check_bill, check_checkpoint
    from sealift.home.profile import profile_names
    from sealift.home.words import parse_fingerprint
    from sealift.trainer.bill import measure_file

    text = _read(file)
    trainers = (
        frozenset() if trainer is None else frozenset({parse_fingerprint(trainer)})
    )
    if offline or not profile_names():
        bill, checks = check_bill(text, trainers=trainers or _pinned(options))
        names = _Names({}, {})
    else:
        with options.connect() as session:
            bill, checks = session.log.check_bill(text, trainers)
            names = _Names(*session.log.names_in(bill))
    if checkpoint is not None:
        checks.append(check_checkpoint(bill, measure_file(checkpoint)))
    failed = [check.error for check in checks if check.error is not None]
    lines = [
        f"{_MARKS[check.outcome.value]}  {check.name}{_of(check, names)}: "
        + check.detail.replace(str(bill.trainer), names.person(bill.trainer))
        for check in checks
    ]
    machine: dict[str, object] = {
        "ok": not failed,
        "trainer": str(bill.trainer),
        "checks": [
            {
                "name": check.name,
                "dataset_id": check.dataset_id.hex(),
                "outcome": check.outcome.value,
                "detail": check.detail,
            }
            for check in checks
        ],
    }
    error = tell(failed[0]) if failed else None
    show("\n".join(lines), machine, as_json, error=error)
    if failed:
        raise failed[0]


def _runs(seed: int | None, epochs: int | None, shuffle_block: int) -> list[Run]:
    from sealift.trainer.engine.plan import Plan, Run

    if epochs is not None and epochs < 1:
        raise InvalidArgument("a run has at least one training epoch")
    if seed is None and epochs is None:
        return []
    plan = Plan(1, seed is not None, seed or 0, shuffle_block=shuffle_block)
    return [
        Run(replace(plan, epoch=epoch), batched=False) for epoch in range(epochs or 1)
    ]


def _digest(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise InvalidArgument("a disclosure's digest is 64 hexadecimal digits")
    return digest


def _read(file: BinaryIO) -> str:
    from sealift_protocol.bill.format import MAX_TEXT

    try:
        return file.read(MAX_TEXT + 1).decode()
    except UnicodeDecodeError:
        raise MalformedObject("the file is not a bill of materials") from None


def _pinned(options: Options) -> frozenset[Fingerprint]:
    """Return the identities that this profile has pinned, and its own; none without a profile."""
    from sealift.home.profile import find_profile, profile_names
    from sealift_protocol.ids import Fingerprint

    if not profile_names():
        return frozenset()
    profile = find_profile(options.profile)
    own = Fingerprint.parse(profile.membership().fingerprint)
    pinned = [pin.identities for pin in profile.trust.pins().values()]
    return frozenset({own}).union(*pinned)


# --- for people ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Names:
    """This profile's names for the members and datasets of a bill."""

    people: dict[Fingerprint, str]
    datasets: dict[bytes, str]

    def person(self, who: Fingerprint) -> str:
        return self.people.get(who, str(who))

    def dataset(self, part: BilledDataset) -> str:
        name = self.datasets.get(part.dataset_id)
        return (
            part.dataset_id.hex()
            if name is None
            else f"{self.person(part.owner)}/{name}"
        )


def _of(check: BillCheck, names: _Names) -> str:
    if not check.dataset_id:
        return ""
    return f" of {names.datasets.get(check.dataset_id, check.dataset_id.hex())}"


def _describe(bill: Bill, names: _Names) -> list[str]:
    from sealift.cli.values import aligned, printable

    lines = [
        f"bill of materials, signed {show_time(bill.time)} UTC by {names.person(bill.trainer)}",
        "",
    ]
    rows = [("dataset", "owner", "commit", "shards", "records", "share", "disclosures")]
    rows += [
        (
            names.dataset(part),
            names.person(part.owner),
            f"{part.commit}",
            f"{part.shards:,}",
            f"{part.records:,}",
            "all" if part.weight is None else f"{part.weight:g}",
            f"{len(part.disclosures):,}",
        )
        for part in bill.datasets
    ]
    table, _ = aligned(rows, right=[False, False, *[True] * 5])
    lines += table
    policies = dict.fromkeys(
        policy for part in bill.datasets for policy in part.policies
    )
    lines += [
        f"policy {policy.hex() or 'none, for some records'}" for policy in policies
    ]
    lines += ["", *(line for run in bill.runs for line in _describe_run(run))]
    if bill.checkpoint is not None:
        file = bill.checkpoint
        lines.append(f"checkpoint {file.sha256.hex()} (SHA-256), {size(file.size)}")
    if bill.note:
        lines.append(f"note {printable(bill.note, _LONG)}")
    return lines


def _describe_run(run: BilledRun) -> list[str]:
    from sealift.cli.values import printable

    spans = [
        f"{first}" if first == last else f"{first}-{last}" for first, last in run.epochs
    ]
    order = "in dataset order"
    if run.shuffle:
        blocks = count(run.shuffle_block, "shard")
        order = f"{printable(run.order)}, seed {run.seed}, {blocks} mixed at a time"
    batches = f", batches of {run.batch_size:,}" if run.batch_size else ""
    lines = [
        f"training epochs {', '.join(spans)}: {order}{batches}, {count(run.world, 'rank')}"
    ]
    if run.columns_digest is not None:
        lines.append(f"  some columns (digest {run.columns_digest.hex()})")
    if run.filter_digest:
        lines.append(f"  a filter (digest {run.filter_digest.hex()})")
    return lines
