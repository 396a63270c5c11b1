"""`sealift schema`: change the types of a dataset's columns."""

from __future__ import annotations

import click

from sealift.cli.options import Options, as_json, confirm, pass_options, yes
from sealift.cli.output import count, show, size


@click.group()
def schema() -> None:
    """Change the types of a dataset's columns."""


@schema.command("widen")
@click.argument("dataset")
@click.argument("column")
@click.argument("wider", metavar="TYPE")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="FILE",
    help="Policy of DATASET's records that is not a ready one; can be repeated.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show what would be read and changed; change nothing.",
)
@yes
@as_json
@pass_options
def schema_widen(
    options: Options,
    dataset: str,
    column: str,
    wider: str,
    policies: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Give COLUMN of DATASET a wider TYPE, such as int64, double or string.

    Records that are there stay as they are; trainers' clients cast them as they open them.
    Clients of 0.1 cannot open the dataset any more. Integers of 64 bits become double only
    if every value is at most 2^53: all shards are opened to check that.
    """
    if not dry_run:
        confirm("widen the column, for good?", yes=yes)
    with options.connect() as session:
        done = session.dataset(dataset).widen(
            column, wider, policy=policies, dry_run=dry_run
        )
    change = f"{done.before} to {done.after}"
    if done.before == done.after:
        told = f"nothing to widen: the column is {done.after}"
    elif done.committed is None:
        told = f"would widen the column from {change}"
    else:
        number = done.committed.commit.number
        told = f"widened the column from {change}, from commit {number} on"
    if done.shards:
        would = "to be opened" if done.committed is None else "opened"
        told += (
            f"\n{count(done.shards, 'shard')} ({size(done.stored_bytes)}) {would}, to check that "
            "every value is at most 2^53"
        )
    show(
        told,
        {
            "commit": done.committed.commit.number if done.committed else None,
            "before": str(done.before),
            "after": str(done.after),
            "shards": done.shards,
            "bytes": done.stored_bytes,
        },
        as_json,
    )
