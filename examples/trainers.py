"""The setup of the trainers' examples: digits that a hospital sealed to a laboratory.

Each example creates its own setup in a temporary folder. Run by itself, this creates one that
stays until Ctrl-C, so that the examples can be tried in turn:

    python examples/trainers.py /tmp/digits
    python examples/train_torch.py --at /tmp/digits
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from commands import step

import sealift
from sealift.trainer.metrics.metrics import Totals

DIGITS, SCANS = "digits", "digit-scans"
DAYS = 8
_MEMBERS = {"hospital": "owner", "laboratory": "trainer"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument(
        "folder", type=Path, help="a new folder for all files of the setup"
    )
    folder = options.parse_args().folder
    folder.mkdir(parents=True)
    with _place(folder, DIGITS, SCANS):
        step(f"ready: python examples/train_torch.py --at {folder}   (Ctrl-C ends it)")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


@contextlib.contextmanager
def laboratory(what: str | None, *datasets: str) -> Iterator[Path]:
    """Runs an example's setup: a hospital grants datasets to a laboratory; yields a folder.

    Args:
        what: description of the example.
        datasets: `DIGITS`, `SCANS`, or both.
    """
    options = argparse.ArgumentParser(description=(what or "").partition("\n")[0])
    options.add_argument(
        "--at", type=Path, help="a folder that examples/trainers.py created"
    )
    place = options.parse_args().at
    with tempfile.TemporaryDirectory(prefix="sealift-training-") as name:
        if place is None:
            with _place(Path(name), *datasets):
                yield Path(name)
        else:
            _live_in(place)
            yield Path(name)


def order_of(
    dataset: sealift.Dataset, batch_size: int, seed: int | None = None, **options: int
) -> Iterator[np.ndarray[Any, Any]]:
    """Numbers of the records of each batch, in a loader's order.

    Args:
        dataset: the dataset that is read.
        batch_size: records of a batch.
        seed: of the shuffle; None for the dataset's own order.
        options: epoch, rank and world.
    """
    shuffle = seed is not None
    batches = dataset.numpy(
        batch_size, columns=["number"], shuffle=shuffle, seed=seed or 0, **options
    )
    for batch in batches:
        yield batch["number"]


def plaintext(
    order: Iterable[np.ndarray[Any, Any]],
    made: Callable[[Any], Any] = lambda array: array,
) -> Iterator[dict[str, Any]]:
    """Batches of the digits as scikit-learn ships them, which went through no relay.

    Args:
        order: numbers of the records of each batch.
        made: converts an array for the loop, such as `torch.tensor`.
    """
    images, labels = _digits()
    for numbers in order:
        yield {
            "number": made(numbers),
            "image": made(images[numbers]),
            "label": made(labels[numbers]),
        }


def check_bill(bill: Path, checkpoint: Path) -> None:
    """The hospital checks a bill of materials against its dataset, the log and the checkpoint."""
    from members import as_

    as_("hospital", "bom", "verify", bill, "--checkpoint", checkpoint)


def agree(what: str, opened: object, plain: object) -> None:
    """Prints the results of both sides.

    Raises:
        SystemExit: they differ.
    """
    print(f"  {what} on the opened records:               {opened}")
    print(f"  {what} on the plaintext, in the same order: {plain}")
    if opened != plain:
        sys.exit(f"the example failed: {what}")


def speed(totals: Totals) -> str:
    """The records of a loop, and how much of its time it waited for them."""
    return (
        f"{totals.records:,} records in {totals.batches:,} batches: "
        f"{totals.records_per_second:,.0f} records/s, "
        f"waited {totals.waiting_share:.0%} of the time"
    )


# --- the hospital; what only it needs is not imported by processes that only train ----------------


@contextlib.contextmanager
def _place(folder: Path, *datasets: str) -> Iterator[None]:
    from members import as_, relay_with

    _live_in(folder)
    with relay_with(folder, _MEMBERS):
        for dataset in datasets:
            step(f"the hospital seals {DAYS} days of {dataset} to the laboratory")
            days = folder / dataset
            days.mkdir()
            for day, table in enumerate(_days(dataset), 1):
                pq.write_table(table, days / f"day-{day}.parquet")
            # One small shard a day, so that there is something to shuffle.
            as_(
                "hospital", "push", days, "--dataset", dataset, "--to", "laboratory",
                "--commit-every", "8KiB",
            )  # fmt: skip
        yield


def _live_in(folder: Path) -> None:
    from members import PASSPHRASE

    os.environ["SEALIFT_HOME"] = str(folder / "profiles")
    os.environ["SEALIFT_CACHE"] = str(folder / "cache")
    os.environ["SEALIFT_PASSPHRASE"] = PASSPHRASE


def _days(dataset: str) -> Iterator[pa.Table]:
    """1,797 digits of 8 x 8 pixels, every fifth held out: as tensors, or as PNG files."""
    pixels, labels = _digits()
    number = np.arange(len(pixels))
    image = pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)
    table = pa.table(
        {
            "number": number,
            "image": image
            if dataset == DIGITS
            else pa.array(map(_png, pixels), pa.binary()),
            "label": labels,
            "held_out": number % 5 == 0,
        }
    )
    for rows in np.array_split(number, DAYS):
        yield table.slice(rows[0], len(rows))


def _digits() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Pixels from 0 to 16, (1797, 8, 8), and the digits that they show."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images.astype(np.uint8), digits.target


def _png(pixels: np.ndarray[Any, Any]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    main()
