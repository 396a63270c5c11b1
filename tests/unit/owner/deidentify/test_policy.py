"""Policy files: what is read from them, and where every mistake is."""

from __future__ import annotations

import contextlib
import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.owner.deidentify import (
    Privacy,
    Rule,
    load_policy,
    parse_policy,
    ready_policies,
)
from sealift.policy.lines import MAX_SIZE, lines_of_keys
from sealift_protocol.errors import PolicyInvalid

WHOLE = b"""\
format = 1
name = "readmission-study"
version = "2026-11"              # changes with every change
description = '''for
people'''
unlisted = "drop"
absent = "ignore"

[privacy]
quasi_identifiers = ["age", "zip"]
sensitive = ["diagnosis"]
min_k = 5
min_l = 2

[columns]
name       = "drop"
"a # b"    = { action = "mask", with = "}", keep_last = 2 }
patient    = { action = "hash" }
born       = { action = "generalise", to = "year" }
"(0010,0010)" = "drop"
"(60xx,3000)" = "drop"
"*.display" = "drop"

[columns."Patient.birthDate"]
action = "shift"
by = "patient"
"""
HEAD_2 = 'format = 2\nname = "x"\nversion = "1"\n[columns]\n'
HEAD = 'format = 1\nname = "x"\nversion = "1"\n[columns]\n'


def test_a_policy_is_read_whole() -> None:
    policy = parse_policy(WHOLE)
    assert (policy.name, policy.version) == ("readmission-study", "2026-11")
    assert policy.description == "for\npeople"
    assert (policy.unlisted, policy.absent) == ("drop", "ignore")
    assert policy.privacy == Privacy(("age", "zip"), ("diagnosis",), 5, 2)
    assert policy.rules == (
        Rule("name", "drop", {}, 16),
        Rule("a # b", "mask", {"keep_first": 0, "keep_last": 2, "with": "}"}, 17),
        Rule("patient", "hash", {"domain": ""}, 18),
        Rule("born", "generalise", {"to": "year", "oldest": 0}, 19),
        Rule("(0010,0010)", "drop", {}, 20),
        Rule("(60xx,3000)", "drop", {}, 21),
        Rule("*.display", "drop", {}, 22),
        Rule("Patient.birthDate", "shift", {"by": "patient", "days": 365}, 24),
    )
    assert [rule.tag for rule in policy.rules if rule.tag] == ["00100010", "60??3000"]
    assert [rule.is_glob for rule in policy.rules].count(True) == 2


def test_what_a_policy_does_not_say_is_the_strict_thing() -> None:
    policy = parse_policy(HEAD.encode())
    assert (policy.unlisted, policy.absent) == ("refuse", "refuse")
    assert policy.privacy == Privacy()


def test_the_digest_is_that_of_the_file() -> None:
    assert parse_policy(WHOLE).digest == hashlib.sha256(WHOLE).digest()
    assert parse_policy(WHOLE + b"# note\n").digest != parse_policy(WHOLE).digest


def test_line_ends_and_marks_of_windows_are_read() -> None:
    windows = b"\xef\xbb\xbf" + WHOLE.replace(b"\n", b"\r\n")
    assert [rule.line for rule in parse_policy(windows).rules][-1] == 24


def with_rule(rule: str) -> str:
    return HEAD + "first = 'drop'\n" + rule + "\nlast = 'drop'\n"


