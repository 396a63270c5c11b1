"""The public Python API: how much there is of it, and that its keywords are its options."""

from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

import pytest

from sealift import PushOptions, ReadOptions, Session
from sealift.owner.push.options import PushKeywords
from sealift.process.keywords import changed
from sealift.trainer.options import ReadKeywords
from sealift_protocol.errors import InvalidArgument

SCRIPTED = {"trust", "push", "writer", "open_dataset", "datasets"}
HANDED_OUT = {"identity", "keys", "people", "log"}


def names_of_session() -> set[str]:
    return {name for name in dir(Session) if not name.startswith("_")} | HANDED_OUT


def test_a_session_has_at_most_fourteen_public_names() -> None:
    assert len(names_of_session()) <= 14


def test_what_people_script_against_is_there() -> None:
    assert names_of_session() >= SCRIPTED


def test_a_session_hands_out_what_is_counted(hospital: Session) -> None:
    public = {name for name in vars(hospital) if not name.startswith("_")}
    assert public == HANDED_OUT


@pytest.mark.parametrize(
    ("options", "keywords"),
    [(PushOptions, PushKeywords), (ReadOptions, ReadKeywords)],
    ids=["push", "read"],
)
def test_keywords_are_the_fields_of_the_options(options: type, keywords: type) -> None:
    assert {field.name for field in fields(options)} == set(keywords.__annotations__)
    assert get_type_hints(options) == get_type_hints(keywords)


def test_a_misspelled_option_is_named_and_the_near_one_suggested() -> None:
    with pytest.raises(
        InvalidArgument, match=r"unknown option `too`; did you mean `to`\?"
    ):
        changed(PushOptions(), {"too": "laboratory"}, "push")


def test_an_option_that_is_like_no_other_is_only_named() -> None:
    with pytest.raises(
        InvalidArgument, match=r"push\(\) got an unknown option `zzz`\n"
    ):
        changed(PushOptions(), {"zzz": 1}, "push")


def test_the_session_passes_misspelled_options_on(hospital: Session) -> None:
    with pytest.raises(InvalidArgument, match="did you mean `to`"):
        hospital.push("records.csv", dataset="study", too="laboratory")  # type: ignore[call-arg]
    with pytest.raises(InvalidArgument, match="did you mean `threads`"):
        hospital.open_dataset("hospital/study", thread=2)  # type: ignore[call-arg]


def test_a_misspelled_argument_of_the_function_itself_is_suggested_too(
    hospital: Session,
) -> None:
    with pytest.raises(InvalidArgument, match="did you mean `require_policy`"):
        hospital.open_dataset("hospital/study", requre_policy="own")  # type: ignore[call-arg]
