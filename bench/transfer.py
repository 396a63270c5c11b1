"""Sealed push and pull, compared with raw gRPC over TLS in the same run, on one machine.

    python bench/transfer.py --gib 1 --json

Relay, owner and trainer are separate processes. Owner and trainer run three times, each
time next to the raw reference; the ratio is the median of the three.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from harness import HERE, Stage, report, stage, stopwatch

import sealift

COLUMNS = 32
ROWS = 65_536
BATCH_BYTES = COLUMNS * ROWS * 4
GIB = 1 << 30


def as_owner(dataset: str, size: int) -> None:
    """Pushes `size` bytes of random float32 columns."""
    random = np.random.default_rng(0)
    arrays = [pa.array(random.random(ROWS, dtype=np.float32)) for _ in range(COLUMNS)]
    batch = pa.record_batch(arrays, names=[f"column_{i}" for i in range(COLUMNS)])

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(size // BATCH_BYTES):
            yield batch

    reader = pa.RecordBatchReader.from_batches(batch.schema, batches())
    with sealift.connect("owner") as owner:
        owner.people.member("trainer")
        with stopwatch() as elapsed:
            pushed = owner.push(reader, dataset=dataset, to="trainer")
    report(elapsed[0], bytes=pushed.payload_bytes)


def as_trainer(dataset: str) -> None:
    """Opens every batch of a dataset."""
    with sealift.connect("trainer") as trainer:
        opened = trainer.open_dataset(f"owner/{dataset}")
        with stopwatch() as elapsed:
            total = sum(batch.nbytes for batch in opened.batches())
    report(elapsed[0], bytes=total)


def measure(at: Stage, size: int, rounds: int) -> dict[str, float]:
    tls = at.folder / "relay" / "tls"
    _make_client_certificate(tls)
    messages = size >> 20
    raw_script, here = str(HERE / "raw_grpc.py"), str(HERE / "transfer.py")
    raw = subprocess.Popen(
        [sys.executable, raw_script, "serve", str(tls)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert raw.stdout is not None
    port = raw.stdout.readline().strip()
    results: dict[str, list[float]] = {}
    try:
        for number in range(rounds):
            dataset = f"round-{number}"
            raw_push = at.run(raw_script, "push", str(tls), port, str(messages))
            pushed = at.run(here, "--as", "owner", dataset, str(size))
            raw_pull = at.run(raw_script, "pull", str(tls), port, str(messages))
            pulled = at.run(here, "--as", "trainer", dataset)
            rates = {
                "push_gb_s": pushed["bytes"] / pushed["seconds"] / 1e9,
                "pull_gb_s": pulled["bytes"] / pulled["seconds"] / 1e9,
                "raw_push_gb_s": size / raw_push["seconds"] / 1e9,
                "raw_pull_gb_s": size / raw_pull["seconds"] / 1e9,
                "owner_peak_mib": pushed["peak_mib"],
                "trainer_peak_mib": pulled["peak_mib"],
            }
            rates["push_ratio"] = rates["push_gb_s"] / rates["raw_push_gb_s"]
            rates["pull_ratio"] = rates["pull_gb_s"] / rates["raw_pull_gb_s"]
            for name, value in rates.items():
                results.setdefault(name, []).append(value)
    finally:
        raw.communicate()
    summary = {
        name: max(values) if name.endswith("_mib") else statistics.median(values)
        for name, values in results.items()
    }
    summary["relay_peak_mib"] = at.relay_peak_mib()
    return {name: round(value, 3) for name, value in summary.items()}


def _make_client_certificate(tls: Path) -> None:
    from sealift.keystore.tlskeys import certificate_request
    from sealift.process.secret import Secret
    from sealift_relay.ca import issue_member_certificate, load_authority

    key = ec.generate_private_key(ec.SECP256R1())
    der = Secret(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    certificate = issue_member_certificate(
        load_authority(tls), certificate_request(der, "raw"), "raw", datetime.now(UTC)
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tls / "client.key").write_bytes(pem)
    (tls / "client.pem").write_bytes(certificate.public_bytes(Encoding.PEM))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gib", type=float, default=1.0, help="size of the dataset")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--as", dest="role", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        role, dataset, *size = options.role
        as_owner(dataset, int(size[0])) if role == "owner" else as_trainer(dataset)
        return
    with stage() as at:
        result = measure(at, int(options.gib * GIB), options.rounds)
    if options.json:
        print(json.dumps({"gib": options.gib, **result}))
        return
    print(f"{options.gib:g} GiB, median of {options.rounds} rounds")
    for way in ("push", "pull"):
        print(
            f"  {way}: {result[f'{way}_gb_s']:.2f} GB/s, {result[f'{way}_ratio']:.2f} of raw gRPC "
            f"over TLS ({result[f'raw_{way}_gb_s']:.2f} GB/s)"
        )
    for who in ("owner", "relay", "trainer"):
        print(f"  {who}: {result[f'{who}_peak_mib']:.0f} MiB at most")


if __name__ == "__main__":
    main()