MISTAKES = [
    ("format = 3\n", 1, "does not support"),
    ("# x\nformat = true\n", 2, "does not support"),
    ('format = "1"\n', 1, "does not support"),
    ('name = "x"\n', None, "format"),
    ('format = 1\nversion = "1"\n[columns]\n', None, '"name"'),
    ('format = 1\nname = "x"\n[columns]\n', None, '"version"'),
    ('format = 1\nname = "x"\nversion = 2026\n[columns]\n', 3, "text"),
    ('format = 1\nname = ""\nversion = "1"\n[columns]\n', 2, "printable"),
    ('format = 1\nname = "a\\u001b"\nversion = "1"\n[columns]\n', 2, "printable"),
    ('format = 1\nname = "x"\nversion = "1"\n', None, "[columns]"),
    ('format = 1\nname = "x"\nversion = "1"\ncolumns = 3\n', 4, "table"),
    (
        'format = 1\nname = "x"\nversion = "1"\nunlisted = "allow"\n[columns]\n',
        4,
        "unknown",
    ),
    ('format = 1\nname = "x"\nversion = "1"\nabsent = []\n[columns]\n', 4, "unknown"),
    (
        'format = 1\nname = "x"\nversion = "1"\ncolour = "red"\n[columns]\n',
        4,
        "unknown",
    ),
    (HEAD + "[privacy]\nmin_k = 5\n", 6, "quasi_identifiers"),
    (HEAD + "[privacy]\nquasi_identifiers = ['a']\nmin_l = 5\n", 7, "sensitive"),
    (HEAD + "[privacy]\nquasi_identifiers = 'a'\n", 6, "list"),
    (HEAD + "[privacy]\nquasi_identifiers = [\n'a',\n'a']\n", 6, "twice"),
    (HEAD + "[privacy]\nmin_k = -1\n", 6, "whole number"),
    (HEAD + "[privacy]\nmin_k = 5.0\n", 6, "whole number"),
    (HEAD + "[privacy]\nk = 5\n", 6, "unknown"),
    (with_rule("x = 'erase'"), 6, "unknown"),
    (with_rule("x = 3"), 6, "action"),
    (with_rule("x = {}"), 6, "action"),
    (with_rule("x = { action = 3 }"), 6, "unknown"),
    (with_rule("a.b = 'drop'"), 6, "action"),
    (with_rule("'' = 'drop'"), 6, "name"),
    (with_rule("x = { action = 'hash', dmain = 'p' }"), 6, "does not have"),
    (with_rule("x = { action = 'drop', domain = 'p' }"), 6, "does not have"),
    (with_rule("x = { action = 'hash', domain = 3 }"), 6, '"domain"'),
    (with_rule("x = { action = 'mask', keep_last = true }"), 6, '"keep_last"'),
    (with_rule("x = { action = 'mask', keep_last = -1 }"), 6, '"keep_last"'),
    (with_rule("x = { action = 'mask', with = '**' }"), 6, '"with"'),
    (with_rule("x = { action = 'tokenise', alphabet = 'hex' }"), 6, '"alphabet"'),
    (with_rule("x = 'generalise'"), 6, '"to"'),
    (with_rule("x = { action = 'generalise', to = 'decade' }"), 6, '"to"'),
    (with_rule("x = { action = 'generalise', to = ['year'] }"), 6, '"to"'),
    (with_rule("x = { action = 'generalise', to = 'band' }"), 6, '"width"'),
    (
        with_rule("x = { action = 'generalise', to = 'band', width = nan }"),
        6,
        '"width"',
    ),
    (
        with_rule(
            "x = { action = 'generalise', to = 'band', width = 1" + "0" * 400 + " }"
        ),
        6,
        "wid",
    ),
    (
        with_rule("x = { action = 'generalise', to = 'zip3', width = 5 }"),
        6,
        "does not have",
    ),
    (with_rule("x = { action = 'shift' }"), 6, '"by"'),
    (with_rule("x = { action = 'shift', by = 'p', days = 0 }"), 6, '"days"'),
    (with_rule("x = { action = 'noise', scale = inf }"), 6, '"scale"'),
    (with_rule("x = { action = 'scrub', entities = [] }"), 6, '"entities"'),
    (with_rule("x = { action = 'scrub', entities = [1] }"), 6, '"entities"'),
    (with_rule("[columns.x]\naction = 'hash'\n\nx = 1"), 9, "does not have"),
    (with_rule("'(0010,0010)' = 'drop'\n'(0010,0010)' = 'keep'"), 7, "twice"),
    (with_rule("'(0010,00aa)' = 'drop'\n'(0010,00AA)' = 'keep'"), 7, "earlier rule"),
    (with_rule("first = 'keep'"), 6, "twice"),
    (with_rule("x = { action = 'hash', action = 'drop' }"), 6, "twice"),
    (with_rule("x = drop"), 6, "not TOML"),
    (with_rule("x y = 'drop'"), 6, "not TOML"),
    (with_rule("x = 'drop"), 6, "not TOML"),
]


@pytest.mark.parametrize(("text", "line", "words"), MISTAKES, ids=range(len(MISTAKES)))
def test_every_mistake_is_named_with_its_line(
    text: str, line: int | None, words: str
) -> None:
    path = Path("some.toml")
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy(text.encode(), path)
    error = caught.value
    assert (error.line, error.path) == (line, path)
    assert words in str(error)
    assert line is None or str(error).startswith(f"line {line}")
    assert error.hint


def test_a_file_in_another_encoding_is_named_by_line() -> None:
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy("format = 1\nname = 'Straße'\n".encode("latin-1"))
    assert caught.value.line == 2


@pytest.mark.parametrize(
    "source", [b"a = " + b"[" * 100_000, b"a = " + b"1" * 5000, b"#" * (MAX_SIZE + 1)]
)
def test_a_file_made_to_hurt_is_refused(source: bytes) -> None:
    with pytest.raises(PolicyInvalid):
        parse_policy(source)


def test_errors_quote_nothing_of_the_file() -> None:
    for secret in (
        "Zxqv",
        "Zxqv = 'drop'",
        "x = 'Zxqv'",
        "Zxqv.a = 'drop'",
        "x = {Zxqv = 1}",
    ):
        with pytest.raises(PolicyInvalid) as caught:
            parse_policy(with_rule(secret + "\nx = 'keep'\n? = 1").encode())
        assert "Zxqv" not in str(caught.value) + caught.value.hint
        assert caught.value.__cause__ is None


