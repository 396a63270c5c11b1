"""The main job, end to end, on real records: seal, relay, open, train, and look for leaks.

Starts a relay, enrols a hospital and a laboratory, pushes scikit-learn's breast-cancer records,
trains the same classifier on the plaintext and on what the laboratory opened, and searches all that
the relay holds for anything it should not know. Everything lives in a temporary folder.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sealift

SCRIPTS = Path(sys.executable).parent
DATASET = "tumour-measurements"
FILE = "breast-cancer-export.parquet"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sealift-demo-") as name:
        folder = Path(name)
        os.environ["SEALIFT_HOME"] = str(folder / "profiles")
        os.environ["SEALIFT_PASSPHRASE"] = "a passphrase of the demo only"
        relay_folder = folder / "relay"
        table = write_records(folder / FILE)

        step("an operator makes a relay and starts it")
        run("sealift-relay", "init", relay_folder, "--port", 0, "--enrolment-port", 0)
        relay = start_relay(relay_folder)
        try:
            leaks = exchange(folder, relay_folder, table)
        finally:
            relay.send_signal(signal.SIGTERM)
            code = relay.wait(timeout=60)
        step(f"the relay has let its calls finish and stopped (exit code {code})")
        if leaks or code:
            sys.exit("the demo failed")


def exchange(folder: Path, relay_folder: Path, table: pa.Table) -> list[str]:
    step("a hospital and a laboratory join with one-time tokens; their keys stay with them")
    fingerprints = {}
    for member, role in (("hospital", "owner"), ("laboratory", "trainer")):
        token = run(
            "sealift-relay", "invite", member, "--role", role, "--dir", relay_folder, quiet=True
        )
        fingerprints[member] = json.loads(run("sealift", "join", token, "--json", quiet=True))[
            "fingerprint"
        ]
        print(f"  {member}: {fingerprints[member]}")

    step("each pins the other's fingerprint, which they compared by phone")
    for member, other in (("hospital", "laboratory"), ("laboratory", "hospital")):
        run("sealift", "--profile", member, "trust", "add", other, fingerprints[other])

    step("the hospital seals its records to the laboratory and pushes them")
    run(
        "sealift", "--profile", "hospital", "push", folder / FILE,
        "--dataset", DATASET, "--to", "laboratory",
    )  # fmt: skip

    step("the laboratory lists its datasets, then opens the records straight into memory")
    run("sealift", "--profile", "laboratory", "ls")
    with sealift.connect("laboratory") as laboratory:
        opened = list(laboratory.open_dataset(f"hospital/{DATASET}").numpy())
    columns = {name: np.concatenate([batch[name] for batch in opened]) for name in opened[0]}

    step("the same classifier is trained on the plaintext and on what was opened")
    plain = accuracy({name: table[name].to_numpy() for name in table.column_names})
    sealed = accuracy(columns)
    print(f"  accuracy on the plaintext:     {plain!r}")
    print(f"  accuracy on the opened shards: {sealed!r}")
    if plain != sealed:
        return ["accuracy"]

    step("everything that the relay holds is searched for what it must not know")
    return search(relay_folder, folder / FILE, table)


def write_records(path: Path) -> pa.Table:
    records = load_breast_cancer()
    names = [name.replace(" ", "_") for name in records.feature_names]
    columns = {name: records.data[:, place] for place, name in enumerate(names)}
    diagnosis = [str(records.target_names[target]) for target in records.target]
    table = pa.table({**columns, "diagnosis": diagnosis, "target": records.target})
    pq.write_table(table, path, compression="none", use_dictionary=False)
    return table


def start_relay(folder: Path) -> subprocess.Popen[str]:
    with (folder / "relay.log").open("w") as log:
        relay = subprocess.Popen(
            [SCRIPTS / "sealift-relay", "serve", folder],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert relay.stdout is not None
    print(" ", relay.stdout.readline().strip())
    return relay


def accuracy(columns: dict[str, np.ndarray]) -> float:
    features = np.column_stack(
        [values for name, values in columns.items() if name not in ("diagnosis", "target")]
    )
    target = columns["target"]
    held_out = np.arange(len(target)) % 4 == 0
    model = make_pipeline(StandardScaler(), LogisticRegression(random_state=0))
    model.fit(features[~held_out], target[~held_out])
    return float(model.score(features[held_out], target[held_out]))


def search(folder: Path, plaintext: Path, table: pa.Table) -> list[str]:
    """What of the plaintext is in the relay's files; empty if nothing is."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    held = {path: path.name.encode() + b"\0" + path.read_bytes() for path in files}
    words = [DATASET, FILE, FILE.removesuffix(".parquet"), *table.column_names]
    words += ["malignant", "benign"]
    found = [word for word in words if any(word.encode() in content for content in held.values())]
    found += [path.name for path, content in held.items() if contains_values(content, table)]
    size = sum(len(content) for content in held.values())
    print(f"  {len(held)} files, {size:,} bytes: shards, database, log, settings")
    print(f"  searched for {len(words)} names and {len(telling_values(table)):,} different values")
    print(f"  found: {found or 'nothing'}")
    # A search that cannot find anything proves nothing: the plaintext file must be full of hits.
    control = plaintext.read_bytes()
    if not (contains_values(control, table) and b"malignant" in control):
        return ["the search itself is broken"]
    return found


def telling_values(table: pa.Table) -> np.ndarray:
    """The measurements as the bits of a float64; without round ones, which are mostly zero bytes.

    17.0 has two bytes that are not zero, and any file with a counter in it would "contain" it.
    """
    columns = [table[name] for name in table.column_names if table[name].type == pa.float64()]
    values = np.unique(np.concatenate([column.to_numpy() for column in columns]))
    whole = np.count_nonzero(values.view(np.uint8).reshape(-1, 8), axis=1) >= 6
    return values[whole].view(np.uint64)


def contains_values(content: bytes, table: pa.Table) -> bool:
    """Whether any measurement stands in the bytes as a float64, at any offset."""
    wanted = telling_values(table)
    for shift in range(min(8, len(content))):
        whole = (len(content) - shift) // 8
        words = np.frombuffer(content, np.uint64, count=whole, offset=shift)
        if np.isin(words, wanted).any():
            return True
    return False


def run(script: str, *arguments: object, quiet: bool = False) -> str:
    command = [str(SCRIPTS / script), *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    if not quiet:
        print("\n".join("  " + line for line in done.stdout.strip().splitlines()))
    return done.stdout.strip()


def step(text: str) -> None:
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    main()
