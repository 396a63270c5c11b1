"""The keys of a policy about free text."""

from __future__ import annotations

import pytest

from sealift.policy.lines import KeyPath
from sealift.policy.texts import TextRules, text_rules
from sealift_protocol.errors import PolicyInvalid

_SHA = "0" * 64


def read(document: dict[str, object]) -> TextRules:
    def invalid(where: KeyPath, what: str, hint: str | None) -> PolicyInvalid:
        return PolicyInvalid(f"{where}: {what}", hint=hint)

    return text_rules(document, invalid)


def test_without_keys_texts_are_english() -> None:
    assert read({}) == TextRules(("en",), (), "", "", "")


def test_languages_regions_and_a_model_are_read() -> None:
    rules = read({"languages": ["fr", "en"], "regions": ["FR"], "model": "fr-md"})
    assert rules == TextRules(("fr", "en"), ("FR",), "fr-md")


def test_a_folder_of_the_users_needs_its_digest() -> None:
    rules = read({"model": {"folder": "models/de", "sha256": _SHA}})
    assert (rules.folder, rules.sha256) == ("models/de", _SHA)


@pytest.mark.parametrize(
    "document",
    [
        {"languages": []},
        {"languages": ["xx"]},
        {"languages": ["en", "en"]},
        {"languages": "en"},
        {"regions": ["usa"]},
        {"regions": [1]},
        {"model": "best"},
        {"model": {"folder": "m"}},
        {"model": {"folder": "", "sha256": _SHA}},
        {"model": {"folder": "m", "sha256": "1"}},
        {"model": 3},
    ],
)
def test_other_values_are_refused(document: dict[str, object]) -> None:
    with pytest.raises(PolicyInvalid):
        read(document)
