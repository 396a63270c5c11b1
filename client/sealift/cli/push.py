"""`sealift push`, and the commands that prepare it: `sources`, `deidentify`, `policy`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sealift.cli.hints import in_options
from sealift.cli.options import (
    Options,
    as_json,
    parse_duration,
    parse_size,
    parse_time,
    pass_options,
    retry_for,
    yes,
)
from sealift.cli.output import ProgressBar, count, progress_bar, show, size
from sealift.cli.rules import excludes, needs, rules
from sealift.cli.sharing import preflight
from sealift_protocol.errors import InvalidArgument, ProbeUnanswered
from sealift_protocol.program import Interrupted, print_data, set_by_signal

if TYPE_CHECKING:
    import pyarrow as pa

    from sealift.owner.push.options import OnError, PushOptions
    from sealift.owner.push.push import Pushed, PushProgress
    from sealift.owner.push.rehearsing import Rehearsal
    from sealift.owner.sources import SourceOptions, Written
    from sealift.process.secret import Secret
    from sealift.session import Session

REJECTED = 9
# The values of `OnChange` and `ON_ERROR`, which are slow to import.
_ON_CHANGE = ("stop", "skip", "push")
_ON_ERROR = ("stop", "skip", "quarantine")
_FOLLOW_COMMIT = "1m"
_SHOWN_RECORDS = 5
_REPORT_RECORDS = 10_000
# How many names of what was left out are shown.
_NAMED_AFTER_PUSH = 5
_NAMED_IN_REHEARSAL = 40


def _reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that control how a source is read."""
    for option in reversed(
        (
            click.option(
                "--format",
                "kind",
                default="",
                metavar="KIND",
                help="Kind of source, if URL or suffix do not tell; see `sealift sources`.",
            ),
            click.option(
                "--types",
                multiple=True,
                metavar="COLUMN=TYPE",
                help="Arrow type of a text column (int64, float32, string, ...); repeatable.",
            ),
            click.option(
                "--encoding",
                default="utf-8",
                help="Text encoding of CSV and HL7 (default: utf-8).",
            ),
            click.option(
                "--delimiter",
                default="",
                metavar="CHARACTER",
                help="What separates the columns of CSV: a character, tab, or two hexadecimal "
                "digits (default: as recognised).",
            ),
            click.option(
                "--decimal",
                default="",
                metavar="CHARACTER",
                help="What precedes decimals in CSV: . or , (default: as recognised).",
            ),
            click.option(
                "--thousands",
                default="",
                metavar="CHARACTER",
                help="What separates thousands in CSV (default: as recognised).",
            ),
            click.option(
                "--dates",
                default="",
                metavar="ORDER",
                help="Order of dates in CSV: dmy, mdy or ymd (default: where only one fits).",
            ),
            click.option(
                "--header/--no-header",
                default=None,
                help="Whether the first line of CSV has the names of columns (default: it has, "
                "unless it looks like a record).",
            ),
            click.option(
                "--comment",
                default="",
                metavar="CHARACTER",
                help="What comments before the names of CSV begin with, such as #.",
            ),
            click.option(
                "--include",
                multiple=True,
                metavar="PATTERN",
                help="Read only files of a folder whose name or path fits, such as '*.csv'; "
                "repeatable.",
            ),
            click.option(
                "--exclude",
                multiple=True,
                metavar="PATTERN",
                help="Leave out files of a folder whose name or path fits; repeatable.",
            ),
            click.option(
                "--table",
                "--sheet",
                default="",
                metavar="NAME",
                help="Sheet of a workbook, or table of a database file.",
            ),
            click.option(
                "--query",
                default="",
                metavar="SQL",
                help="Query that selects records from a database.",
            ),
            click.option(
                "--cursor-column",
                default="",
                metavar="COLUMN",
                help="Unique, increasing column of the query's result, to resume a push by.",
            ),
            click.option(
                "--whole", is_flag=True, help="Keep FHIR and HL7 records as they are."
            ),
            click.option(
                "--resource",
                default="",
                metavar="TYPE",
                help="Type of FHIR resource to read.",
            ),
            click.option(
                "--view",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="ViewDefinition (SQL on FHIR) with the columns of FHIR resources.",
            ),
            click.option(
                "--no-pixels",
                is_flag=True,
                help="Read only the header of DICOM files, not the image.",
            ),
            click.option(
                "--crypt4gh-key",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Your Crypt4GH private key, for .c4gh files.",
            ),
            click.option(
                "--describe",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="TOML file with label, unit and description of columns.",
            ),
            click.option(
                "--on-error",
                type=click.Choice(_ON_ERROR),
                default="stop",
                help="What to do with an unreadable record: stop (default), skip it, or push it to "
                "your own dataset NAME.quarantine.",
            ),
            click.option(
                "--policy",
                metavar="FILE",
                help="De-identification policy: a file, or the name of a ready policy "
                "(`sealift policy ls`).",
            ),
            click.option(
                "--text-workers",
                type=click.IntRange(0),
                default=0,
                metavar="N",
                help="Number of processes that scrub free text.",
            ),
        )
    ):
        command = option(command)
    return command


