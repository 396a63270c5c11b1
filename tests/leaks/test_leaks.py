"""No identifier of a person gets past a ready policy, wherever in a document it lies."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pyarrow as pa
import pytest

from leaks.identifiers import TEXTS, Days, Identifier, forms_of, make
from leaks.run import failed, run, shown
from leaks.search import Found, Needles
from leaks.sheets import FORMATS, ONE_COLUMN, STANDARD, Spot, plan, spots_of

DOCUMENTS, ROWS = 500, 50
# A push that sends little proves little.
LEAST_SENT = 0.4
ENCODED = {"utf-8", "digits", "int64", "float64", "micros", "nanos", "seconds"}


def test_nothing_planted_reaches_a_trainer_or_the_relay(tmp_path: Path) -> None:
    seed = int(os.environ.get("SEALIFT_LEAKS_SEED") or 2026)
    print(f"seed {seed}")
    results = run(DOCUMENTS, seed, tmp_path, ROWS)
    print(shown(results))
    assert not results.leaks
    assert not failed(results)
    assert set(results.forms) >= ENCODED
    for policy in results.policies:
        sent = sum(counts[policy] for counts in results.sent.values())
        assert sent > LEAST_SENT * results.planted.total()


def test_a_run_of_ten_thousand_documents_plants_everywhere() -> None:
    everywhere = {
        Spot(position, name, format_)
        for format_ in FORMATS
        if format_ not in (*STANDARD, "one column")
        for position, name in spots_of(format_)
    }
    everywhere |= {Spot("one column", name, format_) for format_, name in ONE_COLUMN}
    planned = {
        Spot(position, name, sheet.format)
        for sheet in plan(7, 10_000)
        for position, name in sheet.spots
    }
    assert everywhere <= planned
    assert {sheet.format for sheet in plan(7, 10_000)} >= set(STANDARD)


@pytest.mark.parametrize("kind", TEXTS)
def test_an_identifier_is_found_in_every_form(kind: str) -> None:
    rng = random.Random(1)
    days = Days(rng, 2)
    one, other = (make(kind, rng, days) for _ in range(2))
    needles = Needles([(1, forms_of(one)), (2, forms_of(other))])
    for form in forms_of(one):
        # Numbers of four bytes lie where a number can.
        before = b"\xee" * (4 if len(form.pattern) == 4 else 5)
        for data in (before + form.pattern + b"\xee" * 3, before + form.pattern):
            assert Found(1, form.name) in needles.find(data)
            assert all(found.owner == 1 for found in needles.find(data))
    assert not needles.find(b"\xee" * 100)


def test_case_does_not_hide_a_text_and_base64_has_three_forms() -> None:
    import base64

    identifier = Identifier("name", "Vroekjaezdyrquix")
    needles = Needles([(1, forms_of(identifier))])
    assert needles.find(b"x" * 9 + identifier.text.upper().encode())
    for before in range(6):
        for after in range(6):
            text = b"\x01" * before + identifier.text.encode() + b"\x01" * after
            assert Found(1, "base64") in needles.find(base64.b64encode(text))


@pytest.mark.parametrize("name", ["int32", "int64", "float64", "decimal128, cents"])
def test_a_number_is_found_in_the_bytes_that_arrow_gives_it(name: str) -> None:
    from leaks.columns import TYPES

    identifier = make("ssn", random.Random(2), Days(random.Random(2), 1))
    needles = Needles([(1, forms_of(identifier))])
    array = TYPES[name].array([identifier])
    assert needles.find(array.buffers()[1].to_pybytes())
    assert not needles.find(pa.array([identifier.number + 1]).buffers()[1].to_pybytes())
