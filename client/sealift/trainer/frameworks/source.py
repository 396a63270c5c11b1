"""What a framework's reader needs of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from sealift.trainer.engine.feed import Feed
from sealift.trainer.engine.plan import Plan, Run
from sealift.trainer.forms.gathering import Form
from sealift.trainer.options import ReadOptions


class Records(Protocol):
    """The part of a dataset that a framework's reader uses."""

    runs: list[Run]

    @property
    def schema(self) -> pa.Schema:
        """The schema of its records."""

    @property
    def options(self) -> ReadOptions:
        """How its records are read."""

    @property
    def feed(self) -> Feed:
        """The engine that reads them."""

    @property
    def filtered(self) -> str:
        """The filter as text; empty if there is none."""

    def begin(
        self,
        plan: Plan | None,
        columns: Sequence[str] | None,
        wanted: pc.Expression | None = None,
    ) -> Feed:
        """Record that a training epoch begins; return the feed that reads it."""

    def read(
        self, form: Form, plan: Plan | None, columns: Sequence[str] | None = None
    ) -> Iterator[Any]:
        """Yield the batches of a training epoch, metered; record that it begins."""


def parts_of(feed: Feed) -> list[list[Any]]:
    """Return the datasets of a feed, as JSON: id in hex and weight of each."""
    return [[part.sealed.dataset_id.hex(), part.weight] for part in feed.supplies]


def commits_of(feed: Feed) -> list[str]:
    """Return the commits at which a feed's datasets were opened: digests in hex."""
    return [part.sealed.fetch.commit.hex() for part in feed.supplies]
