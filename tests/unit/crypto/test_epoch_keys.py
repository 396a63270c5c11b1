"""The keys of a dataset's key epochs."""

from __future__ import annotations

import pickle

import pytest

from sealift.crypto.epochkeys import EpochKeys
from sealift.process.secret import Secret
from sealift_protocol.errors import WrongKey

KEY = Secret(b"k" * 32)


def test_a_key_epoch_without_a_grant_is_named() -> None:
    keys = EpochKeys({2: KEY})
    assert keys[2] is KEY
    with pytest.raises(WrongKey, match=r"^no grant opens key epoch 3\n") as caught:
        keys[3]
    assert "ask the owner" in caught.value.hint
    assert keys.get(3) is None
    assert 3 not in keys


def test_keys_are_not_shown() -> None:
    assert "kkk" not in repr(EpochKeys({2: KEY}))


def test_a_copy_for_a_worker_raises_the_same_error() -> None:
    copied = pickle.loads(pickle.dumps(EpochKeys()))
    with pytest.raises(WrongKey):
        copied[1]
