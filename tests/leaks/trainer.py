"""The trainer: a process of its own that opens what arrived, and looks for what was planted.

It reads a job on each line of standard input, and answers with a line: docs are in `run`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator

import structlog

import sealift
from leaks.search import Needles
from leaks.sheets import Planned
from sealift.session import Session
from sealift_protocol.errors import SealiftError

_ESCAPES = str.maketrans({"\\": "\\\\"})


def search(
    session: Session, dataset: str, needles: Needles
) -> list[tuple[int, str, str]]:
    """Open a dataset, and return the owner, form and place of every identifier in it.

    Args:
        session: the trainer's.
        dataset: OWNER/NAME.
        needles: what to look for.
    """
    found: set[tuple[int, str, str]] = set()
    with session.open_dataset(dataset) as opened:
        for where, data, numbers in _told(opened):
            for what in needles.find(data, numbers=numbers):
                found.add((what.owner, what.form, where))
    return sorted(found)


def _told(opened: sealift.Dataset) -> Iterator[tuple[str, bytes | memoryview, bool]]:
    """Yield all that a trainer learns: its place, the bytes, and whether numbers are in them."""
    # The bytes as they were decrypted, before any reader of Arrow made sense of them.
    for shard in opened.feed.shards():
        yield "payload", shard.payload, True
    schema = opened.schema
    yield "schema", bytes(schema.serialize()), False
    shown = repr([(f.name, str(f.type), f.metadata) for f in schema]) + repr(
        schema.metadata
    )
    yield "schema", shown.encode(), False
    for report in opened.policy_reports:
        yield "report", report.encode(), False
        # As it reads without escapes.
        yield (
            "report",
            json.dumps(json.loads(report), ensure_ascii=False).encode(),
            False,
        )
    told = (opened.name, opened.description, *opened.policies)
    yield "names", " ".join(told).encode(), False


def main() -> None:
    """Answer jobs until there are no more."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )
    session: Session | None = None
    needles: dict[int, Needles] = {}
    for line in sys.stdin:
        job = json.loads(line)
        if "home" in job:
            if session is not None:
                session.close()
            os.environ["SEALIFT_HOME"] = job["home"]
            session = sealift.connect("laboratory")
            session.trust("hospital", job["hospital"])
            print("{}", flush=True)
            continue
        planned = Planned(*job["sheet"][:4], tuple(map(tuple, job["sheet"][4])))
        if planned.number not in needles:
            needles = {planned.number: Needles(planned.sheet().owned())}
        answer: dict[str, object]
        try:
            answer = {"found": search(session, job["dataset"], needles[planned.number])}
        except SealiftError as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    if session is not None:
        session.close()


if __name__ == "__main__":
    main()