def _source_options(
    kind: str,
    types: tuple[str, ...],
    encoding: str,
    delimiter: str,
    decimal: str,
    thousands: str,
    dates: str,
    header: bool | None,
    comment: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    table: str,
    query: str,
    cursor_column: str,
    whole: bool,
    resource: str,
    view: Path | None,
    no_pixels: bool,
    crypt4gh_key: Path | None,
    more: tuple[str, ...] = (),
) -> SourceOptions:
    from sealift.owner.sources import SourceOptions

    key = None
    if crypt4gh_key is not None:
        from sealift.owner.sources.crypt4gh import read_crypt4gh_key

        key = read_crypt4gh_key(crypt4gh_key, _ask_for_key_passphrase)
    return SourceOptions(
        kind=kind,
        types=_parse_types(types),
        encoding=encoding,
        delimiter=_parse_delimiter(delimiter),
        decimal=decimal,
        thousands=thousands,
        dates=dates,
        header=header,
        comment=comment,
        include=include,
        exclude=exclude,
        table=table,
        more=more,
        shown=_Seen(),
        notice=_note_once(),
        query=query,
        cursor_column=cursor_column,
        whole=whole,
        resource=resource,
        view=view,
        pixels=not no_pixels,
        crypt4gh_key=key,
        token=_ask_for_token,
    )


def _ask_for_token(refused: bool) -> Secret | None:
    """Return the access token of a FHIR server: from the environment, or asked if it is needed."""
    from sealift.process.secret import Secret

    given = os.environ.get("SEALIFT_FHIR_TOKEN")
    if given is not None:
        return Secret(given.encode())
    if not refused or not sys.stdin.isatty():
        return None
    answer = click.prompt("access token of the FHIR server", hide_input=True, err=True)
    return Secret(str(answer).encode())


class _Seen:
    """Keeps how a text is read, until it is shown."""

    written: Written | None = None

    def __call__(self, written: Written) -> None:
        self.written = written


