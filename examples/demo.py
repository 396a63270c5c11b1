"""The main task, end to end, on real records: seal, relay, open, train, and look for leaks.

Starts a relay, enrols a hospital and a laboratory, pushes scikit-learn's breast-cancer records,
trains the same classifier on the plaintext and on what the laboratory opened, and searches all that
the relay holds for anything it should not know. Everything lives in a temporary folder.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from commands import run, serving, step
from leaks import search
from tumours import WORDS, accuracy, tumour_records

import sealift

DATASET = "tumour-measurements"
FILE = "breast-cancer-export.parquet"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sealift-demo-") as name:
        folder = Path(name)
        os.environ["SEALIFT_HOME"] = str(folder / "profiles")
        os.environ["SEALIFT_PASSPHRASE"] = "a passphrase of the demo only"
        relay = folder / "relay"
        table = tumour_records()
        pq.write_table(table, folder / FILE, compression="none", use_dictionary=False)

        step("an operator makes a relay and starts it")
        run("sealift-relay", "init", relay, "--port", 0, "--enrolment-port", 0)
        with serving("sealift-relay", "serve", relay, log=relay / "relay.log") as ready:
            print(" ", ready)
            wrong = exchange(folder, relay, table)
        step("the relay has let its calls finish and stopped")
        if wrong:
            sys.exit("the demo failed")


def exchange(folder: Path, relay: Path, table: pa.Table) -> list[str]:
    step(
        "a hospital and a laboratory join with one-time tokens; their keys stay with them"
    )
    fingerprints = {}
    for member, role in (("hospital", "owner"), ("laboratory", "trainer")):
        token = run(
            "sealift-relay",
            "invite",
            member,
            "--role",
            role,
            "--dir",
            relay,
            quiet=True,
        )
        joined = json.loads(run("sealift", "join", token, "--json", quiet=True))["data"]
        fingerprints[member] = joined["fingerprint"]
        print(f"  {member}: {fingerprints[member]}")

    step("each pins the other's fingerprint, which they compared by phone")
    for member, other in (("hospital", "laboratory"), ("laboratory", "hospital")):
        run("sealift", "--profile", member, "trust", "add", other, fingerprints[other])

    step("the hospital seals its records to the laboratory and pushes them")
    run(
        "sealift", "--profile", "hospital", "push", folder / FILE,
        "--dataset", DATASET, "--to", "laboratory",
    )  # fmt: skip

    step(
        "the laboratory lists its datasets, then opens the records straight into memory"
    )
    run("sealift", "--profile", "laboratory", "ls")
    with sealift.connect("laboratory") as laboratory:
        opened = laboratory.open_dataset(f"hospital/{DATASET}").to_table()

    step("the same classifier is trained on the plaintext and on what was opened")
    plain, sealed = accuracy(table), accuracy(opened)
    print(f"  accuracy on the plaintext:     {plain!r}")
    print(f"  accuracy on the opened shards: {sealed!r}")
    if plain != sealed:
        return ["accuracy"]

    step("everything that the relay holds is searched for what it must not know")
    words = {DATASET, FILE, FILE.removesuffix(".parquet"), *table.column_names, *WORDS}
    return search([relay], folder / FILE, table, words)


if __name__ == "__main__":
    main()
