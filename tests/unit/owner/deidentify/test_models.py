"""Models for texts: those that a user brings, and the digests that pin all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.training import Example

from sealift.owner.deidentify.models import Models, folder_digest
from sealift.policy.texts import TextRules
from sealift_protocol.errors import InvalidArgument


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A German model that knows one name, trained in a moment."""
    nlp = spacy.blank("de")
    ner = nlp.add_pipe("ner")
    ner.add_label("PER")  # type: ignore[attr-defined]
    text = "Heute kam Zwackelmann"
    example = Example.from_dict(nlp.make_doc(text), {"entities": [(10, 21, "PER")]})
    optimizer = nlp.initialize(lambda: [example])
    for _ in range(20):
        nlp.update([example], sgd=optimizer)
    path = tmp_path_factory.mktemp("models") / "de"
    nlp.to_disk(path)
    return path


def test_a_model_of_the_users_finds_its_names(folder: Path) -> None:
    texts = TextRules(("de",), folder=str(folder), sha256=folder_digest(folder))
    [names] = Models(texts).find(["Heute kam Zwackelmann"], ["de"])
    assert [(span.start, span.end, span.kind) for span in names] == [(10, 21, "PERSON")]


def test_another_model_in_its_place_is_refused(folder: Path, tmp_path: Path) -> None:
    texts = TextRules(("de",), folder=str(folder), sha256="0" * 64)
    with pytest.raises(InvalidArgument, match="not the one"):
        Models(texts)


def test_the_digest_tells_names_from_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"bc")
    one = folder_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "ab")
    (tmp_path / "ab").write_bytes(b"c")
    assert folder_digest(tmp_path) != one