def test_a_policy_is_found_by_path_or_by_the_name_of_a_ready_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(WHOLE)
    assert load_policy(path) == load_policy(str(path)) == parse_policy(WHOLE)
    for name, policy in ready_policies().items():
        assert load_policy(name) == policy
    for bad in (tmp_path / "none.toml", tmp_path, "no-such-policy", "nul\0"):
        with pytest.raises(PolicyInvalid, match="cannot be read"):
            load_policy(bad)


KEYS = st.one_of(
    st.sampled_from(["a", "action", "columns", "to", "privacy", "min_k", "1-2_3"]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6),
)
VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.floats(),
        st.sampled_from(["drop", "hash", "generalise"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


def quoted(text: str, *, bare: bool = False) -> str:
    if bare and text.isascii() and text.replace("-", "").replace("_", "").isalnum():
        return text
    escaped = "".join(
        c if c.isalnum() or c in " #=[]{}.'," else f"\\U{ord(c):08x}" for c in text
    )
    return f'"{escaped}"'


def as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[ # ]\n" + ", # '\n".join(as_toml(item) for item in value) + "\n]"
    if isinstance(value, dict):
        pairs = (
            f"{quoted(key, bare=True)} = {as_toml(item)}" for key, item in value.items()
        )
        return "{ " + ", ".join(pairs) + " }"
    return repr(value)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_the_line_of_every_key_is_found(document: dict[str, Any]) -> None:
    text, expected = "", {}
    for number, (key, value) in enumerate(document.items()):
        text += "# x = 1\n" * (number % 3)
        expected[(key,)] = text.count("\n") + 1
        text += f"{quoted(key, bare=True)} = {as_toml(value)}\n"
    assert list(tomllib.loads(text)) == list(document)
    found = lines_of_keys(text)
    assert {path: line for path, line in found.items() if len(path) == 1} == expected


@given(
    st.one_of(st.binary(max_size=200), st.text("[]{}=\"'.,#\n\\ abu01e-", max_size=60))
)
def test_bytes_of_any_kind_are_read_or_refused(source: bytes | str) -> None:
    with contextlib.suppress(PolicyInvalid):
        parse_policy(source if isinstance(source, bytes) else source.encode())


@given(
    st.dictionaries(
        st.sampled_from(["unlisted", "absent", "privacy", "x"]), VALUES, max_size=2
    ),
    st.dictionaries(KEYS, VALUES, max_size=4),
    st.lists(
        st.sampled_from(
            ["width = 5", "to = 'band'", "to = 'age-band'", "by = 'p'", "scale = 1"]
        ),
        max_size=3,
    ),
)
def test_toml_of_any_kind_is_read_or_refused(
    top: dict[str, Any], columns: dict[str, Any], settings: list[str]
) -> None:
    lines = ["format = 1", "name = 'x'", "version = '1'"]
    lines += [f"{key} = {as_toml(value)}" for key, value in top.items()]
    lines += ["[columns]", *(f"{quoted(k)} = {as_toml(v)}" for k, v in columns.items())]
    lines += ["[columns.rule]", "action = 'generalise'", *settings]
    try:
        policy = parse_policy("\n".join(lines).encode())
    except PolicyInvalid:
        return
    assert all(rule.line > 3 for rule in policy.rules)


@pytest.mark.parametrize(
    "rule",
    [
        "a = { action = 'tokenise', alphabet = 'pan', keep_first = 8 }",
        "a = { action = 'generalise', to = 'zip3', areas = ['036', '059'] }",
        "a = { action = 'generalise', to = 'year', order = 'mdy' }",
        "a = { action = 'shift', by = 'b', order = 'dmy' }",
        "a = { action = 'hash', missing = 'refuse' }",
    ],
)
def test_some_settings_are_of_format_2_only(rule: str) -> None:
    assert parse_policy((HEAD_2 + rule).encode()).format == 2
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy((HEAD + rule).encode())
    assert caught.value.line == 5


@pytest.mark.parametrize(
    "rule",
    [
        "a = { action = 'tokenise', alphabet = 'pan', keep_last = 4 }",
        "a = { action = 'tokenise', alphabet = 'pan', keep_first = 9 }",
        "a = { action = 'generalise', to = 'zip3', areas = [] }",
        "a = { action = 'generalise', to = 'zip3', areas = [36] }",
        "a = { action = 'generalise', to = 'zip3', areas = ['0361'] }",
        "a = { action = 'generalise', to = 'year', order = 'ydm' }",
        "a = { action = 'hash', missing = 'hash' }",
    ],
)
def test_what_format_2_does_not_allow_is_refused(rule: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy((HEAD_2 + rule).encode())
    assert caught.value.line == 5
