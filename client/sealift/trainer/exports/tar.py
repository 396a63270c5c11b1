"""Headers of tar members that say nothing but a name and a size (POSIX.1-1988 ustar)."""

from __future__ import annotations

import tarfile

from sealift_protocol.errors import InvalidArgument

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
"""What a tar file ends with."""

_MAX_NAME, _MAX_SIZE = tarfile.LENGTH_NAME, 8**11


def tar_header(name: str, size: int) -> bytes:
    """The header of a plain file, of mode 0600, user and group 0, and time 0: 512 bytes.

    Raises:
        InvalidArgument: the name has more than 100 characters or others than ASCII, or the size
            more than 33 bits.
    """
    if not name.isascii() or len(name) > _MAX_NAME or size >= _MAX_SIZE:
        raise InvalidArgument("a member's name or size does not fit into a tar file")
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member.tobuf(tarfile.USTAR_FORMAT)
