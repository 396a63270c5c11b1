"""Keywords of the trainer's public calls: types, defaults, and what a typo gets."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from sealift.process.keywords import keywords_of, refuse_unknown
from sealift.trainer.dataset import Dataset, Reading
from sealift.trainer.engine.plan import Plan, Run, Settings
from sealift.trainer.frameworks.torchoptions import IterableOptions, LoaderOptions
from sealift.trainer.options import ReadKeywords, ReadOptions
from sealift_protocol.errors import InvalidArgument


def test_keywords_are_those_of_what_they_become() -> None:
    hints = get_type_hints(ReadKeywords)
    assert hints == get_type_hints(ReadOptions)
    plan = get_type_hints(Plan)
    assert plan.pop("batch_size") is int
    assert get_type_hints(Settings) == plan


def test_a_loader_takes_what_an_iterable_takes_and_more() -> None:
    few, many = set(IterableOptions.__annotations__), set(LoaderOptions.__annotations__)
    assert few < many
    assert set(Settings.__annotations__) - few == {"start"}


@pytest.mark.parametrize(
    ("call", "options", "meant"),
    [
        (Dataset.batches, {"shufle": True}, "shuffle"),
        (Dataset.numpy, {"colums": ["a"]}, "columns"),
        (Dataset.torch, {"droplast": True}, "drop_last"),
        (Dataset.torch_loader, {"workers": 2}, "num_workers"),
        (Dataset.torch_iterable, {"seeds": 2}, "seed"),
    ],
)
def test_a_typo_is_refused_with_the_name_that_was_meant(
    call: Any, options: dict[str, Any], meant: str
) -> None:
    dataset = Dataset.__new__(Dataset)
    [name] = options
    expected = rf"{call.__name__}\(\) got an unknown option `{name}`; .* `{meant}`\?"
    with pytest.raises(InvalidArgument, match=expected):
        call(dataset, 10, **options)


def test_what_resembles_nothing_is_refused_with_all_there_is() -> None:
    with pytest.raises(InvalidArgument) as caught:
        refuse_unknown({"zzz": 1}, Reading.__annotations__, "batches")
    assert "did you mean" not in caught.value.what
    assert "shuffle_block" in caught.value.hint


def test_an_unknown_keyword_does_not_show_its_value() -> None:
    with pytest.raises(InvalidArgument) as caught:
        refuse_unknown({"fliter": "patient 4711"}, Reading.__annotations__, "batches")
    assert "4711" not in f"{caught.value} {caught.value.hint}"


def test_keywords_are_picked_by_name() -> None:
    reading: Reading = {"seed": 3, "columns": ["a"], "start": 7}
    assert keywords_of(reading, Settings) == {"seed": 3, "start": 7}


def test_a_run_is_that_of_all_ranks_from_the_beginning() -> None:
    plans = [Plan(8, True, 1, 2, rank=rank, world=3, start=5 * rank) for rank in (0, 2)]
    first, second = (Run.of(plan, ["a"], "") for plan in plans)
    assert first == second
    assert (first.plan.start, first.plan.world, first.batch_size) == (0, 3, 8)
    assert Run.of(None, None, "").batch_size is None


def test_a_plan_cannot_be_changed() -> None:
    assert {field.name for field in fields(Plan)} >= set(Settings.__annotations__)
    with pytest.raises(AttributeError):
        Plan(8).seed = 3  # type: ignore[misc]


def test_read_options_are_made_of_their_keywords() -> None:
    keywords: ReadKeywords = {"cache": Path("cache"), "threads": 3}
    assert ReadOptions(**keywords) == ReadOptions(cache=Path("cache"), threads=3)
