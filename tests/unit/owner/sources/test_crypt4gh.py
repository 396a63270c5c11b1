"""Crypt4GH files: what is read, and which damage is seen."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import os
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from crypt4gh import header, lib, sodium
from crypt4gh.keys import c4gh, get_private_key

from sealift.cli.hints import hint_of
from sealift.owner.sources import BEGINNING, SourceOptions, open_source
from sealift.owner.sources.bytestreams import Opener
from sealift.owner.sources.crypt4gh import (
    content_size,
    open_crypt4gh,
    read_crypt4gh_key,
)
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    InvalidArgument,
    KeystoreInsecure,
    SourceError,
    WrongKey,
    WrongPassphrase,
)

KEY = Secret(bytes(range(32)))
SEGMENT = 65_536
BLOCK = SEGMENT + 28
CONTENT = b"".join(number.to_bytes(4, "big") for number in range(60_000))


def encrypted(content: bytes, *recipients: Secret) -> bytes:
    out = io.BytesIO()
    to = [
        (0, os.urandom(32), sodium.derive_pk(key.reveal()))
        for key in recipients or (KEY,)
    ]
    lib.encrypt(to, io.BytesIO(content), out)
    return out.getvalue()


def blocks(file: bytes) -> tuple[bytes, list[bytes]]:
    """The header and the blocks."""
    stream = io.BytesIO(file)
    list(header.parse(stream))
    end = stream.tell()
    return file[:end], [file[at : at + BLOCK] for at in range(end, len(file), BLOCK)]


def read(path: Path, key: Secret = KEY) -> bytes:
    with Opener(key).open(path) as stream:
        return stream.read()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "visits.bin.c4gh"


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT])
def test_content_of_every_size_is_read_back(size: int, path: Path) -> None:
    path.write_bytes(encrypted(CONTENT[:size]))
    assert read(path) == CONTENT[:size]
    assert content_size(path, KEY) == size


def test_a_file_for_several_recipients_opens_for_each(path: Path) -> None:
    other = Secret(os.urandom(32))
    path.write_bytes(encrypted(CONTENT, other, KEY))
    assert read(path) == read(path, other) == CONTENT


def test_blocks_under_several_data_keys_are_read(path: Path) -> None:
    one, other = blocks(encrypted(CONTENT)), blocks(encrypted(CONTENT))
    packets = [*header.parse(io.BytesIO(one[0])), *header.parse(io.BytesIO(other[0]))]
    mixed = [one[1][0], other[1][1], one[1][2], *other[1][3:]]
    path.write_bytes(header.serialize(packets) + b"".join(mixed))
    assert read(path) == CONTENT


def csv_table(path: Path, mark: str = BEGINNING) -> pa.Table:
    source = open_source(path, SourceOptions(crypt4gh_key=KEY))
    part = next(iter(source.parts()))
    chunks = [chunk.batch for chunk in source.read(part, mark)]
    return pa.Table.from_batches(chunks, schema=source.schema)


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, "zstd", asbytes=True))


@pytest.mark.parametrize(
    ("pack", "suffix"),
    [(bytes, ".csv"), (gzip.compress, ".csv.gz"), (zstd, ".csv.zst")],
)
def test_an_encrypted_csv_file_gives_the_same_table_and_continues(
    pack: Any, suffix: str, tmp_path: Path
) -> None:
    text = b"id,name\n" + b"".join(
        b"%d,somebody\n" % number for number in range(150_000)
    )
    plain = tmp_path / "visits.csv"
    plain.write_bytes(text)
    path = tmp_path / f"sealed{suffix}.c4gh"
    path.write_bytes(encrypted(pack(text)))
    whole = csv_table(plain)
    assert csv_table(path).equals(whole)
    source = open_source(path, SourceOptions(crypt4gh_key=KEY))
    first = next(iter(source.read(next(iter(source.parts())), BEGINNING)))
    assert 0 < first.batch.num_rows < len(whole)
    assert csv_table(path, first.end).equals(whole.slice(first.batch.num_rows))


def test_without_a_key_the_hint_says_how_to_give_one(path: Path) -> None:
    path.write_bytes(encrypted(b"x"))
    with pytest.raises(InvalidArgument) as caught, Opener().open(path):
        pass
    assert "--crypt4gh-key" in hint_of(caught.value)


# --- what is wrong -------------------------------------------------------------------------------


def test_a_wrong_key_is_told_from_a_damaged_file(path: Path) -> None:
    path.write_bytes(encrypted(CONTENT))
    with pytest.raises(
        WrongKey, match="does not open any of the file's 1 header packets"
    ):
        read(path, Secret(os.urandom(32)))
    damaged = bytearray(encrypted(CONTENT))
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(SourceError, match="the key is correct"):
        read(path)


@pytest.mark.parametrize(
    "content", [b"", b"crypt4gh", b"x" * 500, b"crypt4gh\1\0\0\0\xff\xff\xff\xff"]
)
def test_what_is_no_crypt4gh_file_is_said_to_be_none(
    content: bytes, path: Path
) -> None:
    path.write_bytes(content)
    with pytest.raises(SourceError, match="not a whole Crypt4GH file") as caught:
        read(path)
    assert caught.value.path == path


@pytest.mark.parametrize("block", [0, 1, 3])
def test_a_flipped_bit_is_found_in_its_block_and_nothing_of_it_is_given(
    block: int, path: Path
) -> None:
    head, sealed = blocks(encrypted(CONTENT))
    damaged = bytearray(sealed[block])
    damaged[20] ^= 4
    sealed[block] = bytes(damaged)
    path.write_bytes(head + b"".join(sealed))
    given: list[bytes] = []
    with open_crypt4gh(path, KEY) as stream:
        with pytest.raises(
            SourceError, match=f"block {block + 1} is damaged"
        ) as caught:
            given.extend(iter(lambda: stream.read(SEGMENT), b""))
        with pytest.raises(SourceError):
            stream.read(1)
    assert caught.value.path == path
    assert b"".join(given) == CONTENT[: block * SEGMENT]


@pytest.mark.parametrize("cut", [1, 100, BLOCK // 2])
def test_a_file_that_ends_within_a_block_is_refused(cut: int, path: Path) -> None:
    path.write_bytes(encrypted(CONTENT)[:-cut])
    with pytest.raises(SourceError, match="ends too early"):
        read(path)
    head, sealed = blocks(encrypted(CONTENT))
    path.write_bytes(head + sealed[0] + sealed[1][:28])
    with pytest.raises(SourceError, match="within block 2"):
        read(path)


def cut_at_a_block(sealed: list[bytes]) -> list[bytes]:
    return sealed[:2]


def swapped(sealed: list[bytes]) -> list[bytes]:
    return [sealed[0], sealed[2], sealed[1], *sealed[3:]]


def repeated(sealed: list[bytes]) -> list[bytes]:
    return [sealed[0], *sealed]


def emptied(sealed: list[bytes]) -> list[bytes]:
    return sealed[:0]


@pytest.mark.parametrize("attack", [cut_at_a_block, swapped, repeated, emptied])
@pytest.mark.parametrize("name", ["visits.bin.c4gh", "visits.bin"])
@pytest.mark.parametrize("digest", ["sha256", "md5"])
def test_whole_blocks_that_moved_are_found_by_the_digest_beside_the_file_only(
    attack: Any, name: str, digest: str, path: Path
) -> None:
    head, sealed = blocks(encrypted(CONTENT))
    path.write_bytes(head + b"".join(attack(sealed)))
    # Crypt4GH itself does not see it: hts-specs#649.
    changed = read(path)
    assert changed != CONTENT
    beside = path.with_name(f"{name}.{digest}")
    beside.write_text(f"{hashlib.new(digest, CONTENT).hexdigest()}  visits.bin\n")
    given: list[bytes] = []
    with (
        open_crypt4gh(path, KEY) as stream,
        pytest.raises(SourceError, match="the digest file next to it") as caught,
    ):
        given.extend(iter(lambda: stream.read(SEGMENT), b""))
    assert caught.value.path == path
    assert len(b"".join(given)) <= max(0, len(changed) - 1)
    path.write_bytes(head + b"".join(sealed))
    assert read(path) == CONTENT


@pytest.mark.parametrize(
    ("pack", "attack"),
    [
        ("gz", cut_at_a_block),
        ("gz", swapped),
        ("gz", repeated),
        ("zst", cut_at_a_block),
    ],
)
def test_whole_blocks_that_moved_are_found_by_a_compression_inside(
    pack: str, attack: Any, tmp_path: Path
) -> None:
    # Compressed, it still has several blocks.
    content = os.urandom(4 * SEGMENT)
    head, sealed = blocks(
        encrypted(gzip.compress(content) if pack == "gz" else zstd(content))
    )
    path = tmp_path / f"visits.csv.{pack}.c4gh"
    path.write_bytes(head + b"".join(sealed))
    assert read(path) == content
    path.write_bytes(head + b"".join(attack(sealed)))
    with pytest.raises(SourceError):
        read(path)


def test_a_digest_file_that_holds_none_is_refused(path: Path) -> None:
    path.write_bytes(encrypted(CONTENT))
    beside = path.with_name(path.name + ".sha256")
    beside.write_text("canary")
    with pytest.raises(SourceError) as caught:
        read(path)
    assert caught.value.path == beside
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("lengths", "kept"),
    [
        ([10], CONTENT[10:]),
        ([10, 100], CONTENT[10:110]),
        ([0, 5, 70_000, 100_000], CONTENT[:5] + CONTENT[70_005:170_005]),
        ([3, 2, 1], CONTENT[3:5] + CONTENT[6:]),
    ],
)
def test_an_edit_list_is_applied(lengths: list[int], kept: bytes, path: Path) -> None:
    path.write_bytes(with_edits(lengths))
    assert read(path) == kept
    assert content_size(path, KEY) == len(kept)


def test_a_file_that_ends_before_its_edit_list_is_refused(path: Path) -> None:
    path.write_bytes(with_edits([10, len(CONTENT)]))
    with pytest.raises(SourceError, match="before its edit list"):
        read(path)
    path.write_bytes(with_edits([]))
    with pytest.raises(SourceError, match="not well-formed"):
        read(path)


def with_edits(lengths: list[int]) -> bytes:
    head, sealed = blocks(encrypted(CONTENT))
    to = [(0, os.urandom(32), sodium.derive_pk(KEY.reveal()))]
    edits = header.encrypt(header.make_packet_data_edit_list(lengths), to)
    return header.serialize([*header.parse(io.BytesIO(head)), *edits]) + b"".join(
        sealed
    )


def test_no_key_is_logged_at_any_level(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(encrypted(CONTENT))
    with caplog.at_level(logging.DEBUG):
        read(path)
    assert KEY.reveal().hex() not in caplog.text.lower()


# --- keys ----------------------------------------------------------------------------------------


def made_key(tmp_path: Path, passphrase: bytes | None) -> Path:
    secret, public = tmp_path / "key.sec", tmp_path / "key.pub"
    c4gh.generate(secret, public, passphrase, b"made by a test")
    return secret


def never() -> Secret:
    raise AssertionError


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_a_key_of_crypt4gh_keygen_is_read(
    passphrase: bytes | None, tmp_path: Path
) -> None:
    path = made_key(tmp_path, passphrase)
    key = read_crypt4gh_key(path, (lambda: Secret(passphrase)) if passphrase else never)
    assert key == Secret(get_private_key(path, (passphrase or b"").decode))


@pytest.mark.parametrize("passphrase", ["", "correct horse"])
def test_a_key_of_ssh_keygen_is_read(passphrase: str, tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519"
    command = [
        "ssh-keygen",
        "-q",
        "-t",
        "ed25519",
        "-a",
        "4",
        "-N",
        passphrase,
        "-f",
        str(path),
    ]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        pytest.skip("ssh-keygen is not installed")
    key = read_crypt4gh_key(path, lambda: Secret(passphrase.encode()))
    assert key == Secret(get_private_key(path, lambda: passphrase))
    if passphrase:
        with pytest.raises(WrongPassphrase):
            read_crypt4gh_key(path, lambda: Secret(b"wrong"))


def test_a_wrong_passphrase_is_told_from_a_file_that_holds_no_key(
    tmp_path: Path,
) -> None:
    path = made_key(tmp_path, b"correct horse")
    with pytest.raises(WrongPassphrase):
        read_crypt4gh_key(path, lambda: Secret(b"wrong"))
    for content in (
        b"",
        b"canary",
        b"-----BEGIN CRYPT4GH PRIVATE KEY-----\nAAAA\n-----END-----",
    ):
        other = tmp_path / "other"
        other.write_bytes(content)
        other.chmod(0o600)
        with pytest.raises(InvalidArgument, match="is not a Crypt4GH"):
            read_crypt4gh_key(other, never)
    public = tmp_path / "key.pub"
    public.chmod(0o600)
    with pytest.raises(InvalidArgument, match="is not a Crypt4GH"):
        read_crypt4gh_key(public, never)
    with pytest.raises(InvalidArgument, match="cannot be read"):
        read_crypt4gh_key(tmp_path / "missing", never)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = made_key(tmp_path, None)
    path.chmod(0o644)
    with pytest.raises(KeystoreInsecure):
        read_crypt4gh_key(path, never)
