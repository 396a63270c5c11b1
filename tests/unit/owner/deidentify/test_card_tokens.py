"""Tokens of card numbers: one number each, never a card's, and the way back."""

from __future__ import annotations

import json
import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import VECTORS

from sealift.owner.deidentify.tokens import CardTokeniser, Tokeniser, check_digit
from sealift.process.secret import Secret

pytest.importorskip("ffx")

SECRET = Secret(bytes(range(32)))
VISA = "4111111111111111"


def vectors() -> list[dict[str, Any]]:
    path = VECTORS / "deidentify" / "card_tokens.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    secret = Secret(bytes.fromhex(content["secret"]))
    return [{**vector, "secret": secret} for vector in content["vectors"]]


def passes_luhn(number: str) -> bool:
    """Whether the digits pass the check of ISO/IEC 7812-1, computed as its annex says."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        doubled = int(digit) * (1 + place % 2)
        total += sum(map(int, str(doubled)))
    return total % 10 == 0


def card(digits: str) -> str:
    return f"{digits}{check_digit(digits)}"


@pytest.mark.parametrize("vector", vectors(), ids=range(6))
def test_card_tokens_are_those_of_the_vectors_and_turn_back(
    vector: dict[str, Any],
) -> None:
    tokeniser = CardTokeniser(
        vector["secret"], keep_first=vector["keep_first"], domain=vector["domain"]
    )
    assert tokeniser.tokenise(vector["value"]) == vector["token"]
    assert tokeniser.detokenise(vector["token"]) == vector["value"]


@pytest.mark.parametrize(
    ("digits", "check"),
    [("7992739871", 3), ("411111111111111", 1), ("37828224631000", 5)],
)
def test_check_digits_of_known_numbers(digits: str, check: int) -> None:
    assert check_digit(digits) == check
    assert passes_luhn(f"{digits}{check}")


@settings(max_examples=40)
@given(
    st.integers(12, 19),
    st.integers(0, 8),
    st.integers(1, 9),
    st.integers(0, 10**18 - 1),
)
def test_a_token_keeps_the_issuer_and_fails_the_luhn_check(
    length: int, first: int, begin: int, rest: int
) -> None:
    number = card(f"{begin}{rest:018d}"[: length - 1])
    tokeniser = CardTokeniser(SECRET, keep_first=first)
    token = tokeniser.tokenise(number)
    if length - 1 - first < 6:
        assert token is None
        return
    assert token is not None
    assert token[:first] == number[:first]
    assert token[0] != "0"
    assert len(token) == length
    assert not passes_luhn(token)
    assert tokeniser.detokenise(token) == number
    # Nobody takes a token for a card: it has no token itself, and no number is a token.
    assert tokeniser.tokenise(token) is None
    assert tokeniser.detokenise(number) is None


def test_numbers_of_one_issuer_never_share_a_token() -> None:
    """A sample; bench/card_tokens.py tries all 10**6 numbers of one issuer."""
    tokeniser = CardTokeniser(SECRET)
    middles = random.Random(16).sample(range(10**6), 5000)
    numbers = [card(f"411111{middle:06d}") for middle in middles]
    tokens = [tokeniser.tokenise(number) for number in numbers]
    assert len(set(tokens)) == len(numbers)
    assert not any(passes_luhn(str(token)) for token in tokens)
    assert [tokeniser.detokenise(str(token)) for token in tokens] == numbers


@pytest.mark.parametrize(
    "value",
    [
        "4111111111111112",  # The check digit is wrong.
        "1234567812345678",
        "0000000000000000",  # It passes, but no card begins with 0.
        "0004111111111111111",  # Filled up with zeros.
        "79927398713",  # Too short, though it passes.
        card("4" + "1" * 18),  # 20 digits.
        card("41111111111"),  # Five digits to encrypt.
        "4111-1111-1111-111x",
        "4111.1111.1111.1111",
        "\u0664\u0661\u0661\u0661" * 4,
        "",
        " - ",
        "not a card",
    ],
)
def test_what_is_no_card_number_has_no_token(value: str) -> None:
    tokeniser = CardTokeniser(SECRET)
    assert tokeniser.tokenise(value) is None
    assert tokeniser.apply(pa.array([value, None])).to_pylist() == [None, None]


def test_separators_stay_and_make_no_difference() -> None:
    tokeniser = CardTokeniser(SECRET)
    spaced = tokeniser.tokenise("4111 1111-1111 1111")
    assert spaced is not None
    assert spaced[4] == spaced[14] == " "
    assert spaced[9] == "-"
    assert spaced.translate({32: "", 45: ""}) == tokeniser.tokenise(VISA)


def test_tokens_of_format_1_and_of_other_domains_are_unrelated() -> None:
    old = Tokeniser(SECRET, keep_first=6).tokenise(VISA)
    new = CardTokeniser(SECRET).tokenise(VISA)
    other = CardTokeniser(SECRET, domain="card").tokenise(VISA)
    middles = {str(token)[6:-1] for token in (old, new, other)}
    assert len(middles) == 3


def test_whole_numbers_have_tokens_like_their_texts() -> None:
    tokeniser = CardTokeniser(SECRET)
    for values in (pa.array([int(VISA)]), pa.array([int(VISA)], pa.uint64())):
        assert tokeniser.apply(values).to_pylist() == [tokeniser.tokenise(VISA)]


def test_what_is_no_number_is_no_token() -> None:
    cards = CardTokeniser(SECRET)
    assert cards.detokenise("not a token") is None
    assert cards.detokenise("0123456789012345") is None
