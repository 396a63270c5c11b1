"""Headers of tar members that hold only a name and a size (POSIX.1-1988 ustar)."""

from __future__ import annotations

import tarfile

from sealift_protocol.errors import InvalidArgument

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
"""The end of a tar file."""

_MAX_NAME, _MAX_SIZE = tarfile.LENGTH_NAME, 8**11


def tar_header(name: str, size: int) -> bytes:
    """Return the header of a regular file, 512 bytes: mode 0600, user, group and time 0.

    Raises:
        InvalidArgument: the name has more than 100 characters or non-ASCII ones, or the size
            has more than 33 bits.
    """
    if not name.isascii() or len(name) > _MAX_NAME or size >= _MAX_SIZE:
        raise InvalidArgument("a member's name or size does not fit into a tar file")
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member.tobuf(tarfile.USTAR_FORMAT)
