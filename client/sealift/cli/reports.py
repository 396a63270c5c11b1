"""Schemas and de-identification reports as text for a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import pyarrow as pa
from rich.box import HORIZONTALS
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sealift.cli.hints import in_options
from sealift.cli.output import count
from sealift.cli.values import printable, type_text

if TYPE_CHECKING:
    from sealift.owner.sources import Written

_SAID = ("label", "unit", "description")
# What sources write themselves: where in its standard a column stands.
_ORIGINS = ("dicom.tag", "dicom.vr", "fhir.path", "hl7.path")
_ORIGIN = re.compile(r"[A-Za-z0-9_.,()| -]{1,120}")
_COUNTS = ("values", "changed", "nulls", "misfits")
# Types seldom have more characters.
_KIND = 15
# A terminal of 80 columns, less the indent of a plan; longer names stand out of their column.
_WIDE, _LONG_NAME = 78, 30
# A value that is read as it is written is told by its beginning: three of them make a line.
_CLIPPED = 22
_LOOKED = ("searched", "unknown", "early", "removed")


def written_lines(written: Written | None) -> list[str]:
    """Return lines about how a text is read."""
    return [f"note: {in_options(note)}" for note in (written.notes if written else ())]


def column_lines(
    schema: pa.Schema, examples: Mapping[str, Sequence[tuple[str, str]]] | None = None
) -> list[str]:
    """Return a line for each column: name, type, description, and values as written and read."""
    names = [printable(name) for name in schema.names]
    width = min(max(map(len, names), default=0), _LONG_NAME)
    lines = []
    for name, field in zip(names, schema, strict=True):
        told = said_of(field)
        notes = ", ".join(printable(told[key]) for key in _SAID if key in told)
        kind = printable(type_text(field.type)) + (
            "" if field.nullable else ", never null"
        )
        line = f"{name:<{width}}  {kind}" + (f"  ({notes})" if notes else "")
        shown = (examples or {}).get(field.name, ())
        values = [
            _clipped(printable(w)) if w == r else f"{printable(w)} -> {printable(r)}"
            for w, r in shown
        ]
        beside = f"{line:<{width + _KIND}}  {' | '.join(values)}"
        if values and len(beside) <= _WIDE:
            lines.append(beside)
        else:
            lines += [line, *_rows(values)]
    return lines


def _clipped(text: str) -> str:
    return text if len(text) <= _CLIPPED else f"{text[: _CLIPPED - 1]}…"


def _rows(values: Sequence[str]) -> list[str]:
    """Return values in as many lines as they need."""
    rows: list[str] = []
    for value in values:
        if rows and len(rows[-1]) + 3 + len(value) <= _WIDE:
            rows[-1] += f" | {value}"
        else:
            rows.append(f"    {value}"[:_WIDE])
    return rows


def metadata_lines(schema: pa.Schema) -> list[str]:
    """Return a line for each entry of metadata that is sealed with the records, but for `said_of`.

    What writes files puts much into them that nobody sees: labels, paths, whole indexes.
    """
    found = [
        (key, value, "the schema")
        for key, value in _entries(schema.metadata)
        if not key.startswith("sealift.")
    ]
    fields = [(field.name, field) for field in schema]
    while fields:
        name, field = fields.pop(0)
        found += [
            (key, value, name)
            for key, value in _entries(field.metadata)
            if name not in schema.names or key not in _SAID
            if key not in _ORIGINS or not _ORIGIN.fullmatch(value)
        ]
        kind = field.type
        fields += [
            (f"{name}.{inner.name}", inner)
            for inner in (kind.field(place) for place in range(kind.num_fields))
        ]
    return [
        f"{printable(key)} of {printable(where)}: {printable(value)}"
        for key, value, where in found
    ]


def _entries(metadata: dict[bytes, bytes] | None) -> list[tuple[str, str]]:
    return [
        (key.decode(errors="replace"), value.decode(errors="replace"))
        for key, value in (metadata or {}).items()
    ]


def said_of(field: pa.Field) -> dict[str, str]:
    """Return those of label, unit and description that a column's owner gave."""
    found = {
        key.decode(errors="replace"): value
        for key, value in (field.metadata or {}).items()
    }
    return {key: found[key].decode(errors="replace") for key in _SAID if key in found}


