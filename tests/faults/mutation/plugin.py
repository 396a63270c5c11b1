"""A pytest plugin for the runs of mutate.py: chosen tests in a chosen order, and notes of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mutation.probe import note

CHOSEN = "SEALIFT_MUTATION_TESTS"

_seconds: dict[str, float] = {}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHOSEN not in os.environ:
        return
    names = json.loads(Path(os.environ[CHOSEN]).read_text("utf-8"))
    order = {name: place for place, name in enumerate(names)}
    items[:] = [item for item in items if item.nodeid in order]
    items.sort(key=lambda item: order[item.nodeid])
    note(chosen=len(items))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        note(failed=report.nodeid)


# With xdist, workers and their controller both note these.


def pytest_runtest_logstart(nodeid: str) -> None:
    note(started=nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[report.nodeid] = _seconds.get(report.nodeid, 0) + report.duration
    if report.failed:
        note(failed=report.nodeid)
    if report.when == "teardown":
        note(ended=report.nodeid, seconds=round(_seconds.pop(report.nodeid), 2))
