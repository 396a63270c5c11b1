"""Queries of databases as sources, for the tests of each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sealift.owner.sources import (
    BEGINNING,
    Chunk,
    Source,
    SourceOptions,
    open_source,
)
from sealift_protocol.errors import SourceError


def query(url: str, text: str, **options: object) -> Source:
    return open_source(url, SourceOptions(query=text, **options))  # type: ignore[arg-type]


def chunks(source: Source, mark: str = BEGINNING) -> Iterator[Chunk]:
    for part in source.parts():
        yield from source.read(part, mark)


def rows(source: Source, mark: str = BEGINNING) -> list[dict[str, object]]:
    return [row for chunk in chunks(source, mark) for row in chunk.batch.to_pylist()]


def refuse(url: str, text: str, **options: object) -> SourceError:
    with pytest.raises(SourceError) as caught:
        rows(query(url, text, **options))
    error = caught.value
    assert "canary" not in str(error) + error.hint + repr(error)
    assert error.exit_code == 3
    return error
