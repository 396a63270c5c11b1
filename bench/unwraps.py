"""Counts the token operations that opening a dataset of 10,000 shards takes, in a fresh process.

    python bench/unwraps.py --json

The trainer's keys are in SoftHSM. The dataset has several key epochs and very small shards; the
records of all of them are read, and compared with what was pushed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from functools import partial, wraps
from pathlib import Path

import pyarrow as pa
from harness import HERE, Stage, stage, stopwatch

import sealift
from sealift.keystore.backends.pkcs11 import Pkcs11Backend
from sealift.owner.push import appending
from sealift.owner.push.packing import Packer

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "123456"
SHARDS, KEY_EPOCHS = 10_000, 4
ROWS_A_SHARD, PAYLOAD = 156, 1536


def push(shards: int, key_epochs: int) -> None:
    # So that a few records fill a shard.
    appending.Packer = partial(Packer, max_payload=PAYLOAD)  # type: ignore[misc]
    with sealift.connect("owner") as owner:
        done = 0
        for epoch in range(1, key_epochs + 1):
            if epoch > 1:
                owner.dataset("study").rotate()
            count = ROWS_A_SHARD * (shards * epoch // key_epochs) - done
            rows = pa.table({"value": range(done, done + count)})
            owner.push(rows, dataset="study", to="trainer")
            done += count
    print(json.dumps({"records": done}))


def read(records: int) -> None:
    operations: Counter[str] = Counter()
    for name in ("sign", "agree", "decrypt", "create"):
        setattr(Pkcs11Backend, name, _counting(name, operations))
    with sealift.connect("trainer") as trainer:
        opening = Counter(operations)
        with (
            stopwatch() as elapsed,
            trainer.open_dataset("owner/study", cache=None) as dataset,
        ):
            values = dataset.to_table()["value"]
        if sorted(values.to_pylist()) != list(range(records)):
            raise SystemExit("the records read are not those pushed")
    result = {
        "shards": dataset.num_shards,
        "records": records,
        "seconds": round(elapsed[0], 1),
        "connecting": dict(opening),
        "reading": dict(operations - opening),
    }
    print(json.dumps(result))


def _counting(name: str, operations: Counter[str]) -> object:
    original = getattr(Pkcs11Backend, name)

    @wraps(original)
    def counted(*arguments: object) -> object:
        operations[name] += 1
        return original(*arguments)

    return counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=SHARDS)
    parser.add_argument("--key-epochs", type=int, default=KEY_EPOCHS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--role", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role:
        role, *numbers = arguments.role
        {"push": push, "read": read}[role](*map(int, numbers))
        return
    with stage() as stand:
        url = move_to_token(stand)
        here = str(HERE / "unwraps.py")
        pushed = stand.run(
            here, "--role", "push", str(arguments.shards), str(arguments.key_epochs)
        )
        stand.environment["SEALIFT_PASSPHRASE"] = PIN
        found = stand.run(here, "--role", "read", str(int(pushed["records"])))
    found["key_epochs"] = arguments.key_epochs
    if arguments.json:
        print(json.dumps(found))
        return
    print(
        f"{found['shards']:,.0f} shards under {found['key_epochs']} key epochs, keys in {url}"
    )
    for what in ("connecting", "reading"):
        told = ", ".join(f"{name} {number}" for name, number in found[what].items())
        print(f"  {what}: {told}")


def move_to_token(stand: Stage) -> str:
    """Puts the trainer's keys into a fresh token."""
    tokens = stand.folder / "tokens"
    tokens.mkdir()
    configuration = stand.folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {tokens}\nobjectstore.backend = file\n"
    )
    stand.environment["SOFTHSM2_CONF"] = str(configuration)
    environment = {**stand.environment, "SEALIFT_NEW_PASSPHRASE": PIN}
    url = f"pkcs11:token=bench?module-path={SOFTHSM}"
    sealift_command = str(Path(sys.executable).with_name("sealift"))
    for command in (
        [
            *("softhsm2-util", "--init-token", "--free", "--label=bench"),
            *(f"--pin={PIN}", "--so-pin=87654321"),
        ],
        [sealift_command, "--profile", "trainer", "keystore", "create", url, "--yes"],
    ):
        subprocess.run(
            command, env={**os.environ, **environment}, check=True, capture_output=True
        )
    return url


if __name__ == "__main__":
    main()
