"""Secrets: where they are in memory, and what is left when nothing refers to them any more."""

from __future__ import annotations

import gc
import mmap
import os
import pickle
import threading

import pytest

from sealift.crypto.hkdf import derive
from sealift.process import memory
from sealift.process.memory import place_for_secret
from sealift.process.secret import Secret


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 64, 1000, 70_000])
def test_a_secret_of_any_size_is_as_it_was_given(size: int) -> None:
    value = os.urandom(size)
    secret = Secret(value)
    assert len(secret) == size
    assert secret.reveal() == value
    assert bytes(secret.view()) == value
    assert secret == Secret(memoryview(value))
    assert secret != Secret(value + b"x")
    assert secret != value


def test_a_view_cannot_be_written_to() -> None:
    with pytest.raises(TypeError):
        Secret(b"secret").view()[0] = 1


def test_places_do_not_overlap_and_are_wiped_before_they_are_used_again() -> None:
    secrets = [Secret(bytes([number]) * 40) for number in range(250)]
    assert all(secret.reveal() == bytes([n]) * 40 for n, secret in enumerate(secrets))
    block, offset = memory._free[64][-1]
    reused = Secret(b"\xff" * 40)
    assert block[offset : offset + 40] == b"\xff" * 40
    del reused
    assert block[offset : offset + 64] == bytes(64)


def test_a_view_keeps_the_bytes_when_the_secret_is_gone() -> None:
    view = Secret(b"kept" * 8).view()[4:]
    gc.collect()
    others = [Secret(b"\xff" * 32) for _ in range(5000)]
    assert view == b"kept" * 7
    del others


def test_a_secret_is_written_in_place() -> None:
    def fill(place: memoryview) -> None:
        place[:] = b"0123456789abcdef"

    assert Secret.filled(16, fill).reveal() == b"0123456789abcdef"


def test_threads_get_places_of_their_own() -> None:
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(300):
            made = [Secret(bytes([number]) * 48) for _ in range(20)]
            if any(secret.reveal() != bytes([number]) * 48 for secret in made):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_has_its_own_copy() -> None:
    secret = Secret(b"of the parent's")
    child = os.fork()
    if child == 0:
        same = secret.reveal() == b"of the parent's"
        del secret
        Secret(b"of the child's own").reveal()
        os._exit(0 if same else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert secret.reveal() == b"of the parent's"


def test_a_system_without_these_kinds_of_memory_has_ordinary_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("MAP_PRIVATE", "MADV_DONTDUMP"):
        monkeypatch.delattr(mmap, name, raising=False)
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr(memory, "_free", {64: memory.deque()})
    place = place_for_secret(40)
    place[:] = b"x" * 40
    assert bytes(place) == b"x" * 40


def test_hkdf_as_rfc_5869_has_it() -> None:
    # Appendix A.1.
    okm = derive(
        Secret(b"\x0b" * 22),
        bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"),
        salt=bytes(range(13)),
        size=42,
    )
    assert okm.reveal().hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


def test_a_secret_goes_to_a_process_that_this_one_starts_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = Secret(b"epoch key")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    monkeypatch.setattr("sealift.process.secret.get_spawning_popen", object)
    assert pickle.loads(pickle.dumps(secret)) == secret
