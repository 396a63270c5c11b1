"""`Session.open_dataset`: verifies and opens datasets, to be read as one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from sealift.api.connection import Connection
from sealift.history.required import check_required
from sealift.trainer.dataset import Dataset, Part
from sealift.trainer.options import ReadOptions
from sealift_protocol.errors import InvalidArgument


def open_dataset(
    connection: Connection,
    path: str | Sequence[str] | Mapping[str, float],
    *,
    pin: Mapping[str, int],
    purpose: str,
    require_policy: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    options: ReadOptions,
) -> Dataset:
    """See `Session.open_dataset`."""
    weights = _weights(path)
    if not weights or not set(pin) <= weights.keys():
        raise InvalidArgument(
            "no dataset is named, or a dataset is pinned that is not opened"
        )
    parts = []
    for name, weight in weights.items():
        if "/" not in name:
            raise InvalidArgument("a dataset is named as OWNER/DATASET")
        opened = connection.open(name, at=pin.get(name))
        check_required(opened, require_policy)
        why = purpose or opened.purpose
        parts.append(Part(name, name.partition("/")[0], opened, why, weight))
    return Dataset(
        connection.member,
        parts,
        options,
        lambda part, number: connection.open(part.path, at=number),
    )


def _weights(
    path: str | Sequence[str] | Mapping[str, float],
) -> dict[str, float | None]:
    if isinstance(path, Mapping):
        return dict(path)
    return dict.fromkeys([path] if isinstance(path, str) else path)
