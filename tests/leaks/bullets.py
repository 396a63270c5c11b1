"""Takes away one protection of the owner's side after another, and shows that tests miss it.

    python tests/leaks/bullets.py               # all of them: takes some minutes
    python tests/leaks/bullets.py --only "metadata is dropped" --only "names fold"

Each is a change of a copy of the tree, after which the named tests run until one fails: the
protection is *missed*. Where all pass, nothing would have noticed that it is gone: *not missed*,
and the exit code is 1. Tests that fail with every protection in place do not count.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "faults"))

from mutation.copies import Copy  # noqa: E402

DEIDENTIFY = "client/sealift/owner/deidentify"
POLICY = "client/sealift/policy"
SOURCES = "client/sealift/owner/sources"
UNIT = "tests/unit/owner/deidentify"
LEAKS = "tests/leaks/test_leaks.py::test_nothing_planted_reaches_a_trainer_or_the_relay"
# A run of the generator in which every protection that it can miss is needed.
SEED = "5"
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Bullet:
    """A protection, and how it is taken away.

    Attributes:
        what: what holds while it is there.
        path: the file.
        old: text in the file, once; or the name of a function, with its class before a dot.
        new: what stands there instead; of a function, its body.
        tests: files of tests, or tests, of which one fails without it.
    """

    what: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


BULLETS = (
    Bullet(
        "a rule applies to a leaf, and to nothing around or inside it",
        f"{DEIDENTIFY}/rules.py",
        'if outer is not None and rules[outer].action == "drop":',
        "if outer is not None:",
        (f"{UNIT}/test_leaves.py",),
    ),
    Bullet(
        "what no rule names is refused",
        f"{DEIDENTIFY}/rules.py",
        'if policy.unlisted == "refuse" and unlisted:',
        "if False:",
        (f"{UNIT}/test_columns.py", f"{UNIT}/test_leaves.py"),
    ),
    Bullet(
        "names that flatteners make are leaves",
        f"{POLICY}/names.py",
        "indexed_steps_of",
        "return (name,)",
        (f"{UNIT}/test_leaves.py", "tests/unit/policy/test_names.py"),
    ),
    Bullet(
        "a header that another character separates is refused",
        f"{SOURCES}/csvblocks.py",
        "CsvParser._refuse_other_delimiter",
        "return",
        ("tests/unit/owner/sources/test_text.py",),
    ),
    Bullet(
        "what does not fit a guard's type becomes null",
        f"{DEIDENTIFY}/guards.py",
        "return pc.if_else(fits, numbers, pa.scalar(None, numbers.type))",
        "return numbers",
        (f"{UNIT}/test_guards.py", LEAKS),
    ),
    Bullet(
        "what is in no closed list becomes null",
        f"{DEIDENTIFY}/guards.py",
        "texts = [spelled.get(t.strip().casefold()) for t in found.to_pylist()]",
        "texts = found.to_pylist()",
        (LEAKS,),
    ),
    Bullet(
        "what has not the form of a code becomes null",
        f"{POLICY}/codes.py",
        "CodeSystem.fits",
        "return True",
        ("tests/unit/policy/test_codes.py",),
    ),
    Bullet(
        "a policy that could keep text is named by the linter",
        f"{POLICY}/lint.py",
        "lint",
        "return []",
        ("tests/unit/policy/test_lint.py",),
    ),
    Bullet(
        "names fold: case, spaces, _ and - do not count",
        f"{POLICY}/names.py",
        "fold",
        "return name",
        ("tests/unit/policy/test_names.py",),
    ),
    Bullet(
        "identifiers are known by their headers in eight languages",
        f"{POLICY}/headers.py",
        "identifier_of",
        'return ""',
        ("tests/unit/policy/test_names.py", f"{UNIT}/test_leaves.py"),
    ),
    Bullet(
        "two columns of one name are refused",
        f"{DEIDENTIFY}/rules.py",
        "Columns.alike",
        "return []",
        (f"{UNIT}/test_leaves.py",),
    ),
    Bullet(
        "metadata is dropped",
        f"{DEIDENTIFY}/deidentifier.py",
        "_kept",
        "return metadata",
        (LEAKS,),
    ),
    Bullet(
        "the names of lists' items are dropped",
        f"{DEIDENTIFY}/lists.py",
        'field = pa.field("item", item)',
        "field = pa.field(kind.value_field.name, item)",
        (f"{UNIT}/test_leaves.py",),
    ),
    Bullet(
        "a report counts columns that the policy does not name",
        f"{DEIDENTIFY}/report.py",
        "told = [column for column in self.columns if whole or column.is_told]",
        "told = list(self.columns)",
        (LEAKS,),
    ),
    Bullet(
        "no year tells an age of ninety or more",
        f"{DEIDENTIFY}/ages.py",
        "return pa.array(told >= self._oldest)",
        "return pa.array(told > 9999)",
        (f"{UNIT}/test_guards.py",),
    ),
    Bullet(
        "what could not be changed stops the push above max_failed",
        f"{DEIDENTIFY}/report.py",
        "        if failed:\n            worst",
        "        if False:\n            worst",
        (f"{UNIT}/test_guards.py",),
    ),
    Bullet(
        "a push of which nothing is left is refused",
        f"{DEIDENTIFY}/report.py",
        "if values and not any(",
        "if False and not any(",
        (f"{UNIT}/test_guards.py",),
    ),
    Bullet(
        "what identifies is read as text, with every digit",
        f"{DEIDENTIFY}/reading.py",
        "_reading_of",
        "return ReadAs.INFERRED",
        ("tests/unit/owner/sources/test_identifiers_in_text.py",),
    ),
    Bullet(
        "numbers of more than fifteen digits are text",
        f"{SOURCES}/jsonnumbers.py",
        "loses_digits",
        "return False",
        ("tests/unit/owner/sources/test_identifiers_in_text.py",),
    ),
    Bullet(
        "hash and tokenise refuse floating point",
        f"{DEIDENTIFY}/operations.py",
        "reading is Reading.NUMBERS or not pa.types.is_floating(kind)",
        "True",
        (f"{UNIT}/test_identifiers.py",),
    ),
    Bullet(
        "an identifier that names nobody is no person",
        f"{DEIDENTIFY}/identifiers.py",
        "return pc.if_else(nobody, pa.scalar(None, texts.type), texts)",
        "return texts",
        (f"{UNIT}/test_identifiers.py",),
    ),
    Bullet(
        "pads around an identifier do not count",
        f"{DEIDENTIFY}/identifiers.py",
        "texts = pc.utf8_trim(_narrow(texts), characters=PADS)",
        "texts = _narrow(texts)",
        (f"{UNIT}/test_identifiers.py",),
    ),
    Bullet(
        "sealed bytes hold exactly the records",
        "client/sealift/formats/compact.py",
        "compact",
        "return batch",
        (LEAKS,),
    ),
    Bullet(
        "nothing that a policy left lies under nulls of a leaf",
        f"{DEIDENTIFY}/lists.py",
        "without_hidden",
        "return values",
        (f"{UNIT}/test_leaves.py",),
    ),
    Bullet(
        "what is known of a person is looked for in its texts",
        f"{DEIDENTIFY}/matching.py",
        "find_known",
        "return {}",
        (f"{UNIT}/test_known.py",),
    ),
    Bullet(
        "a text that is kept and names its patient stops the push",
        f"{DEIDENTIFY}/looking.py",
        "LastLook.refuse_kept",
        "return",
        (f"{UNIT}/test_known.py",),
    ),
    Bullet(
        "a text waits for what later records tell of its patient",
        "client/sealift/owner/push/waiting.py",
        "if not transform.waits:",
        "if True:",
        ("tests/integration/test_last_look.py",),
    ),
    Bullet(
        "a file is read for what it tells of people before the first record is sent",
        "client/sealift/owner/push/deidentifying.py",
        "if not (source.rereadable and self._deidentifier.looks_at_people):",
        "if True:",
        ("tests/integration/test_last_look.py",),
    ),
    Bullet(
        "texts that could not wait stop the push above max_unknown",
        f"{DEIDENTIFY}/looking.py",
        "if self.early > max_unknown * self.searched:",
        "if False:",
        ("tests/integration/test_last_look.py",),
    ),
    Bullet(
        "common words and short ones tell nobody",
        f"{DEIDENTIFY}/spellings.py",
        "tells_alone",
        "return True",
        (f"{UNIT}/test_known.py",),
    ),
    Bullet(
        "every batch is validated before it is sealed",
        "client/sealift/owner/push/admitting.py",
        "_unsound",
        "return {}",
        ("tests/unit/owner/push/test_admitting.py",),
    ),
    Bullet(
        "a person is erased by the number in the source",
        "client/sealift/owner/manage/naming.py",
        "_pseudonyms",
        "return set()",
        ("tests/integration/test_erasing_people.py",),
    ),
    Bullet(
        "a number that fails the check of cards becomes null",
        f"{DEIDENTIFY}/tokens.py",
        "if check_digit(inner[:-1]) != int(inner[-1]):",
        "if False:",
        (f"{UNIT}/test_card_tokens.py",),
    ),
    Bullet(
        "a token fails the check of cards",
        f"{DEIDENTIFY}/tokens.py",
        "check = (check_digit(changed) + wrong_by) % 10",
        "check = check_digit(changed)",
        (f"{UNIT}/test_card_tokens.py",),
    ),
    Bullet(
        "ZIP areas of few people become 000",
        f"{DEIDENTIFY}/low_population_zips.py",
        "CENSUS_AREAS = frozenset((*_COUNTED, *_NOT_COUNTED.split()))",
        "CENSUS_AREAS = frozenset()",
        (f"{UNIT}/test_actions.py", f"{UNIT}/test_identifiers.py"),
    ),
    Bullet(
        "an unknown modifier extension of FHIR is refused",
        f"{SOURCES}/fhir_modifiers.py",
        "raise UnknownModifierError(level if level in self.levels else None)",
        "pass",
        ("tests/unit/owner/sources/test_fhir.py",),
    ),
    Bullet(
        "an image that may show text is refused",
        f"{DEIDENTIFY}/images.py",
        'if not suspected or self._burned_in == "report":',
        "if True:",
        (f"{UNIT}/test_pixels.py",),
    ),
    Bullet(
        "pixels that cannot be looked at are suspected",
        f"{DEIDENTIFY}/pixels.py",
        "if image is None:\n                return BurnedIn(suspected=True",
        "if image is None:\n                return BurnedIn(suspected=False",
        (f"{UNIT}/test_pixels.py",),
    ),
    Bullet(
        "the dry run shows every change",
        f"{DEIDENTIFY}/preview.py",
        "around_changes",
        "return before[:48], after[:48]",
        (f"{UNIT}/test_columns.py",),
    ),
    Bullet(
        "a policy that is known to leak is refused for new pushes",
        f"{POLICY}/withdrawn.py",
        "refuse_withdrawn",
        "return",
        ("tests/integration/test_policies.py",),
    ),
)


def without(source: str, bullet: Bullet) -> str:
    """Return a file's text without a protection.

    Raises:
        ValueError: what is to be taken away is not there, or twice.
    """
    if not bullet.old.replace("_", "").replace(".", "").isalnum():
        if source.count(bullet.old) != 1:
            raise ValueError(f"{bullet.path} has no single {bullet.old!r}")
        return source.replace(bullet.old, bullet.new)
    function = _function(ast.parse(source), bullet.old.split("."))
    if function is None:
        raise ValueError(f"{bullet.path} has no function {bullet.old}")
    lines = source.splitlines(keepends=True)
    first, last = function.body[0], function.body[-1]
    body = textwrap.indent(f"{bullet.new}\n", " " * first.col_offset)
    return "".join([*lines[: first.lineno - 1], body, *lines[last.end_lineno :]])


def _function(tree: ast.AST, names: Sequence[str]) -> ast.FunctionDef | None:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == names[0]:
            if len(names) > 1:
                return _function(node, names[1:])
            return node if isinstance(node, ast.FunctionDef) else None
    return None


def _edited(bullet: Bullet, source: bytes) -> bytes:
    return without(source.decode(), bullet).encode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], metavar="WHAT")
    chosen = parser.parse_args(arguments)
    os.environ["SEALIFT_LEAKS_SEED"] = SEED
    bullets = [
        b for b in BULLETS if not chosen.only or any(o in b.what for o in chosen.only)
    ]
    left = 0
    with tempfile.TemporaryDirectory(prefix="bullets-") as scratch:
        copy = Copy(ROOT, Path(scratch))
        tests = dict.fromkeys(test for bullet in bullets for test in bullet.tests)
        whole = copy.pytest(["-n", "0", *tests], PATIENCE)
        # What fails anyway says nothing about a protection.
        doubtful = [line["failed"] for line in whole.of("failed")]
        for name in doubtful:
            print(f"fails with every protection in place, and is left out: {name}")
        left_out = [f"--deselect={name}" for name in doubtful]
        for number, bullet in enumerate(bullets):
            with copy.edited(bullet.path, partial(_edited, bullet), number):
                done = copy.pytest(
                    ["-x", "-n", "0", *left_out, *bullet.tests], PATIENCE
                )
            failed = [line["failed"] for line in done.of("failed")]
            missed = bool(failed) or done.status != 0
            left += not missed
            by = failed[0] if failed else f"exit code {done.status}"
            print(
                f"{'missed    ' if missed else 'NOT MISSED'}  {bullet.what}  ({by})",
                flush=True,
            )
    print(f"{len(bullets) - left} of {len(bullets)} are missed")
    return int(bool(left))


if __name__ == "__main__":
    raise SystemExit(main())
