"""An output folder that appears whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sealift.process.files import sync_folder
from sealift_protocol.errors import InvalidArgument


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder next to the wanted one; it takes that name when the block succeeds.

    Args:
        folder: the wanted folder; it must not exist, or be empty. A link is not followed.

    Raises:
        InvalidArgument: the folder is not empty, or its parent does not exist.
    """
    if folder.is_symlink() or (
        folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise InvalidArgument(
            "the output folder is not empty", hint="give a new folder with `out`"
        )
    if not folder.parent.is_dir():
        raise InvalidArgument("the output folder's parent does not exist")
    staging = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    staging.mkdir(mode=0o700)
    try:
        yield staging
        staging.replace(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    sync_folder(folder.parent)
