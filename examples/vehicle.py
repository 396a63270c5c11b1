"""A fleet's camera frames and point clouds, sealed while they are recorded, for two teams.

Records go from the sensor to a `Writer`, so that no file with plaintext ever exists. The policy
`av-frames` hides number plates and faces, rounds positions and shifts clocks on the way. The power
fails in the middle of a drive; what was committed stays, and the disk holds only ciphertext.
The perception team is granted the frames and trains a small convolutional net; the mapping team is
granted the point clouds and finds the road; each is refused the other's. Both get the
same results as on the de-identified plaintext. Everything lives in a temporary folder.
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import recorder
import torch
from commands import step
from members import (
    as_,
    compare,
    deidentified,
    in_memory,
    left_in,
    rate,
    refused,
    relay_with,
)
from recorder import (
    BATCH,
    CAMERA,
    DRIVERS,
    FRAMES,
    LIDAR,
    PLATE,
    POINTS,
    POLICY,
    SHAPES,
    SIDE,
    SKIN,
    frames_of,
    scans_of,
    use_detectors,
    vin_of,
)
from torch import nn
from traces import search

import sealift
from sealift.trainer.forms.batches import as_numpy


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument(
        "--mib", type=int, default=256, help="of camera frames; lidar a quarter"
    )
    chosen = options.parse_args()
    drives = max(chosen.mib * (1 << 20) // (FRAMES * SIDE * SIDE * 3), 3)
    with tempfile.TemporaryDirectory(prefix="sealift-vehicle-") as name:
        folder = Path(name)
        members = {"fleet": "owner", "perception": "trainer", "mapping": "trainer"}
        with relay_with(folder, members) as relay:
            wrong = record_and_crash(folder, drives)
            wrong += train_both(drives)
            step("everything that the relay holds is searched")
            wrong += search([relay], *telling(range(0, drives, max(drives // 8, 1))))
        step("the relay has let its calls finish and stopped")
    if wrong:
        sys.exit(f"the example failed: {wrong}")


# --- the fleet: recording ------------------------------------------------------------------------


def record_and_crash(folder: Path, drives: int) -> list[str]:
    fail_in = drives // 2
    step(f"a vehicle records {drives} drives; the power fails in drive {fail_in + 1}")
    run_recorder(drives, fail_in)
    step(
        "all that the vehicle's disk and the relay hold is searched for what was recorded"
    )
    wrong = search([folder], *telling(range(fail_in + 1)))
    step("the recorder starts again, and continues after the last commit")
    run_recorder(drives, -1)
    return wrong


def run_recorder(drives: int, fail_in: int) -> None:
    """Runs the recorder in a separate process, so that it can be killed."""
    command = [sys.executable, recorder.__file__, str(drives), str(fail_in)]
    code = subprocess.run(command, check=False).returncode
    expected = 0 if fail_in < 0 else -signal.SIGKILL
    if code != expected:
        sys.exit(f"the recorder ended with {code}")
    print("  the recorder " + ("has ended" if code == 0 else "was killed"))


# --- the teams: training -------------------------------------------------------------------------


def train_both(drives: int) -> list[str]:
    use_detectors()
    wrong: list[str] = []
    step(
        "the perception team opens the frames straight into memory, and trains on them"
    )
    as_("perception", "ls")
    with sealift.connect("perception") as perception:
        dataset = perception.open_dataset(f"fleet/{CAMERA}", require_policy=POLICY)
        print(f"  opened {speed_of(dataset)}")
        opened = learn(dataset.torch())
        texts = pa.Table.from_batches(
            batch.drop_columns(["image"]) for batch in dataset.batches()
        )
    refused("perception", "pull", f"fleet/{LIDAR}", "--out", "never")

    step("the mapping team opens the point clouds, and finds how the road rises")
    with sealift.connect("mapping") as mapping:
        dataset = mapping.open_dataset(f"fleet/{LIDAR}", require_policy=POLICY)
        print(f"  opened {speed_of(dataset)}")
        rise = road(tensors["points"] for tensors in dataset.torch())
    refused("mapping", "pull", f"fleet/{CAMERA}", "--out", "never")

    step("the same is computed from the de-identified plaintext, which no relay had")
    plain = learn(plaintext(drives, frames_of, "image", "label"))
    plain_rise = road(
        tensors["points"] for tensors in plaintext(drives, scans_of, "points")
    )
    wrong += compare("accuracy", opened["accuracy"], plain["accuracy"])
    wrong += compare("rise of the road", rise, plain_rise)
    same = opened["digest"] == plain["digest"]
    print(
        f"  SHA-256 of all frames and labels on both sides: {'equal' if same else 'NOT EQUAL'}"
    )
    if not same:
        wrong.append("frames")

    step("the perception team's records are searched for people and vehicles")
    people = {*DRIVERS, *map(vin_of, range(7)), "vehicle-0000", "drive-000"}
    wrong += left_in(people, texts)
    rounded = texts["latitude"].to_numpy()
    print(
        f"  {len(np.unique(rounded))} different latitudes are left, such as {rounded[0]}"
    )
    print(f"  plates and faces in {opened['frames']:,} frames: {opened['hidden']} left")
    if opened["hidden"]:
        wrong.append("plates")
    return wrong


def speed_of(dataset: sealift.Dataset) -> str:
    """Fetches, verifies and opens everything, and drops it."""
    begin = time.perf_counter()
    size = records = 0
    for tensors in dataset.torch():
        size += sum(
            tensor.nbytes for tensor in tensors.values() if torch.is_tensor(tensor)
        )
        records += len(tensors["elapsed_ms"])
    return rate(records, size, time.perf_counter() - begin)


def plaintext(
    drives: int, made: Callable[[int], Iterator[pa.RecordBatch]], *names: str
) -> Iterator[dict[str, torch.Tensor]]:
    """The drives as the policy de-identifies them, on the fleet's own machine."""
    for drive in range(drives):
        table = deidentified("fleet", pa.Table.from_batches(made(drive)), POLICY)
        for batch in table.select(names).to_batches():
            yield {name: torch.tensor(array) for name, array in as_numpy(batch).items()}