def _note_once() -> Callable[[str], None]:
    """Return what prints a sentence, the first time: the source is looked at more than once."""
    from sealift.cli.values import printable

    said: set[str] = set()

    def note(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            click.echo(f"note: {printable(sentence, 500)}", err=True)

    return note


def _ask_for_key_passphrase() -> Secret:
    from sealift.process.secret import Secret

    given = os.environ.get("CRYPT4GH_PASSPHRASE")
    if given is not None:
        return Secret(given.encode())
    if not sys.stdin.isatty():
        raise InvalidArgument(
            "the Crypt4GH key has a passphrase, and there is no terminal to enter it at",
            hint="set CRYPT4GH_PASSPHRASE",
        )
    answer = click.prompt("passphrase of the Crypt4GH key", hide_input=True, err=True)
    return Secret(str(answer).encode())


@click.command()
@rules(
    excludes(
        "--dry-run",
        "--follow",
        why="--dry-run reads a source once, --follow until it is stopped",
    ),
    needs("--settle", "--follow"),
    needs("--text-workers", "--policy"),
    needs("--accept-policy", "--policy"),
    needs("--preflight", "--to"),
    needs("--wait", "--preflight"),
    excludes("--at-once", "--commit-every"),
    excludes("--at-once", "--commit-within", unless="--follow"),
    excludes("--from-start", "--on-change"),
)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--dataset",
    required=True,
    metavar="NAME",
    help="Dataset to append to; created if it does not exist.",
)
@click.option(
    "--to",
    multiple=True,
    metavar="NAME",
    help="Pinned member to grant access to; repeatable.",
)
@_reading_options
@click.option(
    "--accept-policy",
    is_flag=True,
    help="Add this policy to those that your dataset admits.",
)
@click.option(
    "--on-change",
    type=click.Choice(_ON_CHANGE),
    default="stop",
    help="What to do with a file that changed since it was pushed: stop (default), skip it, or "
    "push the whole file again.",
)
@click.option(
    "--from-start", is_flag=True, help="Push everything again, as new records."
)
@click.option(
    "--follow",
    is_flag=True,
    help="Watch the folder SOURCE and push files as they appear, until Ctrl-C.",
)
@click.option(
    "--settle",
    default="2s",
    metavar="TIME",
    help="With --follow: push a file when it has not changed for this long (default: 2s).",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 16),
    default=2,
    metavar="N",
    help="Shards to seal and upload in parallel (default: 2). Each takes 64 MiB of memory.",
)
@click.option(
    "--limit-rate", metavar="SIZE", help="Maximum bytes per second, such as 10MiB."
)
@click.option(
    "--commit-every",
    default="1GiB",
    metavar="SIZE",
    help="Commit after this many bytes (default: 1GiB). Committed records are visible, and safe.",
)
@click.option(
    "--commit-within",
    metavar="TIME",
    help="Commit after this much time (default: 5m; with --follow: 1m).",
)
@click.option(
    "--at-once",
    is_flag=True,
    help="Make one commit at the end, of all records or none.",
)
@click.option(
    "--deadline", metavar="TIME", help="Commit and stop after this long, such as 6h."
)
@retry_for
@click.option(
    "--description",
    default="",
    help="Description of a new dataset; sealed, as its name is.",
)
@click.option(
    "--purpose", default="", help="Purpose of the access; the relay can read it."
)
@click.option(
    "--until",
    metavar="DATE",
    help="When access ends: a date, or a time from now such as 90d.",
)
@click.option(
    "--retain",
    metavar="TIME",
    help="How long until the relay destroys the records, such as 90d.",
)
@click.option(
    "--subject-column",
    metavar="COLUMN",
    help="Column of a new dataset that names the person a record is about, for `erase-subject`.",
)
@click.option(
    "--preflight",
    "run_preflight",
    is_flag=True,
    help="Before the push, check that each recipient can open a sealed KiB.",
)
@click.option(
    "--wait",
    default=60.0,
    metavar="SECONDS",
    help="How long --preflight waits (default: 60).",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Read and de-identify everything, but send nothing.",
)
@yes
@as_json
@pass_options
def push(
    options: Options,
    /,
    sources: tuple[str, ...],
    dataset: str,
    to: tuple[str, ...],
    describe: Path | None,
    on_error: OnError,
    policy: str | None,
    text_workers: int,
    accept_policy: bool,
    on_change: str,
    from_start: bool,
    follow: bool,
    settle: str,
    jobs: int,
    limit_rate: str | None,
    commit_every: str,
    commit_within: str | None,
    at_once: bool,
    deadline: str | None,
    retry_for: str,
    description: str,
    purpose: str,
    until: str | None,
    retain: str | None,
    subject_column: str | None,
    run_preflight: bool,
    wait: float,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **reading: Any,
) -> None:
    """Seal the records of SOURCE and append them to a dataset.

    SOURCE is a file, a folder, a pattern, a URL or - for standard input; `sealift sources` lists
    what can be read. Run the same command again to resume an interrupted push: committed records
    are not sent again. Several files or folders of one kind are one push. Name a dataset that you
    co-own as OWNER/NAME.
    """
    from sealift.owner.push.options import PushOptions
    from sealift.owner.push.push import OnChange, PushLimits

    source, *more = sources
    _check_several(sources, follow=follow)
    limits = PushLimits(
        jobs=jobs,
        bytes_per_second=0 if limit_rate is None else parse_size(limit_rate),
        commit_bytes=0 if at_once else parse_size(commit_every),
        commit_seconds=parse_duration(
            commit_within or (_FOLLOW_COMMIT if follow else "5m")
        ),
        deadline_seconds=0 if deadline is None else parse_duration(deadline),
        on_change=OnChange(on_change),
        from_start=from_start,
    )
    push_options = PushOptions(
        to=to,
        purpose=purpose,
        until=parse_time(until),
        description=description,
        retain_seconds=None if retain is None else parse_duration(retain),
        subject_column=subject_column,
        reading=_source_options(**reading, more=tuple(more)),
        policy=policy,
        accept_policy=accept_policy,
        text_workers=text_workers,
        describe=_describer(describe),
        on_error=on_error,
        limits=limits,
        retry_seconds=parse_duration(retry_for),
    )
    if dry_run:
        rehearsed = _rehearse(source, push_options, 0)
        _show_rehearsal(rehearsed, as_json, _written(push_options), samples=False)
        return
    with options.connect() as session:
        if run_preflight:
            _require_answers(session, to, wait)
        if follow:
            _follow(
                session,
                Path(source),
                dataset,
                push_options,
                parse_duration(settle),
                as_json,
            )
            return
        pushed = _push(session, source, dataset, push_options, ask=not yes)
    show(_told(pushed), _as_document(pushed), as_json)
    _tell(pushed.notices)
    if pushed.left_out:
        click.echo(f"note: {_left_out(pushed.left_out, _NAMED_AFTER_PUSH)}", err=True)
    if pushed.rejected:
        click.echo(
            f"note: {count(pushed.rejected, 'record')} could not be read: "
            + (
                f"pushed to your dataset {dataset.rpartition('/')[2]}.quarantine"
                if on_error == "quarantine"
                else "left out"
            ),
            err=True,
        )
        sys.exit(REJECTED)


