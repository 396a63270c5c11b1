"""The rules that could let text through are named, with their lines; the ready ones have none."""

from __future__ import annotations

import pytest
from places import ROOT

from sealift.policy.file import parse_policy, ready_policies
from sealift.policy.lint import lint

WITHDRAWN = ROOT / "client" / "sealift" / "policy" / "retired"


def findings(columns: str, top: str = "format = 2") -> list[tuple[int, str]]:
    text = f'{top}\nname = "x"\nversion = "1"\n[columns]\n{columns}'
    return [(one.line, one.pattern) for one in lint(parse_policy(text.encode()))]


@pytest.mark.parametrize("name", sorted(ready_policies()))
def test_no_ready_policy_has_a_rule_that_could_keep_text(name: str) -> None:
    policy = ready_policies()[name]
    assert lint(policy) == []
    kept = [rule for rule in policy.rules if rule.action == "keep"]
    assert kept
    assert all(rule.guard is not None for rule in kept)
    # A pattern with a star would let the name of a column through.
    named = [r for r in policy.rules if r.is_glob and r.action != "drop" and not r.tag]
    assert all(rule.pattern.split(".")[0].isalpha() for rule in named)
    assert policy.metadata == ()


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("a = 'keep'", True),
        ("'a*' = 'keep'", True),
        ("a = { action = 'keep', type = 'numeric' }", False),
        ("a = { action = 'keep', values = ['x'] }", False),
        ("'a*' = { action = 'keep', type = 'date' }", True),
        ("a = { action = 'scrub', entities = ['PERSON'] }", True),
        ("a = 'scrub'", False),
        ("a = { action = 'mask', keep_first = 6 }", True),
        ("a = { action = 'mask', keep_first = 2 }", False),
        ("a = 'drop'", False),
        ("a = 'hash'", False),
    ],
)
def test_a_rule_that_could_keep_text_is_named(rule: str, found: bool) -> None:
    assert bool(findings(rule)) == found
    if found:
        [(line, _)] = findings(rule)
        assert line == 5


def test_what_is_kept_without_a_rule_is_named() -> None:
    assert findings("", 'format = 1\nunlisted = "keep"') == [(0, "unlisted")]
    assert findings("", 'format = 2\nmetadata = { keep = ["label"] }') == [
        (0, "metadata.keep")
    ]
    assert findings("", "format = 2\nknown = { max_unknown = 0.1 }") == [
        (0, "known.max_unknown")
    ]
    assert findings("", "format = 2\nknown = { max_unknown = 0 }") == []


@pytest.mark.parametrize("path", sorted(WITHDRAWN.iterdir()), ids=lambda p: p.stem)
def test_a_withdrawn_policy_is_read_and_named_as_such(path) -> None:
    policy = parse_policy(path.read_bytes())
    assert policy.format == 1
    assert any("withdrawn" in finding.why for finding in lint(policy))
