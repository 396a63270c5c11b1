"""The trainers' examples run as people run them, on records that they open from a relay."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE
from places import ROOT

EXAMPLES = ROOT / "examples"
pytestmark = pytest.mark.usefixtures("warm_scripts")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A relay, a hospital that has pushed digits, and a laboratory that was granted them."""
    folder = tmp_path_factory.mktemp("trainers") / "place"
    with subprocess.Popen(
        [sys.executable, EXAMPLES / "trainers.py", folder],
        stdout=subprocess.PIPE,
        text=True,
    ) as made:
        assert made.stdout is not None
        shown = []
        for line in made.stdout:
            shown.append(line)
            if line.startswith("ready: "):
                break
        else:
            pytest.fail("".join(shown))
        yield folder
        made.send_signal(signal.SIGINT)
    assert made.returncode == 0


def needs(package: str) -> None:
    """Skips the test if a package is not there; it is not imported, which takes seconds."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


def played(example: str, place: Path | None = None, **environment: str) -> str:
    options = [] if place is None else ["--at", str(place)]
    done = subprocess.run(
        [sys.executable, EXAMPLES / example, *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    if "operator torchvision::" in done.stderr:
        pytest.skip(
            "torchvision was built for another torch, so that nothing can import it"
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def accuracy_of(shown: str) -> float:
    """The accuracy, which has to be the same on both sides.

    The order follows from the shards' ids, which are new each time, so it varies by a few percent.
    """
    [opened] = re.findall(r"accuracy on the opened records: +(\S+)", shown)
    [plain] = re.findall(r"accuracy on the plaintext, in the same order: +(\S+)", shown)
    assert opened == plain
    return float(opened)


def loops_of(shown: str) -> list[tuple[int, int]]:
    """Records and batches of each loop that said how fast it was."""
    told = (
        r"([\d,]+) records in (\d+) batches: [\d,]+ records/s, waited \d+% of the time"
    )
    return [
        (int(records.replace(",", "")), int(batches))
        for records, batches in re.findall(told, shown)
    ]


@pytest.mark.own_process  # It says what was imported.
def test_scikit_learn_learns_batch_by_batch_without_torch() -> None:
    shown = played("train_sklearn.py")
    assert accuracy_of(shown) > 0.8
    assert loops_of(shown) == [(3 * 1437, 3 * 23)]
    for line in (
        "pushed 1,797 records",
        "of 1,797 records, 1,437 are for training",
        "weights of the models on both sides: equal",
        "torch was imported: no",
    ):
        assert line in shown, line


def test_a_net_goes_on_from_the_checkpoint_of_a_process_that_was_killed(
    place: Path,
) -> None:
    needs("torch")
    shown = played("train_torch.py", place)
    assert accuracy_of(shown) > 0.85
    # 34 batches are one training epoch and 11 batches of the next one.
    assert loops_of(shown) == [(3 * 1437, 3 * 23), (2 * 1437 - 11 * 64, 2 * 23 - 11)]
    for line in (
        "killed after 34 batches: it ended with -9",
        "resumes in training epoch 1",
        "weights of the resumed run and of the one that never stopped: equal",
        "ok   signature: the bill is what its trainer signed",
        "ok   shards of digits: 8 live, as the bill says",
        "ok   checkpoint: the bill was made for this file",
        "weights of the nets on both sides: equal",
    ):
        assert line in shown, line


def test_two_ranks_see_each_record_once_and_one_goes_on_from_their_checkpoint(
    place: Path,
) -> None:
    needs("torch")
    shown = played("train_ddp.py", place)
    assert accuracy_of(shown) > 0.8
    [one, other] = loops_of(shown)
    assert one[1] == other[1] == 23 + 11
    assert one[0] + other[0] == 1437 + 11 * 64
    for line in (
        "two processes saw 704 records of it, and one the other 733",
        "training epoch 0: 1,437 records, each once",
        "training epoch 1: 1,437 records, each once",
        "weights of the nets on both sides: equal",
    ):
        assert line in shown, line


def test_lightning_goes_on_from_a_checkpoint_inside_a_training_epoch(
    place: Path,
) -> None:
    needs("lightning")
    shown = played("train_lightning.py", place)
    assert accuracy_of(shown) > 0.85
    assert loops_of(shown) == [(3 * 1437, 3 * 23), (2 * 1437 - 11 * 64, 2 * 23 - 11)]
    for line in (
        "it saw the remaining records, in the same order: True",
        "weights of the resumed run and of the one that never stopped: equal",
        "weights of the nets on both sides: equal",
    ):
        assert line in shown, line


def test_hugging_face_streams_the_records_and_writes_none_of_them(
    place: Path, tmp_path: Path
) -> None:
    needs("torch")
    needs("datasets")
    pytest.importorskip("PIL")
    shown = played("train_hf.py", place, HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1")
    assert accuracy_of(shown) > 0.85
    [whole, (left, _)] = loops_of(shown)
    assert whole == (3 * 1437, 3 * 23)
    # Hugging Face asks again for the records of a batch or two that it had taken ahead.
    assert 0 <= left - (2 * 1437 - 11 * 64) <= 2 * 64
    for line in (
        "resumes in training epoch 1",
        "weights of the resumed run and of the one that never stopped: equal",
        "weights of the nets on both sides: equal",
    ):
        assert line in shown, line
    assert list(tmp_path.iterdir()) == []
