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
    """A dataset, as far as a framework's reader looks at it."""

    runs: list[Run]

    @property
    def schema(self) -> pa.Schema:
        """Of its records."""

    @property
    def options(self) -> ReadOptions:
        """How they are read."""

    @property
    def feed(self) -> Feed:
        """What reads them."""

    @property
    def filtered(self) -> str:
        """The filter, as text; empty for none."""

    def begin(
        self,
        plan: Plan | None,
        columns: Sequence[str] | None,
        wanted: pc.Expression | None = None,
    ) -> Feed:
        """Notes that a training epoch begins; returns what reads it."""

    def read(
        self, form: Form, plan: Plan | None, columns: Sequence[str] | None = None
    ) -> Iterator[Any]:
        """The batches of a training epoch, metered; notes that it begins."""


def parts_of(feed: Feed) -> list[list[Any]]:
    """The datasets of a feed, as JSON: id in hex and weight of each."""
    return [[part.sealed.dataset_id.hex(), part.weight] for part in feed.supplies]


def commits_of(feed: Feed) -> list[str]:
    """The commits at which the datasets of a feed were opened: digests in hex."""
    return [part.sealed.fetch.commit.hex() for part in feed.supplies]
