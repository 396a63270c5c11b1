"""Stolen laptops, careless machines, and payloads that attack anyone who opens them."""

from __future__ import annotations

import os
import pickle
import traceback
from pathlib import Path

import pyarrow as pa
import pytest
from shards import seal_shard

import sealift
from sealift.crypto.sealing import ShardContext
from sealift.crypto.signing import Identity
from sealift.crypto.suites import generate, load_private_key
from sealift.history.records import read_batches
from sealift.keystore import Keys, StoredKey
from sealift.keystore.file import create, open_keystore
from sealift.keystore.locks import PassphraseLock
from sealift.session import Session
from sealift_protocol.errors import (
    InvalidArgument,
    KeystoreInsecure,
    MalformedObject,
    SealiftError,
    WrongPassphrase,
)
from sealift_protocol.objects.cards import WrapSuite

PASSPHRASE = sealift.Secret(b"correct horse battery staple")


def keys() -> Keys:
    private = generate(WrapSuite.X25519).private_bytes()
    stored = StoredKey(b"i" * 16, WrapSuite.X25519, private, 0, 1)
    return Keys(
        sealift.Secret(b"identity-seed-of-thirty-two-byte"),
        (stored,),
        sealift.Secret(b"tls"),
    )


@pytest.mark.parametrize("seed", range(20))
def test_a25_a_payload_with_lying_offsets_is_refused_or_harmless(seed: int) -> None:
    import random

    schema = pa.schema({"text": pa.string(), "value": pa.int64()})
    batch = pa.record_batch([["abc", "de"] * 50, list(range(100))], schema=schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(batch)
    payload = bytearray(sink.getvalue().to_pybytes())
    chooser = random.Random(seed)
    for _ in range(50):
        changed = bytearray(payload)
        for _ in range(4):
            changed[chooser.randrange(len(changed))] = chooser.randrange(256)
        try:
            for read in read_batches(memoryview(changed), schema):
                read.validate(full=True)
                read.to_pylist()
        except MalformedObject:
            continue


def test_a25_offsets_beyond_the_buffer_are_refused() -> None:
    schema = pa.schema({"text": pa.string()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch([["abcde"] * 3], schema=schema))
    honest = sink.getvalue().to_pybytes()
    offsets, lie = (
        b"".join(o.to_bytes(4, "little") for o in ends) for ends in _OFFSETS
    )
    assert honest.count(offsets) == 1
    assert next(read_batches(memoryview(honest), schema)).num_rows == 3
    with pytest.raises(MalformedObject):
        list(read_batches(memoryview(honest.replace(offsets, lie)), schema))


_OFFSETS = ((0, 5, 10, 15), (0, 5, 10, 1_000_000))


def test_a25_a_dataset_is_only_written_inside_the_output_folder(
    hospital: Session, laboratory: Session, tmp_path: Path, records: pa.Table
) -> None:
    with pytest.raises(InvalidArgument):
        hospital.push(records, dataset="../../escape", to="laboratory")
    hospital.push(records, dataset="..", to="laboratory")
    opened = laboratory.open_dataset("hospital/..")
    files = sealift.write_parquet(opened, tmp_path / "out")
    assert files == [tmp_path / "out" / "part-00000.parquet"]
    with pytest.raises(InvalidArgument):
        sealift.write_parquet(opened, tmp_path / "out")


def test_a30_a_stolen_keystore_holds_no_key_and_opens_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "keystore"
    made = keys()
    create(path, made, PassphraseLock(PASSPHRASE))
    content = path.read_bytes()
    assert made.identity.reveal() not in content
    with pytest.raises(WrongPassphrase):
        open_keystore(
            path, PassphraseLock(sealift.Secret(b"correct horse battery stable"))
        )
    assert open_keystore(path, PassphraseLock(PASSPHRASE)) == made


def test_a30_any_changed_byte_of_a_keystore_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keystore"
    create(path, keys(), PassphraseLock(PASSPHRASE))
    content = path.read_bytes()
    for position in [*range(9), 12, 20, 30, 50, 61, 100, len(content) - 1]:
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(SealiftError):
            open_keystore(path, PassphraseLock(PASSPHRASE))


def test_a31_a_keystore_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keystore"
    create(path, keys(), PassphraseLock(PASSPHRASE))
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(KeystoreInsecure, match="other users"):
        open_keystore(path, PassphraseLock(PASSPHRASE))


def test_a31_a_linked_keystore_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "real", keys(), PassphraseLock(PASSPHRASE))
    (tmp_path / "keystore").symlink_to(tmp_path / "real")
    with pytest.raises(KeystoreInsecure):
        open_keystore(tmp_path / "keystore", PassphraseLock(PASSPHRASE))


def test_a31_everything_in_a_profile_is_private(
    hospital: Session, profiles: Path
) -> None:
    for path in [profiles / "hospital", *(profiles / "hospital").iterdir()]:
        assert path.stat().st_mode & 0o077 == 0, path.name


@pytest.mark.parametrize("suite", list(WrapSuite))
def test_a32_private_keys_do_not_print_or_pickle(suite: WrapSuite) -> None:
    private = generate(suite)
    secret = private.private_bytes()
    for thing in (secret, private, load_private_key(suite, secret)):
        shown = repr(thing) + str(thing)
        assert secret.reveal().hex() not in shown
        assert repr(secret.reveal())[2:20] not in shown
        with pytest.raises(TypeError):
            pickle.dumps(thing)


def test_a32_keys_and_identities_do_not_print_or_pickle() -> None:
    for thing in (
        keys(),
        Identity.of_seed(sealift.Secret(b"identity-seed-of-thirty-two-byte")),
    ):
        assert "identity-seed" not in repr(thing)
        with pytest.raises(TypeError):
            pickle.dumps(thing)


def test_a32_a_traceback_holds_no_secret(hospital: Session, tmp_path: Path) -> None:
    secret, name = "-".join(["canary", "value"]), "-".join(["canary", "dataset"])
    path = tmp_path / f"{secret}.csv"
    path.write_text(f"a,b\n1,2\n{secret}\n")
    try:
        hospital.push(path, dataset=name)
    except SealiftError:
        shown = traceback.format_exc()
    assert secret not in shown
    assert name not in shown


def test_a33_sealing_after_a_fork_draws_another_salt() -> None:
    context = ShardContext(b"d" * 16, b"s" * 16, 1)
    key = sealift.Secret(b"k" * 32)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, seal_shard(b"", epoch_key=key, context=context).data[56:88])
        os._exit(0)
    os.waitpid(child, 0)
    assert (
        os.read(reader, 32)
        != seal_shard(b"", epoch_key=key, context=context).data[56:88]
    )
    os.close(reader)
    os.close(writer)
