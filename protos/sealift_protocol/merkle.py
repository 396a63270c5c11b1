"""The Merkle tree of the log: hashes, proofs and their verification, as pure functions.

Source: RFC 6962 section 2.1 (tree), RFC 9162 sections 2.1.3.2 and 2.1.4.2 (verification),
C2SP tlog-tiles (tiles of 256 hashes).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

from sealift_protocol.errors import LogInvalid

HASH_SIZE = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
EMPTY_ROOT = hashlib.sha256(b"").digest()

NodeReader: TypeAlias = Callable[[int, int], bytes]
"""Returns the hash of complete subtree number `index` of those with 2**level leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf, 32 bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees, 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def complete_subtree(hashes: Sequence[bytes]) -> bytes:
    """Return the hash of the tree over a number of hashes that is a power of two."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over any number of leaf hashes, in linear time and logarithmic memory."""
    # A binary counter: the complete subtrees so far, largest first, with their levels.
    stack: list[tuple[int, bytes]] = []
    for current in hashes:
        level = 0
        while stack and stack[-1][0] == level:
            current = node_hash(stack.pop()[1], current)
            level += 1
        stack.append((level, current))
    if not stack:
        return EMPTY_ROOT
    root = stack.pop()[1]
    while stack:
        root = node_hash(stack.pop()[1], root)
    return root


def range_hash(read: NodeReader, start: int, end: int) -> bytes:
    """Return the hash of leaves [start, end), split as in RFC 6962 2.1; start is aligned."""
    if start == end:
        return EMPTY_ROOT
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return read(level, start >> level)
    split = start + _largest_power_below(size)
    return node_hash(range_hash(read, start, split), range_hash(read, split, end))


def inclusion_proof(read: NodeReader, index: int, size: int) -> list[bytes]:
    """Return PATH(index, D[size]) of RFC 6962 section 2.1.1."""
    return _path(read, index, 0, size)


def consistency_proof(read: NodeReader, old_size: int, size: int) -> list[bytes]:
    """Return PROOF(old_size, D[size]) of RFC 6962 section 2.1.2; empty for 0 or equal sizes."""
    if old_size in (0, size):
        return []
    return _subproof(read, old_size, 0, size, whole=True)


def verify_inclusion(
    entry: bytes, index: int, size: int, hashes: Sequence[bytes], root: bytes
) -> None:
    """Check that an entry is at `index` in the tree of `size` leaves with that root.

    Raises:
        LogInvalid: the proof fails.
    """
    if not 0 <= index < size:
        raise LogInvalid("an inclusion proof is for an index outside the log")
    first, last = index, size - 1
    current = leaf_hash(entry)
    for sibling in hashes:
        if last == 0:
            raise LogInvalid("an inclusion proof is too long")
        if first & 1 or first == last:
            current = node_hash(sibling, current)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        first, last = first >> 1, last >> 1
    if last != 0 or current != root:
        raise LogInvalid("an inclusion proof does not lead to the log's root")


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, hashes: Sequence[bytes]
) -> None:
    """Check that the tree of `size` leaves begins with the tree of `old_size` leaves.

    Raises:
        LogInvalid: the proof fails.
    """
    if old_size > size:
        raise LogInvalid("the log has become shorter")
    if old_size in (0, size):
        if hashes or (old_size == size and old_root != root):
            raise LogInvalid("the log has another root at the same size")
        return
    path = list(hashes)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise LogInvalid("a consistency proof is empty")
    first, last = old_size - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise LogInvalid("a consistency proof is too long")
        if first & 1 or first == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        first, last = first >> 1, last >> 1
    if last != 0 or old != old_root or new != root:
        raise LogInvalid("the log does not continue what this client saw before")


def _largest_power_below(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def _path(read: NodeReader, index: int, start: int, end: int) -> list[bytes]:
    if end - start == 1:
        return []
    split = start + _largest_power_below(end - start)
    if index < split:
        return [*_path(read, index, start, split), range_hash(read, split, end)]
    return [*_path(read, index, split, end), range_hash(read, start, split)]


def _subproof(
    read: NodeReader, old_end: int, start: int, end: int, *, whole: bool
) -> list[bytes]:
    if old_end == end:
        return [] if whole else [range_hash(read, start, end)]
    split = start + _largest_power_below(end - start)
    if old_end <= split:
        return [
            *_subproof(read, old_end, start, split, whole=whole),
            range_hash(read, split, end),
        ]
    return [
        *_subproof(read, old_end, split, end, whole=False),
        range_hash(read, start, split),
    ]