def _check_several(sources: tuple[str, ...], *, follow: bool) -> None:
    """Refuse several sources where only one can be read."""
    if len(sources) > 1 and (
        follow or any("://" in source or source == "-" for source in sources)
    ):
        raise InvalidArgument(
            "only files and folders can be pushed together, and not with --follow",
            hint="push URLs, standard input and a folder that is followed one at a time",
        )


def _tell(notices: tuple[str, ...]) -> None:
    """Print what became null: names of columns are an owner's data, on the owner's terminal."""
    if not notices:
        return
    from sealift.cli.values import printable

    for notice in notices:
        click.echo(f"note: {printable(notice, 500)}", err=True)


def _push(
    session: Session, source: str, dataset: str, options: PushOptions, *, ask: bool
) -> Pushed:
    from sealift.owner.push.push import PushProgress

    last = PushProgress(0, 0)
    with progress_bar(
        "pushing", lambda: last.source_size or 0, lambda: last.source_bytes
    ) as update:

        def report(progress: PushProgress) -> None:
            nonlocal last
            last = progress
            update(progress.records, progress.payload_bytes, progress.committed)

        shown = replace(
            options,
            progress=report,
            show_schema=lambda schema, new: _show_schema(
                schema, new, update, _written(options), ask=ask
            ),
        )
        try:
            return session.push(source, dataset=dataset, options=shown)
        except KeyboardInterrupt:
            if not last.committed:
                raise
            raise Interrupted(
                f"interrupted; {count(last.committed, 'record')} of this push stay committed; "
                "run the same command again to resume"
            ) from None