def show_report(report: dict[str, Any]) -> None:
    """Print a report (docs/spec/policy.md, 7) as a table and sentences."""
    table = Table(
        "column", "action", "values", "changed", "failed", "unfit", box=HORIZONTALS
    )
    for column in report["columns"]:
        action = f"{column['action']} {column.get('to', '')}".strip()
        numbers = (f"{column.get(key, 0):,}" for key in _COUNTS)
        table.add_row(
            escape(printable(column["column"])), escape(printable(action)), *numbers
        )
    Console().print(table)
    for others in report.get("others", ()):
        told = (
            f"and {count(others['columns'], 'column')} that no rule names by its name"
        )
        click.echo(f"{told}: {printable(others['action'])}")
    if report["scrubbed"]:
        found = (
            f"{printable(kind)} {number:,}"
            for kind, number in report["scrubbed"].items()
        )
        click.echo(f"found in free text: {', '.join(found)}")
    known = report.get("known")
    if known:
        removed = count(known["removed"], "identifier")
        looked = count(known["searched"], "record")
        click.echo(f"last look: {removed} more removed from texts of {looked}")
    anonymity = report["anonymity"]
    if anonymity:
        told = f"k-anonymity {anonymity['k']:,}"
        if anonymity["l"]:
            told += f", l-diversity {anonymity['l']:,}"
        click.echo(f"{told}, over {count(anonymity['groups'], 'group')} of records")
    for notice in report["notices"]:
        click.echo(f"note: {printable(notice, 500)}")


def read_reports(texts: Sequence[str]) -> list[dict[str, Any] | None]:
    """Parse the reports of commits; None for a text that is not a report."""
    return [_read(text) for text in texts]


def sum_reports(reports: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge reports of the same policy and columns: counts are added, the least anonymity kept.

    Each result also has `reports`, the number of reports in it.
    """
    sums: dict[str, dict[str, Any]] = {}
    for report in reports:
        rules = [[c["column"], c["action"], c.get("to", "")] for c in report["columns"]]
        key = json.dumps([report["policy"], rules])
        sums[key] = (
            _added(sums[key], report) if key in sums else {**report, "reports": 1}
        )
    return list(sums.values())


def _added(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    columns = [
        {**a, **{key: a.get(key, 0) + b.get(key, 0) for key in _COUNTS}}
        for a, b in zip(one["columns"], two["columns"], strict=True)
    ]
    kinds = {**one["scrubbed"], **two["scrubbed"]}
    scrubbed = {k: one["scrubbed"].get(k, 0) + two["scrubbed"].get(k, 0) for k in kinds}
    looked = [report["known"] for report in (one, two) if report.get("known")]
    known = {key: sum(counts[key] for counts in looked) for key in _LOOKED}
    measured = [report["anonymity"] for report in (one, two) if report["anonymity"]]
    return {
        **one,
        "records": one["records"] + two["records"],
        "columns": columns,
        "scrubbed": scrubbed,
        **({"known": known} if looked else {}),
        "anonymity": min(
            measured, key=lambda found: (found["k"], found["l"]), default=None
        ),
        "notices": list(dict.fromkeys((*one["notices"], *two["notices"]))),
        "reports": one["reports"] + 1,
    }


def _read(text: str) -> dict[str, Any] | None:
    """Parse a report and check the types of all that is shown: its owner is not trusted."""
    try:
        report = json.loads(text, parse_constant=_refuse)
        policy, anonymity = report["policy"], report["anonymity"]
        texts = [
            policy["name"],
            policy["version"],
            policy["sha256"],
            *report["notices"],
        ]
        numbers = [report["records"], *report["scrubbed"].values()]
        for column in report["columns"]:
            texts += [column["column"], column["action"], column.get("to", "")]
            numbers += [column.get(key, 0) for key in _COUNTS]
        for others in report.get("others", ()):
            texts.append(others["action"])
            numbers += [others["columns"], others["values"]]
        if report.get("known") is not None:
            numbers += [report["known"][key] for key in _LOOKED]
        if anonymity is not None:
            numbers += [anonymity[key] for key in ("k", "l", "groups")]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    right = all(isinstance(text, str) for text in texts)
    right &= all(type(number) is int and 0 <= number < 1 << 63 for number in numbers)
    return report if right else None


def _refuse(_constant: str) -> object:
    raise ValueError