def learn(stream: Iterable[dict[str, torch.Tensor]]) -> dict[str, Any]:
    """Trains on a stream that is read once: each batch is scored first, and then learned from.

    The accuracy is that on the second half, when something has been learned.
    """
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    net = nn.Sequential(
        nn.Conv2d(3, 12, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.LazyLinear(len(SHAPES)),
    )  # fmt: skip
    net(torch.zeros(1, 3, SIDE // 3, SIDE // 3))
    optimiser = torch.optim.Adam(net.parameters(), 4e-3)
    digest = hashlib.sha256()
    right: list[float] = []
    hidden = 0
    begin = time.perf_counter()
    for images, labels in in_steps(stream):
        digest.update(images.numpy())
        digest.update(labels.numpy())
        hidden += sum(seen(images, colour) for colour in (PLATE, SKIN))
        told = net(images[:, ::3, ::3].permute(0, 3, 1, 2).float() / 128 - 0.5)
        right.append(float((told.argmax(1) == labels).float().mean()))
        loss = nn.functional.cross_entropy(told, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    seconds = time.perf_counter() - begin
    print(f"  trained on {len(right) * BATCH:,} frames in {seconds:.1f} s")
    late = right[len(right) // 2 :]
    return {
        "accuracy": sum(late) / len(late),
        "digest": digest.hexdigest(),
        "hidden": hidden,
        "frames": len(right) * BATCH,
    }


def seen(images: torch.Tensor, colour: tuple[int, int, int]) -> int:
    """How many pixels have a colour."""
    red, green, blue = images.unbind(3)
    return int(((red == colour[0]) & (green == colour[1]) & (blue == colour[2])).sum())


def in_steps(
    stream: Iterable[dict[str, torch.Tensor]],
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Steps of `BATCH` frames, wherever a shard's batches end."""
    rest: tuple[torch.Tensor, torch.Tensor] | None = None
    for tensors in stream:
        images, labels = tensors["image"], tensors["label"]
        if rest is not None:
            images, labels = torch.cat([rest[0], images]), torch.cat([rest[1], labels])
        whole = len(images) // BATCH * BATCH
        for begin in range(0, whole, BATCH):
            yield images[begin : begin + BATCH], labels[begin : begin + BATCH]
        rest = (
            (images[whole:].clone(), labels[whole:].clone())
            if whole < len(images)
            else None
        )


def road(clouds: Iterable[torch.Tensor]) -> float:
    """How much the road rises, by least squares over the lower points of each scan."""
    rises = []
    for batch in clouds:
        for cloud in batch.reshape(-1, POINTS, 4):
            low = cloud[cloud[:, 2] < cloud[:, 2].median() + 0.1]
            flat = torch.stack([low[:, 0], torch.ones(len(low))], 1)
            rises.append(float(torch.linalg.lstsq(flat, low[:, 2:3]).solution[0, 0]))
    return float(np.mean(rises))


# --- what must not be found ----------------------------------------------------------------------


def telling(drives: Iterable[int]) -> tuple[set[str | bytes], bytes]:
    """Names, and bytes out of frames and point clouds; and plaintext that contains all of them."""
    needles: set[str | bytes] = {
        *DRIVERS[: len(range(3))],
        CAMERA,
        LIDAR,
        "driver_name",
        "latitude",
    }
    control = " ".join([*DRIVERS, CAMERA, LIDAR]).encode()
    for drive in drives:
        frames, scans = next(frames_of(drive)), next(scans_of(drive))
        for batch, name in ((frames, "image"), (scans, "points")):
            content = batch[name].storage if name == "image" else batch[name]
            values = content.flatten().to_numpy().view(np.uint8)
            needles |= {
                values[at : at + 16].tobytes()
                for at in range(40, len(values), len(values) // 16)
            }
            control += in_memory(pa.Table.from_batches([batch]))
        needles |= {vin_of(drive), f"drive-{drive:07d}"}
    return needles, control


if __name__ == "__main__":
    main()
