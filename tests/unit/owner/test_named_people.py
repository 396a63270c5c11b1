"""How people are named: by those who erase them, and by tokens."""

from __future__ import annotations

import pyarrow as pa

from sealift.owner.deidentify.tokens import CardTokeniser
from sealift.owner.manage.subjects import subject_named, subjects_of
from sealift.process.secret import Secret


def test_a_word_names_nobody_in_a_column_of_numbers_and_is_left_as_it_is() -> None:
    assert subject_named("patient-7", pa.int64()) == "patient-7"
    assert subject_named("17.0", pa.int64()) == subject_named("017", pa.int64()) == "17"


def test_values_without_a_text_of_their_own_are_named_as_python_shows_them() -> None:
    spans = pa.array([7, None], pa.duration("s"))
    assert subjects_of(spans).to_pylist()[1] is None
    assert subjects_of(spans).to_pylist()[0]


def test_what_is_no_number_is_no_token() -> None:
    cards = CardTokeniser(Secret(bytes(32)))
    assert cards.detokenise("not a token") is None
    assert cards.detokenise("0123456789012345") is None
