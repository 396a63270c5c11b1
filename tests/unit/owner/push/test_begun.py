"""How a push reads identifiers, by how the dataset was begun."""

from __future__ import annotations

import pytest

from sealift.owner.push.begun import newest_reading, reading_for
from sealift.policy.file import Policy, parse_policy
from sealift.policy.reading import Reading
from sealift_protocol.errors import PolicyUnmet


def policy(form: int) -> Policy:
    return parse_policy(
        f"format = {form}\nname = 'x'\nversion = '1'\n[columns]\n".encode()
    )


@pytest.mark.parametrize(
    ("reports", "reading"),
    [
        ([], None),
        (['{"records": 1}'], None),
        (["not JSON"], None),
        (["[]"], None),
        (['{"identifiers": 9}'], None),
        (['{"identifiers": 1}', '{"identifiers": 3}'], Reading.TRIMMED),
        (['{"identifiers": 3}', '{"identifiers": 1}'], Reading.NUMBERS),
    ],
)
def test_the_newest_report_says_how_identifiers_are_read(
    reports: list[str], reading: Reading | None
) -> None:
    assert newest_reading(reports) is reading


def test_format_1_goes_on_as_a_dataset_was_begun() -> None:
    assert reading_for(policy(1), None, accepted=False) is Reading.TEXT
    for begun in (Reading.NUMBERS, Reading.TEXT):
        assert reading_for(policy(1), begun, accepted=True) is begun
    with pytest.raises(PolicyUnmet):
        reading_for(policy(1), Reading.TRIMMED, accepted=True)


def test_format_2_needs_a_new_dataset_or_one_that_was_brought_over() -> None:
    assert reading_for(policy(2), None, accepted=False) is Reading.TRIMMED
    assert reading_for(policy(2), Reading.TRIMMED, accepted=False) is Reading.TRIMMED
    for begun in (Reading.NUMBERS, Reading.TEXT):
        with pytest.raises(PolicyUnmet):
            reading_for(policy(2), begun, accepted=False)
        assert reading_for(policy(2), begun, accepted=True) is Reading.TRIMMED
