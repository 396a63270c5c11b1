"""Keyed pseudonyms, tokens and offsets against known answers."""

from __future__ import annotations

import builtins
import datetime as dt
import importlib.util
import json
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import VECTORS

from sealift.owner.deidentify import memo as memo_module
from sealift.owner.deidentify.memo import Memo
from sealift.owner.deidentify.pseudonyms import Pseudonyms, derive_key, digests_of
from sealift.owner.deidentify.shift import Shift
from sealift.owner.deidentify.texts import texts_of
from sealift.owner.deidentify.tokens import ALPHABETS, Tokeniser
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument

SECRET = Secret(bytes(range(32)))
OTHER = Secret(bytes(32))


def load(name: str) -> list[dict[str, Any]]:
    content = json.loads((VECTORS / "deidentify" / name).read_text(encoding="utf-8"))
    secret = content.get("secret")
    return [
        {**vector, **({"secret": Secret(bytes.fromhex(secret))} if secret else {})}
        for vector in content["vectors"]
    ]


@pytest.mark.parametrize("vector", load("rfc4231_hmac_sha256.json"), ids=range(3))
def test_rfc_4231(vector: dict[str, str]) -> None:
    key = Secret(bytes.fromhex(vector["key"]))
    assert digests_of(key, [bytes.fromhex(vector["data"])]) == [
        bytes.fromhex(vector["mac"])
    ]


@pytest.mark.parametrize("vector", load("nist_ff1.json"), ids=range(9))
def test_the_ff1_samples_of_nist(vector: dict[str, Any]) -> None:
    ffx = pytest.importorskip("ffx")
    cipher = ffx.FF1(bytes.fromhex(vector["key"]), radix=vector["radix"])
    tweak = bytes.fromhex(vector["tweak"])
    assert cipher.encrypt(vector["plain"], tweak=tweak) == vector["cipher"]
    assert cipher.decrypt(vector["cipher"], tweak=tweak) == vector["plain"]


def test_the_vectors_script_computes_the_samples_of_nist_as_well() -> None:
    path = VECTORS / "make_deidentify_vectors.py"
    spec = importlib.util.spec_from_file_location("make_deidentify_vectors", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for vector in load("nist_ff1.json"):
        alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"[: vector["radix"]]
        key, tweak = bytes.fromhex(vector["key"]), bytes.fromhex(vector["tweak"])
        assert script.ff1(key, alphabet, tweak, vector["plain"]) == vector["cipher"]


@pytest.mark.parametrize("vector", load("pseudonyms.json"), ids=range(8))
def test_pseudonyms_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    found = Pseudonyms(vector["secret"], vector["domain"]).apply(
        pa.array([vector["text"]])
    )
    assert found.to_pylist() == [vector["pseudonym"]]


@pytest.mark.parametrize("vector", load("offsets.json"), ids=range(6))
def test_offsets_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    found = Shift(vector["secret"], days=vector["days"]).offsets(
        pa.array([vector["by"]])
    )
    assert found.to_pylist() == [vector["offset"]]


@pytest.mark.parametrize("vector", load("tokens.json"), ids=range(4))
def test_tokens_are_those_of_the_vectors_and_turn_back(vector: dict[str, Any]) -> None:
    pytest.importorskip("ffx")
    settings = {
        name: vector[name] for name in ("alphabet", "keep_first", "keep_last", "domain")
    }
    tokeniser = Tokeniser(vector["secret"], **settings)
    assert tokeniser.tokenise(vector["value"]) == vector["token"]
    assert tokeniser.detokenise(vector["token"]) == vector["value"]


def test_a_number_and_its_text_have_one_pseudonym() -> None:
    kinds = [
        pa.array(["17", None]),
        pa.array([17, None]),
        pa.array([17, None], pa.uint8()),
        pa.array([17.0, None]),
        pa.array([17.0, None], pa.float32()),
        pa.array([Decimal("17.00"), None]),
        pa.array(["17", None], pa.large_string()),
        pa.array(["17", None], pa.string_view()),
    ]
    found = [Pseudonyms(SECRET).apply(values).to_pylist() for values in kinds]
    assert all(pseudonyms == found[0] for pseudonyms in found)
    assert len(found[0][0]) == 32
    assert found[0][1] is None


@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.integers(0, 60)), max_size=8), max_size=12
    )
)
def test_what_is_remembered_and_forgotten_makes_no_difference(
    batches: list[list[int | None]],
) -> None:
    computed: list[str] = []

    def compute(texts: pa.Array) -> pa.Array:
        computed.extend(texts.to_pylist())
        return pa.array([f"<{text}>" for text in texts.to_pylist()], pa.string())

    memo = Memo()
    with patch.object(memo_module, "MAX_REMEMBERED", 10):
        for numbers in batches:
            texts = pa.array(numbers, pa.int64()).cast(pa.string())
            expected = [None if number is None else f"<{number}>" for number in numbers]
            assert memo.apply(texts, compute).to_pylist() == expected
    distinct = {str(n) for numbers in batches for n in numbers if n is not None}
    assert set(computed) == distinct
    if len(distinct) <= 10:
        assert len(computed) == len(distinct)


