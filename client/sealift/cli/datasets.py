"""Commands for trainers: `ls`, `show`, `head`, `pull`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sealift.cli.options import Options, as_json, pass_options, show_time
from sealift.cli.output import count, progress_bar, show, size
from sealift_protocol.errors import InvalidArgument
from sealift_protocol.program import print_data

if TYPE_CHECKING:
    import pyarrow as pa
    from click.shell_completion import CompletionItem

    from sealift.api.listing import DatasetInfo
    from sealift.session import Session
    from sealift.trainer.dataset import Dataset

# The built-in forms; reading them from the registry is slow.
_FORMS = "[auto|parquet|arrow|webdataset|files|...]"
_purpose = click.option(
    "--purpose",
    default="",
    help="Purpose of the fetch, for the log (default: that of your grant).",
)
_columns = click.option(
    "--columns", metavar="A,B", help="Columns to read, in this order (default: all)."
)
_commit = click.option(
    "--commit",
    type=click.IntRange(0),
    metavar="N",
    help="Read the dataset as it was after commit N (`sealift show` lists commits).",
)


@click.command("ls")
@click.option(
    "--long",
    "-l",
    "long",
    is_flag=True,
    help="Show a table with sizes, the end of access, and descriptions.",
)
@as_json
@pass_options
def ls(options: Options, long: bool, as_json: bool) -> None:
    """List the datasets that you own or were granted."""
    with options.connect() as session:
        found = session.datasets()
    machine: list[dict[str, object]] = [
        {
            "owner": info.owner,
            "name": info.name,
            "records": info.records,
            "shards": info.shards,
            "commits": info.commits,
            "trusted": info.trusted,
            "description": info.description,
            "stored_bytes": info.stored_bytes,
            "not_after": info.not_after,
        }
        for info in found
    ]
    lines = _table(found) if long and found else [_line(info) for info in found]
    show("\n".join(lines) or "no datasets", machine, as_json)


def _line(info: DatasetInfo) -> str:
    if not info.trusted:
        return f"a dataset of an owner that is not pinned:\n  {info.owner}"
    return (
        f"{_path(info)}  {count(info.records, 'record')}, "
        f"{count(info.shards, 'shard')}, {count(info.commits, 'commit')}"
        + (f", until {show_time(info.not_after)}" if info.not_after else "")
    )


def _table(found: list[DatasetInfo]) -> list[str]:
    from sealift.cli.values import aligned, cut, printable

    rows = [("dataset", "records", "shards", "commits", "stored", "until")]
    words = [""]
    for info in found:
        commits, end = f"{info.commits:,}", show_time(info.not_after)
        if info.trusted:
            known = (
                f"{info.records:,}",
                f"{info.shards:,}",
                commits,
                size(info.stored_bytes),
                end,
            )
            rows.append((_path(info), *known))
            first = next(iter(info.description.splitlines()), "")
            words.append(cut(printable(first), _columns_here() - 4))
        else:
            rows.append(("?", "?", "?", commits, "?", "?"))
            words.append(f"of an owner that is not pinned: {info.owner}")
    lines = aligned(rows, right=[False, True, True, True, True])[0]
    both = zip(lines, words, strict=True)
    return [
        text for line, said in both for text in (line, f"    {said}") if text.strip()
    ]


def _path(info: DatasetInfo) -> str:
    from sealift.cli.values import printable

    return f"{printable(info.owner)}/{printable(info.name)}"


@click.command("show")
@click.argument("dataset", metavar="OWNER/DATASET")
@click.option(
    "--commits",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    metavar="N",
    help="Number of commits to list, the newest last.",
)
@as_json
@pass_options
def show_dataset(options: Options, dataset: str, commits: int, as_json: bool) -> None:
    """Show a dataset's content, its commits, and the terms of your access.

    No record is fetched, and nothing enters the log.
    """
    from sealift.cli.describing import as_document, describe, reports_of
    from sealift.cli.reports import show_report
    from sealift.cli.values import printable

    with options.connect() as session:
        found = session.dataset(dataset).describe(commits=commits)
        names = cache(session.people.label)
        if as_json:
            document = as_document(found, names)
        else:
            lines = describe(printable(dataset), found, names, _columns_here())
    if as_json:
        print_data(document)
        return
    click.echo("\n".join(lines))
    reports, unreadable = reports_of(found)
    begin = found.opened.history.commits[0].number
    since = f" since commit {begin}" if begin else ""
    for report in reports:
        policy = report["policy"]
        click.echo(
            f"\nde-identified under {printable(policy['name'])} {printable(policy['version'])}: "
            f"{count(report['records'], 'record')} in {count(report['reports'], 'commit')}{since}"
        )
        show_report(report)
    if unreadable:
        click.echo(f"\n{count(unreadable, 'de-identification report')} cannot be read")


@click.command("head")
@click.argument("dataset", metavar="OWNER/DATASET")
@click.option(
    "--records",
    "-n",
    "number",
    type=click.IntRange(1, 10_000),
    default=10,
    show_default=True,
    metavar="N",
    help="Number of records.",
)
@_columns
@_purpose
@as_json
@pass_options
def head(
    options: Options,
    dataset: str,
    number: int,
    columns: str | None,
    purpose: str,
    as_json: bool,
) -> None:
    """Show the first records of a dataset.

    Only the parts of shards that hold them are fetched. The fetch and its purpose enter the relay's
    log before the first byte is sent.

    In the table, long values are cut, binary values are shown as their sizes, and control
    characters as escapes. With --json nothing is cut: binary values are base64, dates and times
    ISO 8601, decimals text, and NaN and infinity the texts "NaN", "Infinity" and "-Infinity".
    """
    with options.connect() as session, _open(session, dataset, purpose) as opened:
        chosen = _chosen(columns)
        total = opened.num_records
        found = opened.head(number, chosen) if total else None
    if found is None:
        if as_json:
            print_data([])
        click.echo("the dataset has no records; nothing was fetched", err=True)
        return
    if as_json:
        print_data(_as_records(found))
    else:
        _print_table(found)
    click.echo(
        f"{found.num_rows:,} of {count(total, 'record')}; the fetch and its "
        "purpose are in the relay's log",
        err=True,
    )


def _as_records(found: pa.Table) -> list[dict[str, object]]:
    from sealift.trainer.exports.json_values import Room, check_names, json_value

    check_names(found.schema)
    records = []
    for batch in found.to_batches():
        for row in range(batch.num_rows):
            room = Room()
            columns = zip(batch.schema.names, batch.columns, strict=True)
            records.append(
                {name: json_value(it[row], room, strict=True) for name, it in columns}
            )
    return records


def _print_table(found: pa.Table) -> None:
    from sealift.cli.values import aligned, cell, is_number, printable, type_text

    rows = [
        [printable(name, 40) for name in found.schema.names],
        [printable(type_text(field.type), 24) for field in found.schema],
    ]
    for batch in found.to_batches():
        for row in range(batch.num_rows):
            rows.append([cell(column[row]) for column in batch.columns])
    right = [is_number(field.type) for field in found.schema]
    lines, shown = aligned(rows, right=right, width=_width())
    click.echo("\n".join(lines))
    if shown < len(found.schema):
        click.echo(
            f"{count(len(found.schema) - shown, 'more column')}; choose with --columns",
            err=True,
        )


def _check_form(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    known = _forms()
    if value not in known:
        raise click.BadParameter(f"{value!r} is not one of {', '.join(known)}.")
    return value


def _complete_form(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in _forms() if name.startswith(incomplete)]


def _forms() -> list[str]:
    from sealift.trainer.exports.registry import export_names

    return ["auto", *export_names()]


@click.command()
@click.argument("dataset", metavar="OWNER/DATASET")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New folder for the files.",
)
@click.option(
    "--as",
    "form",
    callback=_check_form,
    shell_complete=_complete_form,
    metavar=_FORMS,
    default="auto",
    help="Format: Parquet, Arrow IPC, WebDataset, or the original files under their own names "
    "(default: the original files if the dataset holds files, otherwise Parquet).",
)
@_columns
@_commit
@_purpose
@as_json
@pass_options
def pull(
    options: Options,
    dataset: str,
    out: Path,
    form: str,
    columns: str | None,
    commit: int | None,
    purpose: str,
    as_json: bool,
) -> None:
    """Open a dataset and write its records to files: one per shard, or the original files.

    The files hold plaintext. DIR appears when every record is verified and written. The fetch and
    its purpose enter the relay's log before the first byte is sent.

    In WebDataset files, texts are KEY.COLUMN.txt, binary values KEY.COLUMN.bin (or as named, if a
    column is named as media are: jpg, scan.png), lists and tensors of numbers KEY.COLUMN.npy, a
    column of whole numbers called label also KEY.cls, and everything else is in KEY.json.
    """
    chosen = _chosen(columns)
    with (
        options.connect() as session,
        _open(session, dataset, purpose, commit) as opened,
    ):
        done = 0
        with progress_bar(
            "pulling", lambda: opened.num_records, lambda: done
        ) as update:

            def written(records: int, size: int) -> None:
                nonlocal done
                done = records
                update(records, size)

            files = _write(opened, out, form, chosen, written)
        records, purges = opened.num_records, opened.pending_purges
        logged = [
            digest.hex() for part in opened.feed.declarations for digest in part.digests
        ]
    machine: dict[str, object] = {
        "records": records,
        "files": [str(path) for path in files],
        "pending_purges": purges,
        # For `sealift bom make --disclosure`.
        "disclosures": logged,
    }
    show(
        f"pulled {count(records, 'record')} into {out} ({count(len(files), 'file')})",
        machine,
        as_json,
    )
    if purges:
        click.echo(
            f"note: the owner has erased records since; delete older copies, then run "
            f"`sealift purge {dataset}`",
            err=True,
        )


def _write(
    opened: Dataset,
    out: Path,
    form: str,
    columns: list[str] | None,
    progress: Callable[[int, int], None],
) -> list[Path]:
    from sealift.trainer.exports.files import holds_files
    from sealift.trainer.exports.registry import find_export

    if form == "auto":
        form = "files" if holds_files(opened.schema) and columns is None else "parquet"
    return find_export(form).write(opened, out, columns=columns, progress=progress)


def _open(
    session: Session, dataset: str, purpose: str, commit: int | None = None
) -> AbstractContextManager[Dataset]:
    """Open a dataset that is read once, so that caching its ciphertext would not help."""
    pin = None if commit is None else {dataset: commit}
    return session.open_dataset(
        dataset, purpose=purpose, pin=pin, cache=None, patience=30
    )


def _chosen(columns: str | None) -> list[str] | None:
    if columns is None:
        return None
    names = [name.strip() for name in columns.split(",")]
    if not all(names) or len(set(names)) != len(names):
        raise InvalidArgument("--columns takes distinct names, separated by commas")
    return names


def _columns_here() -> int:
    """Return the terminal's width; 80 if it is not known."""
    return shutil.get_terminal_size((80, 24)).columns


def _width() -> int | None:
    """Return the terminal's width; None for no limit, if stdout is not a terminal."""
    return _columns_here() if sys.stdout.isatty() else None
