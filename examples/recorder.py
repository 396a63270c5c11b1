"""A vehicle's recorder: sensor data is sealed as it arrives, and no plaintext goes to a disk.

`vehicle.py` runs it in a process of its own, so that it can lose power in the middle of a drive.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from members import rate

import sealift
from sealift.owner.deidentify.frames import register_frame_hook

POLICY = "av-frames"
CAMERA, LIDAR = "front-camera", "roof-lidar"
SIDE, POINTS = 96, 4096
FRAMES, SCANS = 512, 52  # of a drive: 13.5 MiB and 3.25 MiB
IMAGE = pa.fixed_shape_tensor(pa.uint8(), (SIDE, SIDE, 3))
CLOUD = pa.list_(pa.float32(), POINTS * 4)
SHAPES = ("disc", "square", "triangle")
PLATE, SKIN = (255, 204, 0), (224, 172, 105)
DRIVERS = ("Ottoline Quarrington", "Bartholomew Ashdown", "Ximena Valderrama")
BATCH = 64


def record(drives: int, fail_in: int) -> None:
    """Seals drives as they happen, a commit for each; dies in the middle of one."""
    use_detectors()
    with sealift.connect("fleet") as fleet:
        frames_done, scans_done = done(fleet, CAMERA, FRAMES), done(fleet, LIDAR, SCANS)
        size = records = 0
        seconds = 0.0
        with (
            fleet.writer(
                CAMERA, to="perception", policy=POLICY, purpose="perception"
            ) as camera,
            fleet.writer(
                LIDAR, to="mapping", policy=POLICY, purpose="mapping"
            ) as lidar,
        ):
            for drive in range(min(frames_done, scans_done), drives):
                for writer, made, first in (
                    (lidar, scans_of, scans_done),
                    (camera, frames_of, frames_done),
                ):
                    if drive < first:
                        continue
                    for number, batch in enumerate(made(drive)):
                        if drive == fail_in and writer is camera and number == 3:
                            os.kill(os.getpid(), signal.SIGKILL)
                        begin = time.perf_counter()
                        writer.write_batch(batch)
                        seconds += time.perf_counter() - begin
                        size, records = size + batch.nbytes, records + batch.num_rows
                    begin = time.perf_counter()
                    writer.flush()
                    seconds += time.perf_counter() - begin
        print(
            f"  drives {frames_done + 1} to {drives} were de-identified, sealed and committed:"
        )
        print(f"  {rate(records, size, seconds)}")


def done(fleet: sealift.Session, dataset: str, per_drive: int) -> int:
    """The number of whole drives that are committed."""
    if dataset not in {info.name for info in fleet.datasets()}:
        return 0
    return fleet.open_dataset(f"fleet/{dataset}").num_records // per_drive


def use_detectors() -> None:
    """Adds the policy's hooks. A fleet has trained detectors; these find plates by colour."""
    register_frame_hook("plates", hide(PLATE))
    register_frame_hook("faces", hide(SKIN))


def hide(colour: tuple[int, int, int]) -> Callable[[np.ndarray], np.ndarray]:
    """A frame hook that blackens everything of that colour and everything inside it."""

    def hidden(frame: np.ndarray) -> np.ndarray:
        red, green, blue = np.moveaxis(frame, 2, 0)
        found = (red == colour[0]) & (green == colour[1]) & (blue == colour[2])
        rows, columns = (
            np.flatnonzero(found.any(axis=1)),
            np.flatnonzero(found.any(axis=0)),
        )
        if len(rows):
            frame[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = 0
        return frame

    return hidden


# --- what the sensors see ------------------------------------------------------------------------


def frames_of(drive: int) -> Iterator[pa.RecordBatch]:
    """The frames of a drive: a traffic sign of some shape, at times a plate or a face."""
    rng = np.random.default_rng([1, drive])
    rows, columns = np.ogrid[:SIDE, :SIDE]
    for begin in range(0, FRAMES, BATCH):
        labels = rng.integers(0, len(SHAPES), BATCH)
        images = rng.integers(0, 256, (BATCH, SIDE, SIDE, 3), np.uint8) & 63
        for image, label in zip(images, labels, strict=True):
            row, column = rng.integers(20, 50, 2)
            size = rng.integers(11, 19)
            across, down = np.abs(columns - column), rows - row
            inside = (
                across**2 + down**2 <= size**2,
                (across <= size) & (np.abs(down) <= size),
                (np.abs(down) <= size) & (across * 2 <= down + size),
            )[label]
            image[inside] += rng.integers(60, 170, 3, np.uint8)
            if rng.random() < 0.4:
                top, left = rng.integers(70, 86), rng.integers(4, 60)
                plate = image[top : top + 8, left : left + 28]
                plate[:] = np.where(
                    rng.random((8, 28, 1)) < 0.3, np.uint8(20), np.uint8(PLATE)
                )
                plate[0], plate[-1] = PLATE, PLATE
            if rng.random() < 0.2:
                row, column = rng.integers(72, 88), rng.integers(68, 88)
                image[(rows - row) ** 2 + (columns - column) ** 2 <= 36] = SKIN
        values = pa.FixedSizeListArray.from_arrays(
            pa.array(images.reshape(-1)), type=IMAGE.storage_type
        )
        yield pa.record_batch(
            {
                **where_and_when(rng, drive, begin * 33, 33),
                "image": pa.ExtensionArray.from_storage(IMAGE, values),
                "label": labels.astype(np.int64),
            }
        )


def scans_of(drive: int) -> Iterator[pa.RecordBatch]:
    """The point clouds of a drive: a road that rises, and objects next to it."""
    rng = np.random.default_rng([2, drive])
    points = rng.normal(0, [12, 8, 0.03, 0.2], (SCANS, POINTS, 4)).astype(np.float32)
    points[..., 2] += 0.02 * points[..., 0] - 1.8
    points[:, ::5, 2] += rng.exponential(2.0, (SCANS, (POINTS + 4) // 5)).astype(
        np.float32
    )
    values = pa.FixedSizeListArray.from_arrays(pa.array(points.reshape(-1)), type=CLOUD)
    yield pa.record_batch(
        {**where_and_when(rng, drive, 0, 325, SCANS), "points": values}
    )


def where_and_when(
    rng: np.random.Generator, drive: int, begin: int, every: int, count: int = BATCH
) -> dict[str, Any]:
    """What is recorded along with the sensors, and shows who drove where."""
    elapsed = begin + every * np.arange(count)
    started = np.datetime64("2026-03-02T07:30:00", "ms") + np.timedelta64(drive, "D")
    return {
        "vin": [vin_of(drive)] * count,
        "vehicle_id": [f"vehicle-{drive % 7:05d}"] * count,
        "drive_id": [f"drive-{drive:07d}"] * count,
        "driver_name": [DRIVERS[drive % len(DRIVERS)]] * count,
        "recorded_at": pa.array(started + elapsed),
        "elapsed_ms": elapsed,
        "latitude": 48.1 + rng.normal(0, 0.05, count),
        "longitude": 11.5 + rng.normal(0, 0.05, count),
    }


def vin_of(drive: int) -> str:
    return f"WVWZZZ1KZ6W{drive % 7 + 612_000:06d}"


if __name__ == "__main__":
    record(int(sys.argv[1]), int(sys.argv[2]))