def _follow(
    session: Session,
    folder: Path,
    dataset: str,
    options: PushOptions,
    settle_seconds: float,
    as_json: bool,
) -> None:
    stop = threading.Event()

    def told(pushed: Pushed) -> None:
        if as_json:
            # One document per push, each on a separate line.
            print_data(_as_document(pushed), more=True)
        else:
            click.echo(_told(pushed))

    click.echo("following; Ctrl-C commits what is in progress, and stops", err=True)
    with _stopped_by_signals(stop):
        records = session.follow(
            folder,
            dataset=dataset,
            pushed=told,
            settle_seconds=settle_seconds,
            options=replace(options, stop=stop),
        )
    click.echo(f"stopped; {count(records, 'record')} pushed", err=True)


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Set the event on the first SIGINT or SIGTERM; interrupt on the second."""

    def handle(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        set_by_signal(stop)

    before = {
        number: signal.signal(number, handle)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _describer(path: Path | None) -> Callable[[pa.Schema], pa.Schema]:
    from sealift.owner.sources.describing import describe, read_descriptions

    if path is None:
        return lambda schema: schema
    return partial(describe, descriptions=read_descriptions(path))


def _told(pushed: Pushed) -> str:
    if not pushed.commits:
        told = f"nothing new: everything was already pushed (commit {pushed.commit})"
    else:
        told = (
            f"pushed {count(pushed.records, 'record')} ({size(pushed.payload_bytes)}) in "
            f"{count(pushed.shards, 'shard')} as commit {pushed.commit}"
        )
        if pushed.commits > 1:
            told += f" (the last of {pushed.commits})"
        if pushed.unchanged:
            told += f"; {count(pushed.unchanged, 'file')} had already been pushed"
    if pushed.changed:
        told += f"; skipped {count(pushed.changed, 'file')} that changed since the last push"
    return "\n".join((told, *pushed.notices))


def _as_document(pushed: Pushed) -> dict[str, object]:
    return {
        "dataset_id": pushed.dataset_id.hex(),
        "commit": pushed.commit,
        "commits": pushed.commits,
        "created": pushed.created,
        "shards": pushed.shards,
        "records": pushed.records,
        "payload_bytes": pushed.payload_bytes,
        "unchanged": pushed.unchanged,
        "changed": pushed.changed,
        "rejected": pushed.rejected,
        "policy": pushed.policy.hex(),
        "left_out": dict(pushed.left_out),
        "notices": list(pushed.notices),
    }


def _written(options: PushOptions) -> Written | None:
    """Return how a text was read; under a policy without values, which are not sealed so."""
    shown = options.reading.shown
    written = shown.written if isinstance(shown, _Seen) else None
    if written is None or options.policy is None:
        return written
    return replace(written, examples={})


def _show_schema(
    schema: pa.Schema,
    new: bool,
    bar: ProgressBar,
    written: Written | None,
    *,
    ask: bool,
) -> None:
    """Show the columns that a new dataset will have; at a terminal, ask."""
    from sealift.cli.reports import column_lines, written_lines

    if not new:
        return
    bar.pause()
    click.echo("the new dataset will have these columns:", err=True)
    examples = written.examples if written and sys.stderr.isatty() else {}
    for line in column_lines(schema, examples):
        click.echo(f"  {line}", err=True)
    for note in written_lines(written):
        click.echo(note, err=True)
    if ask and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm("seal these columns?", default=True, abort=True, err=True)
    bar.go_on()


# --- without sending -------------------------------------------------------------------------


def _rehearse(source: str, options: PushOptions, max_records: int) -> Rehearsal:
    from sealift.owner.deidentify.reading import read_as
    from sealift.owner.push.rehearsing import rehearse
    from sealift.owner.push.transforming import Unchanged
    from sealift.owner.sources import SkipRejects, StopAtRejects, open_source
    from sealift.process.secret import Secret

    rejects = StopAtRejects() if options.on_error == "stop" else SkipRejects()
    options = options.with_policy()
    policy = options.loaded_policy()
    leaf = read_as(policy, options.subject_column or "")
    how = replace(
        options.source_options(),
        rejects=rejects,
        read_as=leaf,
        recognise=policy is None,
    )
    opened = open_source(source, how)
    opened.schema = options.describe(opened.schema)
    if policy is None:
        transform: Any = Unchanged(opened)
    else:
        from sealift.owner.push.deidentifying import Deidentifying

        # Nothing is sent, so the secret for pseudonyms and offsets is discarded afterwards.
        transform = Deidentifying(
            opened,
            policy,
            owner_secret=Secret.random(32),
            workers=options.text_workers,
            describe=options.describe,
        )
    position = 0
    with progress_bar("reading", lambda: opened.size or 0, lambda: position) as update:

        def report(records: int, place: int) -> None:
            nonlocal position
            position = place
            update(records, place, 0)

        return rehearse(
            opened,
            transform,
            rejects,
            max_records=max_records,
            sample=_SHOWN_RECORDS,
            progress=report,
        )


def _show_rehearsal(
    found: Rehearsal, as_json: bool, written: Written | None, *, samples: bool
) -> None:
    from sealift.cli.reports import (
        column_lines,
        metadata_lines,
        show_report,
        written_lines,
    )

    report = json.loads(found.report) if found.report else None
    if as_json:
        document: dict[str, object] = {
            "records": found.records,
            "payload_bytes": found.payload_bytes,
            "parts": found.parts,
            "rejected": found.rejected,
            "whole": found.whole,
            "columns": {field.name: str(field.type) for field in found.schema},
            "metadata": metadata_lines(found.schema),
            "report": report,
            "left_out": dict(found.left_out),
            "reading": list(written.notes) if written else [],
        }
        show("", document, True)
        return
    of_all = "" if found.whole else " (the first records; --records 0 reads all)"
    click.echo(
        f"{count(found.records, 'record')} ({size(found.payload_bytes)}) in "
        f"{count(found.parts, 'file')}{of_all}; nothing was sent"
    )
    if found.rejected:
        click.echo(
            f"{count(found.rejected, 'record')} could not be read and would be left out"
        )
    if found.left_out:
        click.echo(_left_out(found.left_out, _NAMED_IN_REHEARSAL))
    if samples:
        _show_side_by_side(found)
    else:
        examples = written.examples if written else {}
        for line in column_lines(found.schema, examples):
            click.echo(f"  {line}")
    for note in written_lines(written):
        click.echo(note)
    told = metadata_lines(found.schema)
    if told:
        click.echo("metadata that is sealed with the records:")
        click.echo("\n".join(f"  {line}" for line in told))
    if report:
        show_report(report)


def _left_out(counts: Mapping[str, int], most: int) -> str:
    """Return what a source has no column for, the most frequent first."""
    names = sorted(counts, key=lambda name: -counts[name])
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (
        "left out, because the source has no column for it: "
        + ", ".join(f"{name} ({counts[name]:,})" for name in names[:most])
        + more
    )


def _show_side_by_side(found: Rehearsal) -> None:
    """Each column of each sampled record, before and after."""
    from rich.box import HORIZONTALS
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from sealift.owner.deidentify.preview import side_by_side

    table = Table("record", "column", "before", "after", box=HORIZONTALS)
    last = 0
    for row in side_by_side(found.before, found.after, _SHOWN_RECORDS):
        if last and row.record != last:
            table.add_section()
        number = str(row.record) if row.record != last else ""
        last = row.record
        after = escape(row.after) if row.changed else "[dim]the same[/dim]"
        table.add_row(number, escape(row.column), escape(row.before), after)
    Console().print(table)


@click.command()
@rules(
    needs("--text-workers", "--policy"),
)
@click.argument("source")
@_reading_options
@click.option(
    "--dry-run", is_flag=True, hidden=True, help="What this command does in any case."
)
@click.option(
    "--records",
    type=click.IntRange(0),
    default=_REPORT_RECORDS,
    show_default=True,
    metavar="N",
    help="Number of records to read for the report; 0 for all.",
)
@as_json
def deidentify(
    source: str,
    describe: Path | None,
    on_error: OnError,
    policy: str | None,
    text_workers: int,
    dry_run: bool,  # noqa: ARG001 - it is always one
    records: int,
    as_json: bool,
    **reading: Any,
) -> None:
    """Show what a policy changes in SOURCE, side by side, with its report.

    Nothing is sealed, sent or written. Pseudonyms and shifted dates differ from those of a push:
    this command uses keys that it discards.
    """
    from sealift.owner.push.options import PushOptions

    if policy is None:
        raise InvalidArgument(
            "no policy was given",
            hint="use --policy; `sealift policy ls` lists ready ones",
        )
    options = PushOptions(
        reading=_source_options(**reading),
        policy=policy,
        text_workers=text_workers,
        describe=_describer(describe),
        on_error=on_error,
    )
    found = _rehearse(source, options, records)
    _show_rehearsal(found, as_json, _written(options), samples=True)


@click.command()
@as_json
def sources(as_json: bool) -> None:
    """List the kinds of sources that `push` can read."""
    from sealift.owner.sources import KINDS, plug_ins
    from sealift.owner.sources.choosing import STDIN

    document: list[dict[str, object]] = []
    lines = []
    added = plug_ins()
    for kind in (*KINDS.values(), *added.kinds.values()):
        chosen = " ".join(
            [*kind.suffixes, *(f"{scheme}://" for scheme in kind.schemes)]
        )
        lines.append(f"{kind.name:<9} {kind.what}")
        lines.append(f"{'':<9}   chosen for: {chosen or f'--format {kind.name}'}")
        lines.append(f"{'':<9}   continues: {in_options(kind.continues)}")
        if not kind.installed:
            package = f"'sealift[{kind.extra}]'" if kind.extra else kind.module
            lines.append(f"{'':<9}   not installed: pip install {package}")
        document.append(
            {
                "name": kind.name,
                "what": kind.what,
                "suffixes": list(kind.suffixes),
                "schemes": list(kind.schemes),
                "continues": in_options(kind.continues),
                "extra": kind.extra,
                "installed": kind.installed,
            }
        )
    lines.append(f"{STDIN:<9} standard input, with --format")
    for problem in added.problems:
        click.echo(f"note: {problem.what}; {problem.hint}", err=True)
    show("\n".join(lines), document, as_json)


def _require_answers(session: Session, to: tuple[str, ...], wait: float) -> None:
    unanswered = preflight(session, to, wait)
    if unanswered:
        raise ProbeUnanswered(
            f"{count(len(unanswered), 'recipient')} did not open a probe within {wait:.0f} seconds",
            hint=f"ask them to run `sealift doctor`: {', '.join(unanswered)}; nothing was sent",
        )


def _parse_delimiter(text: str) -> str:
    if text.lower() in ("tab", "\\t"):
        return "\t"
    try:
        return chr(int(text, 16)) if len(text) == 2 else text
    except ValueError:
        raise InvalidArgument(
            "--delimiter takes one character, tab, or two hexadecimal digits"
        ) from None


def _parse_types(types: tuple[str, ...]) -> dict[str, str]:
    parsed = {}
    for text in types:
        column, equals, kind = text.rpartition("=")
        if not (column and equals and kind):
            raise InvalidArgument("--types takes COLUMN=TYPE")
        parsed[column] = kind
    return parsed
