"""The texts are plain English: phrases that are never right here appear in none of them."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PHRASES = (
    r"\bsomebody\b",
    r"\bwhosoever\b",
    r"\banew\b",
    r"\bnot to be had\b",
    # As an ending: "opens no more than its grant" is right.
    r"\bno more(?=\s*(?:[.,;:!?]|$))",
    r"\bstands? in the source no more\b",
    r"\b(?:be away|unchanged|after) so long\b",
    r"\bso long(?=\s*(?:[.;]|$))",
    r"\bafter so much\b",
    r"\bdo not ask; for scripts\b",
    r"\ba push that ended anywhere\b",
    r"\ban option of the push is not known\b",
    r"\bno fingerprint is pinned for that member\b",
    r"\bwho calls: ",
    r"\bwhat a commit says of its change\b",
    r"\bwhom this (?:machine|profile) trusts\b",
    r"\bin the place of\b",
    r"\blet alone\b",
)
WRONG = re.compile("|".join(f"(?:{phrase})" for phrase in PHRASES), re.IGNORECASE)
# Most files have none of the words, and need not be parsed.
_WORDS = re.compile(
    "|".join(f"(?:{phrase.partition('(?=')[0]})" for phrase in PHRASES), re.IGNORECASE
)
_BETWEEN_WORDS = re.compile(r"""[\s"'#/]+(?:[frb]{1,2}["'])?[\s"']*""")


def sources() -> Iterator[Path]:
    for package in ("client", "server", "protos"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "_pb2" not in path.name:
                yield path
    yield from sorted((ROOT / "protos").rglob("*.proto"))


def pages() -> Iterator[Path]:
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))


def texts(path: Path) -> Iterator[str]:
    """Strings and comments of a Python file, each on one line; any other file as a whole."""
    content = path.read_text()
    if path.suffix != ".py":
        yield content.replace("\n//", " ")
        return
    comments: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type is tokenize.COMMENT:
            comments.append(token.string.lstrip("# "))
        elif token.type is not tokenize.NL:
            # A sentence may go over several lines of comment.
            yield " ".join(comments)
            comments = []
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else "…"
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def wrong(path: Path) -> list[str]:
    if not _WORDS.search(_BETWEEN_WORDS.sub(" ", path.read_text())):
        return []
    plain = (re.sub(r"\s+", " ", text) for text in texts(path))
    return [
        text[max(0, found.start() - 40) : found.end() + 40]
        for text in plain
        for found in WRONG.finditer(text)
    ]


def test_no_text_has_a_phrase_that_is_never_right() -> None:
    found = {
        str(path.relative_to(ROOT)): phrases
        for path in (*sources(), *pages())
        if (phrases := wrong(path))
    }
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        '"""A valid signature of somebody."""',
        "# Seals it\n# anew.\n",
        'help = "Stop that no more."',
        'help = f"{x} is not to " "be had"',
        'help = "Relay may be away so long; default 10m."',
        'help = "Files unchanged so long; default 2s."',
        'help = "Commit after so much; default 1GiB."',
        'help = "Do not ask; for scripts."',
        '"""Who calls: the member."""',
    ],
)
def test_a_phrase_is_found_in_docstrings_comments_and_messages(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "module.py"
    path.write_text(text + "\n")
    assert wrong(path)


def test_a_phrase_is_found_in_a_page(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("The key is made\nanew. It opens no more than its grant does.\n")
    assert len(wrong(path)) == 1
