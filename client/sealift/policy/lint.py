"""Finds the rules of a policy that could let text, dates, nested values or metadata through.

A pure function of the policy: `sealift policy check` prints what it finds.
"""

from __future__ import annotations

from dataclasses import dataclass

from sealift.policy.model import Policy, Rule
from sealift.policy.withdrawn import successor_of


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule, or a setting, under which something could leave that nobody looked at.

    Attributes:
        line: line number in the file; 0 for the file as a whole.
        pattern: the rule's pattern, or the setting's name.
        why: what could leave, and what would prevent it.
    """

    line: int
    pattern: str
    why: str


def lint(policy: Policy) -> list[Finding]:
    """Return what a policy could let through, in the order of the file."""
    found = [
        finding for rule in policy.rules for finding in _of_rule(rule, policy.format)
    ]
    if successor_of(policy.digest):
        found.append(
            Finding(
                0,
                policy.name,
                "this version was withdrawn: it lets identifiers through",
            )
        )
    if policy.unlisted == "keep":
        found.append(
            Finding(
                0,
                "unlisted",
                'columns that no rule names are kept, whatever they hold: write "refuse" or "drop"',
            )
        )
    if policy.known is not None and policy.known.max_unknown:
        found.append(
            Finding(
                0,
                "known.max_unknown",
                "texts may be sent before anything is known of their person, so that its name in "
                "them stays: write 0",
            )
        )
    found += [
        Finding(
            0,
            "metadata.keep",
            f"the metadata {key!r} is kept, and any program may have written it: take it out",
        )
        for key in policy.metadata
    ]
    return sorted(found, key=lambda finding: finding.line)


def _of_rule(rule: Rule, form: int) -> list[Finding]:
    whys: list[str] = []
    settings = rule.settings
    if rule.action == "keep":
        whys += _of_kept(rule, form)
    elif rule.action == "scrub" and settings.get("entities"):
        whys.append(
            "only the named types are removed from the text: leave out `entities` for all types"
        )
    elif rule.action == "mask" and _shown(rule) > _MOST_SHOWN:
        whys.append(
            f"{_shown(rule)} characters of each value stay, enough for a name or a date: show fewer"
        )
    elif rule.action == "tokenise" and _shown(rule) > _MOST_DIGITS:
        whys.append(
            f"{_shown(rule)} characters of each value stay; of a card number, six may"
        )
    return [Finding(rule.line, rule.pattern, why) for why in whys]


_MOST_SHOWN = 4
_MOST_DIGITS = 10


def _shown(rule: Rule) -> int:
    kept = [rule.settings.get(key, 0) for key in ("keep_first", "keep_last")]
    return sum(number for number in kept if isinstance(number, int))


def _of_kept(rule: Rule, form: int) -> list[str]:
    how = (
        "add type, values or code, scrub it, or drop it"
        if form > 1
        else "format 2 can add type, values or code; scrub it, or drop it"
    )
    guard = rule.guard
    if guard is None and rule.is_glob:
        return [
            "every column that fits the pattern is kept, whatever it holds (text, dates), and its "
            f"name with it: {how}"
        ]
    if guard is None:
        return [f"the column is kept, whatever it holds (text, dates): {how}"]
    if guard.allowed == ("date",) and rule.is_glob:
        return ["whole dates are kept under a pattern: name the columns"]
    return []
