"""The output of `sealift show`, as text and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from sealift.cli.options import show_time
from sealift.cli.output import count, size
from sealift.cli.reports import column_lines, read_reports, said_of, sum_reports
from sealift.cli.values import aligned, printable
from sealift.history.contents import NO_POLICY
from sealift.history.overview import Overview, Terms
from sealift.policy.file import ready_policies
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects.commits import Commit

_INDENT = 16
_MAX_TEXT = 4000
_SHOWN_EPOCHS = 8
_PERIODS = (
    ("year", 365 * 86_400),
    ("day", 86_400),
    ("hour", 3600),
    ("minute", 60),
    ("second", 1),
)
Names = Callable[[Fingerprint], str]


def describe(path: str, found: Overview, names: Names, width: int) -> list[str]:
    """Return the lines for a terminal that precede the de-identification reports.

    Args:
        path: the dataset's name, as given on the command line.
        found: the dataset's overview.
        names: returns a member's name on this machine.
        width: terminal columns.
    """
    opened = found.opened
    lines = [path]
    for part in opened.description[:_MAX_TEXT].splitlines():
        lines += textwrap.wrap(printable(part, _MAX_TEXT), width - 2) or [""]
    lines[1:] = [f"  {line}".rstrip() for line in lines[1:]]
    lines.append("")
    for label, text in _facts(path, found, names):
        lines += textwrap.wrap(
            text,
            max(width, _INDENT + 24),
            initial_indent=f"{label:<{_INDENT}}",
            subsequent_indent=" " * _INDENT,
            break_on_hyphens=False,
        )
    lines += ["", f"{count(len(opened.schema), 'column')}:"]
    for line in column_lines(opened.schema):
        lines += _hanging(line, width)
    total = opened.history.head.number + 1
    shown = f" (the last {len(found.commits)})" if len(found.commits) < total else ""
    lines += ["", f"{count(total, 'commit')}{shown}:"]
    rows = [
        (str(c.number), show_time(c.time), printable(names(c.signer)), _did(c))
        for c in found.commits
    ]
    for line in aligned(rows, right=[True])[0]:
        lines += _hanging(line, width)
    return lines


def _hanging(line: str, width: int) -> list[str]:
    """Wrap and indent a line of a list, with its continuation lines indented further."""
    return textwrap.wrap(
        line,
        width,
        initial_indent="  ",
        subsequent_indent="      ",
        replace_whitespace=False,
        break_on_hyphens=False,
    )


def reports_of(found: Overview) -> tuple[list[dict[str, Any]], int]:
    """Return the de-identification reports, merged by policy, and the number unreadable."""
    read = read_reports(found.opened.policy_reports)
    right = [report for report in read if report is not None]
    return sum_reports(right), len(read) - len(right)


def _facts(path: str, found: Overview, names: Names) -> list[tuple[str, str]]:
    opened, history = found.opened, found.opened.history
    facts = [("owner", printable(names(history.owner)))]
    if history.co_owners:
        facts.append(("co-owners", _people(sorted(history.co_owners), names)))
    facts += [
        (
            "records",
            f"{found.records:,} in {count(len(opened.shards), 'shard')}, "
            f"{size(found.stored_bytes)} stored",
        ),
        ("key epoch", _key_epochs(found)),
        ("retention", _period(opened.retain_seconds)),
        ("subject column", "yes" if opened.subject_column else "no"),
        *[("policy", text) for text in _policies(opened.policies)],
        *[("required policy", text) for text in _policies(opened.required_policies)],
    ]
    if found.is_author:
        others = [who for who in history.recipients() if not history.is_author(who)]
        facts.append(("granted to", _people(others, names) if others else "no one"))
    else:
        facts += [("your access", _told(terms, names)) for terms in found.terms]
    if found.pending_purges:
        numbers = ", ".join(map(str, found.pending_purges))
        facts.append(
            (
                "to purge",
                f"records that commit {numbers} erased: delete older copies, then run "
                f"`sealift purge {path}`",
            )
        )
    return facts


def _key_epochs(found: Overview) -> str:
    opened = found.opened
    told = f"{opened.history.key_epoch}; you hold {_ranges(sorted(opened.epoch_keys))}"
    stand = [
        (epoch, shards) for epoch, shards in found.shards_by_epoch.items() if shards
    ]
    if len(stand) > 1:
        told += "; shards under " + ", ".join(
            f"{e}: {n:,}" for e, n in stand[-_SHOWN_EPOCHS:]
        )
    return told


def _ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers: 1-3, 5."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in runs)


def _period(seconds: int) -> str:
    if not seconds:
        return "unlimited"
    unit, length = next((unit, n) for unit, n in _PERIODS if seconds % n == 0)
    return count(seconds // length, unit)


def _policies(digests: frozenset[bytes]) -> list[str]:
    ready = {
        entry.digest: f"{name} {entry.version}"
        for name, entry in ready_policies().items()
    }
    return [
        (f"{ready[digest]}, " if digest in ready else "") + digest.hex()
        if digest != NO_POLICY
        else ("none" if len(digests) == 1 else "none, for some records")
        for digest in sorted(digests)
    ]


def _people(people: Sequence[Fingerprint], names: Names) -> str:
    return ", ".join(printable(names(who)) for who in people)


def _told(terms: Terms, names: Names) -> str:
    end = f"until {show_time(terms.not_after)}" if terms.not_after else "with no end"
    purpose = f", for: {printable(terms.purpose, 300)}" if terms.purpose else ""
    now = "" if terms.live else " (not valid now)"
    epochs = "epoch" if len(terms.key_epochs) == 1 else "epochs"
    return (
        f"granted by {printable(names(terms.grantor))} for key {epochs} "
        f"{_ranges(terms.key_epochs)}, from {show_time(terms.not_before)} {end}{now}{purpose}"
    )


def _did(commit: Commit) -> str:
    members = len({grant.recipient for grant in commit.granted})
    did = [
        count(len(commit.added), "shard") + " added" if commit.added else "",
        count(len(commit.removed), "shard") + " removed" if commit.removed else "",
        "erased a subject" if commit.erasure else "",
        "granted to " + count(members, "member") if members else "",
        "revoked from " + count(len(commit.revoked), "member")
        if commit.revoked
        else "",
        "new co-owners" if commit.co_owners else "",
    ]
    return ", ".join(filter(None, did))


def as_document(found: Overview, names: Names) -> dict[str, object]:
    """Return the overview as a document for `--json`."""
    opened, history = found.opened, found.opened.history
    ready = {entry.digest: name for name, entry in ready_policies().items()}
    return {
        "owner": names(history.owner),
        "owner_fingerprint": str(history.owner),
        "co_owners": [names(who) for who in sorted(history.co_owners)],
        "name": opened.name,
        "description": opened.description,
        "dataset_id": opened.dataset_id.hex(),
        "author": found.is_author,
        "records": found.records,
        "shards": len(opened.shards),
        "stored_bytes": found.stored_bytes,
        "schema": [
            {"name": f.name, "type": str(f.type), "nullable": f.nullable, **said_of(f)}
            for f in opened.schema
        ],
        "commit": history.head.number,
        "commits": [
            {
                "number": commit.number,
                "time": commit.time,
                "signer": names(commit.signer),
                "key_epoch": commit.key_epoch,
                "shards_added": len(commit.added),
                "shards_removed": len(commit.removed),
                "erasure": commit.erasure,
                "granted": [
                    names(who)
                    for who in dict.fromkeys(g.recipient for g in commit.granted)
                ],
                "revoked": [names(who) for who in commit.revoked],
            }
            for commit in found.commits
        ],
        "key_epoch": history.key_epoch,
        "held_key_epochs": sorted(opened.epoch_keys),
        "shards_by_key_epoch": {str(e): n for e, n in found.shards_by_epoch.items()},
        "retain_seconds": opened.retain_seconds,
        "subject_column": opened.subject_column,
        "policies": [
            {"digest": digest.hex(), "name": ready.get(digest, "")}
            for digest in sorted(opened.policies)
        ],
        "required_policies": [
            digest.hex() for digest in sorted(opened.required_policies)
        ],
        "policy_reports": read_reports(opened.policy_reports),
        "grants": [
            {
                "granted_by": names(terms.grantor),
                "key_epochs": list(terms.key_epochs),
                "not_before": terms.not_before,
                "not_after": terms.not_after,
                "purpose": terms.purpose,
                "live": terms.live,
            }
            for terms in found.terms
        ],
        "recipients": [names(who) for who in history.recipients()]
        if found.is_author
        else [],
        "pending_purges": list(found.pending_purges),
    }
