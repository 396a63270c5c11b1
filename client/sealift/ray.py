"""Ray Data: a dataset as a datasource, read by Ray's workers.

::

    import ray
    from sealift.ray import SealiftDatasource

    records = ray.data.read_datasource(SealiftDatasource("hospital/icu", columns=["age", "score"]))

Each worker connects by itself: Ray sends it which shards to read, never a key, a token or a
passphrase. So each machine of the cluster needs the member's profile ($SEALIFT_HOME, by default in
the user's configuration folder) and, in the environment of `ray start`, $SEALIFT_PASSPHRASE. Do not
put it into `runtime_env`: Ray stores that and shows it in its dashboard.

Blocks are plaintext in Ray's object store: shared memory that is neither locked nor wiped, and that
Ray writes to disk when it is full (`object_spilling_directory`: put it on an encrypted disk, or in
memory), sends to other machines (encrypt that with Ray's TLS), and lets every task of the cluster
read. Name the columns that are needed, and no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from sealift.history.disclosures import disclose
from sealift.home.profile import profiles_folder
from sealift.process.clock import unix
from sealift.process.extras import extra
from sealift.session import Session, connect
from sealift.trainer.dataset import Dataset
from sealift.trainer.engine.feed import Feed, Supply
from sealift.trainer.engine.sealed import Declarations
from sealift.trainer.forms.columns import pick_columns
from sealift_protocol.errors import RollbackDetected, ShardsGone

with extra("ray", "Ray Data needs ray"):
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata


@dataclass(frozen=True, slots=True)
class ShardsOf:
    """Which shards a task reads, and from where. This is all that a worker is sent.

    Attributes:
        path: OWNER/DATASET.
        profile: name of the profile on the worker's machine; None for its only one.
        purpose: stated in the disclosure; the grant's if empty.
        columns: names of the columns to read.
        number: of the commit that was opened where the tasks were made.
        commit: its digest.
        shard_ids: in dataset order.
        cache: see `ReadOptions`.
    """

    path: str = field(repr=False)
    profile: str | None
    purpose: str = field(repr=False)
    columns: tuple[str, ...] = field(repr=False)
    number: int
    commit: bytes
    shard_ids: tuple[bytes, ...]
    cache: Path | str | None


class SealiftDatasource(Datasource):
    """A dataset for `ray.data.read_datasource`; see the module's docstring for what workers need.

    It is opened and verified once here, to plan, and again by each worker process, which keeps its
    session for the tasks that follow. A task reads whole shards, begins with a disclosure that
    names them, and yields one Arrow table per shard. Ray's settings determine the order of blocks.
    """

    def __init__(
        self,
        path: str,
        *,
        profile: str | None = None,
        columns: Sequence[str] | None = None,
        commit: int | None = None,
        purpose: str = "",
        require_policy: Any = (),
        cache: Path | str | None = None,
    ) -> None:
        """Open the dataset, plan, and close it.

        Args:
            path: "OWNER/DATASET".
            profile: the member's; must be on every worker's machine too.
            columns: names of the columns to read; all by default.
            commit: number of the commit to read the dataset as of; the newest by default.
            purpose: stated in each disclosure; the grant's by default.
            require_policy: see `Session.open_dataset`.
            cache: folder for ciphertext on each machine, or "auto"; none by default.

        Raises:
            InvalidArgument: there is no such column or commit.
            SealiftError: the dataset cannot be opened; the error says why.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        with connect(profile) as session:
            dataset = session.open_dataset(
                path,
                pin=None if commit is None else {path: commit},
                purpose=purpose,
                require_policy=require_policy,
                cache=None,
            )
            part = dataset.parts[0]
            self._schema: pa.Schema = pick_columns(dataset.schema, columns)
            self._counts = [
                part.opened.record_counts[e.shard_id] for e in part.opened.shards
            ]
            self._sizes = [entry.stored_size for entry in part.opened.shards]
            self._all = ShardsOf(
                path,
                profile,
                part.purpose,
                # Named even if they are all: the dataset may have more when a worker opens it.
                tuple(self._schema.names),
                part.opened.history.head.number,
                part.opened.history.head.digest,
                tuple(entry.shard_id for entry in part.opened.shards),
                cache,
            )
            dataset.close()

    def estimate_inmemory_data_size(self) -> int:
        """Return the bytes of all shards, whatever columns are read."""
        return sum(self._sizes)

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: Any = None,
    ) -> list[ReadTask]:
        """Return at most `parallelism` tasks, each of adjacent shards."""
        del data_context
        count = max(1, min(parallelism, len(self._sizes)))
        ends = [len(self._sizes) * number // count for number in range(count + 1)]
        return [
            ReadTask(
                partial(
                    _read, replace(self._all, shard_ids=self._all.shard_ids[begin:end])
                ),
                BlockMetadata(
                    num_rows=sum(self._counts[begin:end]),
                    size_bytes=sum(self._sizes[begin:end]),
                    input_files=None,
                    exec_stats=None,
                ),
                schema=self._schema,
                per_task_row_limit=per_task_row_limit,
            )
            for begin, end in pairwise(ends)
        ]


def _read(wanted: ShardsOf) -> Iterator[pa.Table]:
    """Yield the tables of some shards, in this process.

    Raises:
        ShardsGone: the owner has removed a shard since the task was made.
        RollbackDetected: the relay serves this machine another history than where tasks were made.
        SealiftError: the shards cannot be read.
    """
    if not wanted.shard_ids:
        return
    session, dataset = _open(profiles_folder(), replace(wanted, shard_ids=()))
    dataset.begin(None, wanted.columns)
    feed = _feed_of(session, dataset, wanted)
    try:
        for opening in feed.shards(wanted.columns):
            yield pa.Table.from_batches(opening.batches)
            del opening
    finally:
        feed.close()


@lru_cache(maxsize=4)
def _open(_folder: Path, wanted: ShardsOf) -> tuple[Session, Dataset]:
    """Return this process's session and dataset: opening a keystore is slow and takes memory."""
    session = connect(wanted.profile)
    dataset = session.open_dataset(
        wanted.path, purpose=wanted.purpose, cache=wanted.cache
    )
    history = dataset.parts[0].opened.history
    known = {commit.number: commit.digest for commit in history.commits}
    # A snapshot may replace older commits; what this machine saw last vouches for those.
    if history.head.number < wanted.number or known.get(
        wanted.number, wanted.commit
    ) != (wanted.commit):
        raise RollbackDetected(
            "the relay serves this machine another history of the dataset than others"
        )
    return session, dataset


def _feed_of(session: Session, dataset: Dataset, wanted: ShardsOf) -> Feed:
    """Read some shards, and disclose only those."""
    part, supply = dataset.parts[0], dataset.feed.supplies[0]
    sealed = supply.sealed
    places = {entry.shard_id: place for place, entry in enumerate(sealed.shards)}
    gone = sum(shard_id not in places for shard_id in wanted.shard_ids)
    if gone:
        raise ShardsGone(
            f"the owner has removed {gone} shards of commit {wanted.number}"
        )
    chosen = [places[shard_id] for shard_id in wanted.shard_ids]
    digest = disclose(
        session._connection.member,
        part.opened,
        purpose=part.purpose,
        shard_ids=wanted.shard_ids,
    )
    some = Supply(
        replace(sealed, shards=tuple(sealed.shards[place] for place in chosen)),
        supply.records[chosen],
    )
    declarations = Declarations(some.sealed, (digest, unix(sealed.now)))
    return Feed(
        session._connection.relay,
        [some],
        dataset.schema,
        dataset.options,
        [declarations],
    )
