"""What format 2 adds to a policy file, and where every mistake is."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.policy.file import parse_policy
from sealift.policy.model import Guard, KnownRules, Rule
from sealift.policy.texts import TextRules
from sealift_protocol.errors import PolicyInvalid

HEAD = 'format = 2\nname = "x"\nversion = "1"\n'
WHOLE = (
    HEAD
    + """\
max_failed = 0.01
languages = ["fr", "en"]
regions = ["CA"]
model = "fr-md"
[metadata]
keep = ["unit"]
[ages]
oldest = 90
[identifiers]
name = "drop"
birth-date = { action = "generalise", to = "year", of = "birth" }
[columns]
weight = { action = "keep", type = "numeric", min = 0, max = 400 }
sex = { action = "keep", values = ["F", "M", 9], misfit = "refuse" }
dx = { action = "keep", code = ["ICD-10-CM", "SNOMED CT"] }
"{a,b}_note" = "scrub"
[known]
by = ["{mrn,pid}", "Patient.id"]
columns = ["*doctor*"]
max_unknown = 0.25
"""
)


def test_a_policy_of_format_2_is_read_whole() -> None:
    policy = parse_policy(WHOLE.encode())
    assert (policy.format, policy.max_failed, policy.oldest) == (2, 0.01, 90)
    assert policy.metadata == ("unit",)
    assert policy.texts == TextRules(("fr", "en"), ("CA",), "fr-md")
    assert policy.known == KnownRules(
        ("mrn", "pid", "Patient.id"), (Rule("*doctor*", "", {}, 22),), 0.25
    )
    assert policy.rules == (
        Rule("name", "drop", {}, 13, identifier=True),
        Rule(
            "birth-date",
            "generalise",
            {"to": "year", "oldest": 0, "order": "", "of": "birth"},
            14,
            identifier=True,
        ),
        Rule("weight", "keep", {}, 16, Guard("type", ("numeric",), 0, 400)),
        Rule(
            "sex",
            "keep",
            {},
            17,
            Guard("values", ("F", "M", "9"), -999_999, 999_999, refuses=True),
        ),
        Rule(
            "dx",
            "keep",
            {},
            18,
            Guard("code", ("ICD-10-CM", "SNOMED CT"), -999_999, 999_999),
        ),
        Rule("{a,b}_note", "scrub", {"entities": []}, 19, None, ("a_note", "b_note")),
    )


def test_what_a_policy_of_format_2_does_not_say_is_the_strict_thing() -> None:
    policy = parse_policy((HEAD + "[columns]\n").encode())
    assert (policy.max_failed, policy.metadata, policy.oldest) == (0.0, (), 0)
    assert policy.unlisted == policy.absent == "refuse"
    assert policy.known is None
    assert parse_policy((HEAD + "[known]\n[columns]\n").encode()).known == KnownRules()


def with_rule(rule: str) -> str:
    return HEAD + "[columns]\nfirst = 'drop'\n" + rule + "\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + 'unlisted = "keep"\n[columns]\n', 4, "unknown"),
        (HEAD + "max_failed = 2\n[columns]\n", 4, "share"),
        (HEAD + "max_failed = true\n[columns]\n", 4, "share"),
        (HEAD + "[ages]\noldest = 200\n[columns]\n", 5, "whole number"),
        (HEAD + "[metadata]\nkeep = 'unit'\n[columns]\n", 5, "list"),
        (HEAD + "[identifiers]\nnames = 'drop'\n[columns]\n", 5, "class"),
        (HEAD + "[known]\nby = 'mrn'\n[columns]\n", 5, "list"),
        (HEAD + "[known]\nby = ['*id']\n[columns]\n", 5, "without"),
        (HEAD + "[known]\nby = ['{a,b']\n[columns]\n", 5, "brace"),
        (HEAD + "[known]\ncolumns = ['{a']\n[columns]\n", 5, "brace"),
        (HEAD + "[known]\nmax_unknown = 1.1\n[columns]\n", 5, "share"),
        (HEAD + "[known]\npatient = 'mrn'\n[columns]\n", 5, "unknown"),
        (HEAD + "known = 'mrn'\n[columns]\n", 4, "table"),
        (with_rule("x = { action = 'keep', type = 'text' }"), 6, '"type"'),
        (with_rule("x = { action = 'keep', values = [] }"), 6, '"values"'),
        (with_rule("x = { action = 'keep', values = ['a', 'A'] }"), 6, "twice"),
        (with_rule("x = { action = 'keep', code = 'ICD' }"), 6, "code system"),
        (with_rule("x = { action = 'keep', code = [] }"), 6, "code system"),
        (
            with_rule("x = { action = 'keep', type = 'numeric', values = [1] }"),
            6,
            "one of",
        ),
        (with_rule("x = { action = 'keep', min = 0 }"), 6, "one of"),
        (with_rule("x = { action = 'keep', misfit = 'null' }"), 6, "one of"),
        (with_rule("x = { action = 'keep', values = ['a'], max = 3 }"), 6, "numeric"),
        (
            with_rule("x = { action = 'keep', type = 'numeric', min = 3, max = 2 }"),
            6,
            "above",
        ),
        (
            with_rule("x = { action = 'keep', type = 'numeric', max = nan }"),
            6,
            "number",
        ),
        (
            with_rule("x = { action = 'keep', type = 'boolean', misfit = 'drop' }"),
            6,
            '"misfit"',
        ),
        (with_rule("x = { action = 'drop', type = 'boolean' }"), 6, "no effect"),
        (with_rule("'{a,b' = 'drop'"), 6, "brace"),
        (with_rule("FIRST = 'keep'"), 6, "same name"),
        (with_rule("'{a,A}' = 'keep'"), 6, "same name"),
    ],
)
def test_every_mistake_is_named_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy(text.encode())
    assert caught.value.line == line
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "key", ["max_failed = 0", "[ages]\n", "[identifiers]\n", "[known]\n"]
)
def test_format_1_has_none_of_it(key: str) -> None:
    text = HEAD.replace("format = 2", "format = 1") + key + "\n[columns]\n"
    with pytest.raises(PolicyInvalid, match="unknown"):
        parse_policy(text.encode())
    rule = with_rule("x = { action = 'keep', type = 'numeric' }")
    with pytest.raises(PolicyInvalid, match="does not have"):
        parse_policy(rule.replace("format = 2", "format = 1").encode())


VALUES = st.sampled_from(
    ["'numeric'", "'x'", "[1, 'a']", "-1", "1e999", "true", "nan", "[[]]", "{}", "''"]
)


@given(
    st.dictionaries(
        st.sampled_from(["type", "values", "code", "misfit", "min", "max", "of"]),
        VALUES,
        max_size=4,
    ),
    st.text("{},ab*.", max_size=8),
)
def test_rules_of_any_kind_are_read_or_refused(keys: dict[str, str], name: str) -> None:
    settings = "".join(f", {key} = {value}" for key, value in keys.items())
    rule = f'"{name}" = {{ action = "keep"{settings} }}'
    with contextlib.suppress(PolicyInvalid):
        parse_policy(with_rule(rule).encode())