def test_secrets_and_domains_give_unrelated_pseudonyms() -> None:
    values = pa.array(["17"])
    found = {
        Pseudonyms(secret, domain).apply(values)[0].as_py()
        for secret in (SECRET, OTHER)
        for domain in ("", "a", "b")
    }
    assert len(found) == 6


def test_a_secret_of_another_size_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        derive_key(Secret(bytes(31)), b"purpose")


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (True, pa.bool_(), "true"),
        (0.1, pa.float64(), "0.1"),
        (1e20, pa.float64(), "1e+20"),
        (-3.0, pa.float64(), "-3"),
        (float("nan"), pa.float64(), "nan"),
        (Decimal("-0.50"), pa.decimal128(9, 2), "-0.5"),
        (Decimal("100"), pa.decimal128(9, 0), "100"),
        (b"\x00\xff", pa.binary(), "00ff"),
        (dt.date(2024, 2, 29), pa.date32(), "2024-02-29"),
        (dt.date(2024, 2, 29), pa.date64(), "2024-02-29"),
        (dt.datetime(2024, 2, 29, 1, 2, 3), pa.timestamp("us"), "2024-02-29T01:02:03"),
        (
            dt.datetime(2024, 2, 29, 1, 2, 3, 500_000),
            pa.timestamp("us"),
            "2024-02-29T01:02:03.5",
        ),
        (
            dt.datetime(2024, 2, 29),
            pa.timestamp("ns", "Europe/Berlin"),
            "2024-02-29T00:00:00Z",
        ),
        (dt.time(12, 30), pa.time64("us"), "12:30:00"),
        (dt.time(12, 30, 0, 250_000), pa.time64("us"), "12:30:00.25"),
    ],
)
def test_the_text_of_a_value(value: object, kind: pa.DataType, text: str) -> None:
    assert texts_of(pa.array([value, None], kind)).to_pylist() == [text, None]


@given(st.sampled_from(sorted(ALPHABETS)), st.data())
def test_tokens_keep_the_form_and_turn_back(alphabet: str, data: st.DataObject) -> None:
    pytest.importorskip("ffx")
    first, last = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    value = data.draw(st.text(ALPHABETS[alphabet] + " -", max_size=30))
    tokeniser = Tokeniser(SECRET, alphabet=alphabet, keep_first=first, keep_last=last)
    token = tokeniser.tokenise(value)
    bare = value.replace(" ", "").replace("-", "")
    if len(bare) < first + last + tokeniser.least:
        assert token is None
        return
    assert token is not None
    assert tokeniser.detokenise(token) == value
    assert [c if c in " -" else "x" for c in token] == [
        c if c in " -" else "x" for c in value
    ]
    bare_token = token.replace(" ", "").replace("-", "")
    assert bare_token.startswith(bare[:first])
    assert bare_token.endswith(bare[len(bare) - last :])


def test_what_cannot_be_tokenised_becomes_null() -> None:
    pytest.importorskip("ffx")
    tokeniser = Tokeniser(SECRET)
    values = pa.array(["123456", "12345", "12345x", "", None, "1" * 1001, "٣٤٥٦٧٨"])
    assert [token is None for token in tokeniser.apply(values).to_pylist()] == [
        False,
        *[True] * 6,
    ]
    assert tokeniser.apply(pa.array([123456])).to_pylist() == [
        tokeniser.tokenise("123456")
    ]


def test_without_libffx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "ffx":
            raise ImportError
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InvalidArgument) as caught:
        Tokeniser(SECRET)
    assert "sealift[tokenise]" in caught.value.hint
