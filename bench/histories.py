"""Opens and grants a dataset of 100,000 commits, with and without a replay of its history.

    python bench/histories.py --json

The history is made by the owner's own code, commit by commit, and put into the relay's database
past the network, which would take hours. Each commit adds one shard entry of 64 MiB, so the dataset
represents 6.1 TiB; no shard is stored, since neither opening nor granting reads one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import secrets
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from harness import HERE, Stage, report, stage, stopwatch

import sealift
from sealift.history.opened import StoredPage
from sealift.owner.push import committing
from sealift_protocol.logentry import Kind
from sealift_protocol.objects.commits import ShardEntry, parse_page, verify_commit
from sealift_relay.store import schema
from sealift_relay.store.log import log_objects
from sealift_relay.store.metadata import Metadata

COMMITS = 100_000
STORED_SIZE = 64 << 20
DATASETS = ("small", "large")


class PagesOnly:
    """Accepts the pages of snapshots, and nothing else."""

    def __init__(self) -> None:
        self.pages: dict[bytes, bytes] = {}

    def put_pages(self, _dataset_id: bytes, pages: list[bytes]) -> None:
        self.pages.update({hashlib.sha256(page).digest(): page for page in pages})


def make_datasets() -> None:
    with sealift.connect("owner") as owner:
        for name in DATASETS:
            owner.push(pa.table({"value": [1]}), dataset=name, to="trainer")
    report(0)


def fill(relay_folder: str, commits: int) -> None:
    """Adds commits to the large dataset, straight into the relay's database."""
    with sealift.connect("owner") as owner:
        opened = owner._connection.open("owner/large")
        kept = PagesOnly()
        author = replace(owner._connection.member, relay=kept)
        counts = dict(opened.record_counts)
        opened = replace(opened, record_counts=counts)
        signed_commits = []
        for _ in range(commits - 1):
            entry = ShardEntry(secrets.token_bytes(16), 1, STORED_SIZE, bytes(32))
            change = committing.Change(added=[entry], counts=[1000])
            signed = committing._sign(author, opened, change)
            commit = verify_commit(signed)
            opened.history.append(commit)
            counts[entry.shard_id] = 1000
            if commit.snapshot is not None:
                pages = commit.snapshot.pages
                opened = replace(
                    opened,
                    pages=tuple(
                        StoredPage(
                            digest, parse_page(kept.pages[digest], digest).shards
                        )
                        for digest in pages
                    ),
                )
            signed_commits.append((commit, signed.SerializeToString()))
    store(relay_folder, signed_commits, kept.pages)
    report(0)


def store(relay_folder: str, commits: list, pages: dict[bytes, bytes]) -> None:
    last = commits[-1][0]
    snapshots = [commit for commit, _ in commits if commit.snapshot is not None]
    metadata = Metadata(f"sqlite:///{Path(relay_folder).resolve() / 'relay.db'}")
    with metadata.database.transaction() as connection:
        connection.execute(
            schema.commits.insert(),
            [
                {
                    "dataset_id": last.dataset_id,
                    "number": commit.number,
                    "digest": commit.digest,
                    "signed": signed,
                }
                for commit, signed in commits
            ],
        )
        connection.execute(
            schema.shards.insert(),
            [
                {
                    "dataset_id": last.dataset_id,
                    "shard_id": entry.shard_id,
                    "stored_size": entry.stored_size,
                    "digest": entry.digest,
                    "header": b"",
                    "segment_digests": b"",
                    "uploaded_by": last.signer.digest,
                    "stored_at": last.time,
                    "committed_by": commit.number,
                    "not_after": 0,
                }
                for commit, _ in commits
                for entry in commit.added
            ],
        )
        needed = snapshots[-1].snapshot.pages
        connection.execute(
            schema.pages.insert(),
            [
                {
                    "dataset_id": last.dataset_id,
                    "digest": digest,
                    "content": pages[digest],
                }
                for digest in needed
            ],
        )
        connection.execute(
            schema.datasets.update()
            .where(schema.datasets.c.dataset_id == last.dataset_id)
            .values(
                head_number=last.number,
                head_digest=last.digest,
                snapshot_number=snapshots[-1].number,
            )
        )
        for start in range(0, len(commits), 10_000):
            part = commits[start : start + 10_000]
            logged = [(Kind.COMMIT, commit.digest) for commit, _ in part]
            log_objects(connection, logged, last.time, last.dataset_id)
    metadata.close()


def open_cold(dataset: str, whole: str) -> None:
    """Opens a dataset without any state, as a trainer who has just been granted it."""
    with sealift.connect("trainer") as trainer:
        trainer._connection.profile.folder.joinpath("seen.json").unlink(missing_ok=True)
        with stopwatch() as elapsed:
            opened = trainer._connection.open(f"owner/{dataset}", whole=bool(whole))
        shards = len(opened.history.shards)
    report(elapsed[0], shards=shards, commits=len(opened.history.commits))


def grant(dataset: str) -> None:
    with sealift.connect("owner") as owner:
        owner._connection.open(f"owner/{dataset}")
        with stopwatch() as elapsed:
            owner.dataset(dataset).grant(to="trainer", purpose=secrets.token_hex(8))
        shards = len(owner._connection.open(f"owner/{dataset}").history.shards)
    report(elapsed[0], shards=shards)


def measure(place: Stage, commits: int) -> dict[str, float]:
    script = str(HERE / "histories.py")
    place.run(script, "--make")
    place.run(script, "--fill", str(place.folder / "relay"), str(commits))
    small = place.run(script, "--open", "small", "")
    cold = place.run(script, "--open", "large", "")
    replayed = place.run(script, "--open", "large", "whole")
    small_grant = place.run(script, "--grant", "small")
    large_grant = place.run(script, "--grant", "large")
    assert cold["shards"] == replayed["shards"] == commits
    return {
        "commits": commits,
        "open_seconds": round(cold["seconds"], 3),
        "open_replayed_commits": cold["commits"],
        "open_small_seconds": round(small["seconds"], 3),
        "replay_all_seconds": round(replayed["seconds"], 3),
        "open_to_replay_ratio": round(cold["seconds"] / replayed["seconds"], 4),
        "open_peak_mib": cold["peak_mib"],
        "tebibytes": round(commits * STORED_SIZE / (1 << 40), 2),
        "grant_seconds": round(large_grant["seconds"], 3),
        "grant_small_seconds": round(small_grant["seconds"], 3),
        "grant_to_small_ratio": round(
            large_grant["seconds"] / small_grant["seconds"], 2
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=COMMITS)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--fill", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--open", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--grant", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.make:
        make_datasets()
    elif chosen.fill:
        fill(chosen.fill[0], int(chosen.fill[1]))
    elif chosen.open:
        open_cold(*chosen.open)
    elif chosen.grant:
        grant(chosen.grant)
    else:
        with stage() as place:
            result = measure(place, chosen.commits)
        if chosen.json:
            print(json.dumps(result))
        else:
            print("\n".join(f"{name:24} {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
