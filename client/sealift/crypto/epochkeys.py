"""The keys of a dataset's key epochs that a member holds."""

from __future__ import annotations

from typing import NoReturn

from sealift.process.secret import Secret
from sealift_protocol.errors import WrongKey


class EpochKeys(dict[int, Secret]):
    """Unwrapped epoch keys (32 bytes each) by the number of their key epoch.

    `keys[number]` raises WrongKey where a grant is missing; `keys.get(number)` is None there.
    """

    def __missing__(self, key_epoch: int) -> NoReturn:
        raise WrongKey(
            f"no grant opens key epoch {key_epoch}",
            hint="ask the owner to grant you that key epoch too",
        )
