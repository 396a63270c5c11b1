"""The texts that name the people of a dataset."""

from __future__ import annotations

import pyarrow as pa

from sealift.owner.manage.subjects import subject_named, subjects_of


def test_a_word_in_a_column_of_numbers_is_left_as_it_is() -> None:
    assert subject_named("patient-7", pa.int64()) == "patient-7"
    assert subject_named("17.0", pa.int64()) == subject_named("017", pa.int64()) == "17"


def test_values_without_a_text_of_their_own_are_named_as_python_shows_them() -> None:
    spans = pa.array([7, None], pa.duration("s"))
    assert subjects_of(spans).to_pylist() == ["0:00:07", None]
