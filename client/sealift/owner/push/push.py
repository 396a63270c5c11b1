"""Pushing a source: from where the last commit of it stood to its end, in one or more commits.

A push that dies anywhere is continued by the next: each commit carries how far its parts were
read, so that every record is committed exactly once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

import pyarrow as pa

from sealift.history.contents import NO_POLICY
from sealift.history.opened import OpenedDataset
from sealift.owner.push.appending import (
    Appender,
    Author,
    PushTerms,
    Totals,
    check_dataset_name,
    check_policy,
    find_opened,
)
from sealift.owner.push.cursor import (
    PartState,
    PushedParts,
    last_cursor_commit,
    make_cursor,
    part_id,
    read_pushed_parts,
)
from sealift.owner.push.pacing import Pace
from sealift.owner.push.quarantine import Quarantine
from sealift.owner.push.transforming import Transform
from sealift.owner.push.uploading import DEFAULT_JOBS
from sealift.owner.sources import BEGINNING, Part, Rejects, Selective, Source
from sealift.process.log import log
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    Conflict,
    DeadlineReached,
    EmptySource,
    KeyEpochMoved,
    SourceChanged,
)

DEFAULT_COMMIT_BYTES = 1 << 30
DEFAULT_COMMIT_SECONDS = 300.0
# A cursor names every part that its commit read from.
_MAX_COMMIT_PARTS = 10_000
_RESTARTS = 3


class OnChange(Enum):
    """What is done about a part that stands differently in the source than it was pushed."""

    STOP = "stop"
    SKIP = "skip"
    PUSH = "push"


class _LeftOut(Enum):
    """Why a part is not read."""

    UNCHANGED = "pushed before"
    CHANGED = "changed since it was pushed"


@dataclass(frozen=True, slots=True)
class PushLimits:
    """How a push goes about it.

    Attributes:
        jobs: shards sealed and uploaded at once.
        bytes_per_second: of ciphertext at most; 0 for no limit.
        commit_bytes: records are committed after about so many bytes; 0 for all at once.
        commit_seconds: or after so long.
        deadline_seconds: the push commits what it has and ends then; 0 for never.
        on_change: what is done about parts that changed since they were pushed.
        from_start: whether everything is pushed again, as new records.
    """

    jobs: int = DEFAULT_JOBS
    bytes_per_second: int = 0
    commit_bytes: int = DEFAULT_COMMIT_BYTES
    commit_seconds: float = DEFAULT_COMMIT_SECONDS
    deadline_seconds: float = 0
    on_change: OnChange = OnChange.STOP
    from_start: bool = False


@dataclass(frozen=True, slots=True)
class PushProgress:
    """How far a push has come.

    Attributes:
        records: acknowledged by the relay.
        payload_bytes: acknowledged, before sealing.
        committed: records that are committed, and so stay whatever happens.
        source_bytes: read so far, with what was pushed before.
        source_size: of the whole source; None if not known.
    """

    records: int
    payload_bytes: int
    committed: int = 0
    source_bytes: int = 0
    source_size: int | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """The result of a push.

    Attributes:
        dataset_id: 16 bytes.
        commit: number of the newest commit of the dataset that the push knows of.
        commits: how many it made.
        created: whether the push made the dataset.
        shards: how many were added.
        records: how many were added.
        payload_bytes: before sealing.
        unchanged: parts (files) of the source that were pushed before and were left out.
        changed: parts that changed since they were pushed and were left out, as `on_change` says.
        rejected: records that could not be read and were left out.
        policy: SHA-256 of the policy that the records were de-identified under; or empty.
        left_out: how often the source had something for which it has no column, by name.
    """

    dataset_id: bytes
    commit: int
    commits: int
    created: bool
    shards: int
    records: int
    payload_bytes: int
    unchanged: int = 0
    changed: int = 0
    rejected: int = 0
    policy: bytes = NO_POLICY
    left_out: Mapping[str, int] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class PushJob:
    """What is pushed, and how.

    Attributes:
        open_source: opens the source, given its schema at earlier pushes (None if there were none).
        transform: makes of the source's batches what is sealed.
        rejects: takes records that cannot be read.
        terms: recipients, purpose, retention, policy.
        limits: how the push goes about it.
        owner_secret: seals source cursors.
        show_schema: called with the schema that is sealed, and whether the dataset is new, before
            anything is sent.
        progress: called often.
        stop: set by somebody who wants the push to commit what it has and end.
    """

    open_source: Callable[[pa.Schema | None], Source]
    transform: Callable[[Source], Transform]
    terms: PushTerms
    limits: PushLimits
    owner_secret: Callable[[], Secret]
    rejects: Rejects
    show_schema: Callable[[pa.Schema, bool], None] = lambda _schema, _new: None
    progress: Callable[[PushProgress], None] = lambda _: None
    stop: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a push continues from.

    Attributes:
        opened: the dataset; None if there is none.
        before: what was pushed of the author's sources.
    """

    opened: OpenedDataset | None
    before: PushedParts


def find(author: Author, job: PushJob) -> Found:
    """Looks up what a push continues from, before its source is read, let alone sealed.

    Raises:
        PolicyUnmet: the dataset requires another policy.
        SealiftError: the dataset cannot be opened, and why.
    """
    check_dataset_name(author.dataset)
    with author.member.together():
        opened = find_opened(author)
        check_policy(opened, author, job.terms)
        before = PushedParts()
        if opened is not None and not job.limits.from_start:
            before = read_pushed_parts(author.member, opened, job.owner_secret())
    return Found(opened, before)


def push(author: Author, job: PushJob, found: Found | None = None) -> Pushed:
    """Seals the records of a source and appends them to a dataset, made if need be.

    Args:
        author: who appends, to what.
        job: what is pushed, and how.
        found: what `find` gave, if it was asked already.

    Raises:
        EmptySource: there is no record, and none was pushed before.
        SourceChanged: a part that was pushed stands in the source differently.
        SchemaMismatch: the dataset has another schema, or no such subject column.
        PolicyUnmet, PolicyViolation: the records do not meet the policy; none was sealed.
        DeadlineReached: the time is over; what is committed stays.
        SealiftError: a subclass that says what else went wrong; what is committed stays.
    """
    check_dataset_name(author.dataset)
    deadline = (
        time.monotonic() + job.limits.deadline_seconds
        if job.limits.deadline_seconds
        else None
    )
    pace = Pace(job.limits.bytes_per_second)
    for attempt in range(1, _RESTARTS + 1):
        found = found or find(author, job)
        source = job.open_source(found.before.schema)
        try:
            return _Push(author, job, source, found, pace, deadline).run()
        except KeyEpochMoved:
            # Somebody's access ended: what was uploaded since the last commit is sealed anew.
            if attempt == _RESTARTS or not source.resumable:
                raise
            log.info("restart_push", attempt=attempt)
            found = None
    raise Conflict("the dataset is rotated faster than this client can push")


def left_out_of(source: Source) -> dict[str, int]:
    """What a source had no column for, and how often."""
    return dict(source.left_out) if isinstance(source, Selective) else {}


def forget_left_out(source: Source) -> None:
    """Counts anew: the source is read again from its beginning."""
    if isinstance(source, Selective):
        source.left_out.clear()


class _Push:
    """One run over a source."""

    def __init__(
        self,
        author: Author,
        job: PushJob,
        source: Source,
        found: Found,
        pace: Pace,
        deadline: float | None,
    ) -> None:
        self._author = author
        self._job = job
        self._source = source
        self._before = found.before
        # The state on which decisions rest: as found at the beginning, and what was pushed since.
        self._known = dict(found.before.parts)
        self._created = found.opened is None
        self._deadline = deadline
        self._transform = job.transform(source)
        self._appender = Appender(
            author,
            found.opened,
            self._transform.schema,
            job.terms,
            jobs=job.limits.jobs,
            pace=pace,
            acknowledged=self._report,
        )
        self._touched: dict[bytes, PartState] = {}
        self._reading: tuple[Part, str] | None = None
        self._committed_at = time.monotonic()
        self._done_bytes = 0
        self._part_bytes = 0
        self._unchanged = self._changed = 0
        self._depth = 0

    def run(self) -> Pushed:
        with self._appender, self._transform:
            if self._transform.check_whole(self._source, self._expect):
                self._job.rejects.forget()
                forget_left_out(self._source)
            self._job.show_schema(self._appender.schema, self._created)
            ended = self._read_all()
            self._commit()
            if ended == "deadline":
                raise DeadlineReached(
                    f"the deadline came; {self._totals.records:,} records were committed"
                )
        return self._result()

    @property
    def _totals(self) -> Totals:
        return self._appender.totals

    def _read_all(self) -> str:
        """Reads part after part; says why it stopped: end, deadline, or told to."""
        for part in self._source.parts():
            mark = self._where_to_begin(part)
            if mark is not None:
                ended = self._read(part, mark)
                if ended:
                    return ended
            self._done_bytes += part.size
            self._part_bytes = 0
        return ""

    def _read(self, part: Part, mark: str) -> str:
        self._reading = (part, mark)
        for chunk in self._source.read(part, mark):
            if self._is_due():
                # Not before there is more: the last commit of a part says that it is complete.
                self._commit()
            self._appender.add(self._transform.apply(chunk.batch))
            self._reading = (part, chunk.end)
            self._part_bytes = chunk.position
            del chunk
            self._report()
            if self._job.stop is not None and self._job.stop.is_set():
                return "stop"
            if self._deadline is not None and time.monotonic() > self._deadline:
                return "deadline"
        self._touch(complete=not part.endless)
        self._reading = None
        if self._is_due():
            self._commit()
        return ""

    def _is_due(self) -> bool:
        limits = self._job.limits
        if not (self._source.resumable and limits.commit_bytes):
            return False
        return (
            self._appender.added_bytes >= limits.commit_bytes
            or time.monotonic() - self._committed_at >= limits.commit_seconds
            or len(self._touched) >= _MAX_COMMIT_PARTS
        )

    def _where_to_begin(self, part: Part) -> str | None:
        """The mark from which a part is read; None if it is not, which is counted."""
        found = self._look_up(part)
        self._unchanged += found is _LeftOut.UNCHANGED
        self._changed += found is _LeftOut.CHANGED
        return None if isinstance(found, _LeftOut) else found

    def _expect(self, part: Part) -> str | None:
        """The mark from which a part will be read; None if it will not be."""
        found = self._look_up(part)
        return None if isinstance(found, _LeftOut) else found

    def _look_up(self, part: Part) -> str | _LeftOut:
        """The mark from which a part has to be read, or why it has not.

        Raises:
            SourceChanged: what was pushed of it is not what stands there.
        """
        state = self._known.get(part_id(part.name)) if part.name else None
        if state is None:
            return BEGINNING
        if part.endless:
            return state.mark
        same = (part.size, part.modified) == (state.size, state.modified)
        if same and state.complete:
            return _LeftOut.UNCHANGED
        if self._source.digest(part, state.mark) == state.digest:
            if state.complete and part.size == state.size:
                return _LeftOut.UNCHANGED
            if not state.complete or self._source.continues(part):
                return state.mark
        match self._job.limits.on_change:
            case OnChange.PUSH:
                return BEGINNING
            case OnChange.SKIP:
                return _LeftOut.CHANGED
            case OnChange.STOP:
                raise SourceChanged(
                    "the file is not what was pushed of it before", path=part.path
                )

    def _touch(self, *, complete: bool) -> None:
        """Notes how far the part that is being read was added."""
        if self._reading is None or not self._reading[0].name:
            return
        part, mark = self._reading
        if mark == BEGINNING and not complete:
            return
        digest = b"" if part.endless else self._source.digest(part, mark)
        state = PartState(part.size, part.modified, digest, mark, complete)
        self._touched[part_id(part.name)] = state

    def _commit(self) -> None:
        self._touch(complete=False)
        if isinstance(self._job.rejects, Quarantine):
            # First: a record is in the quarantine twice rather than nowhere.
            self._job.rejects.flush()
        touched = self._touched
        committed = self._appender.commit(
            lambda newest: self._cursor(newest, touched), self._transform.take_report
        )
        self._committed_at = time.monotonic()
        if committed is None:
            return
        log.info("commit_records", number=committed.commit.number)
        if touched:
            self._known.update(touched)
            self._before = PushedParts(
                {**self._before.parts, **touched},
                committed.commit,
                self._depth,
                self._source.schema,
            )
        self._touched = {}
        self._report()

    def _cursor(
        self, newest: OpenedDataset | None, touched: dict[bytes, PartState]
    ) -> bytes:
        """The cursor on top of the dataset's newest state.

        Raises:
            Conflict: another push of the same author has read the same parts meanwhile.
        """
        if not touched:
            return b""
        secret = self._job.owner_secret()
        member = self._author.member
        before = self._before
        if newest is not None:
            last = last_cursor_commit(member, newest)
            known = before.commit.digest if before.commit is not None else None
            if last is not None and last.digest != known:
                found = read_pushed_parts(member, newest, secret)
                if not self._job.limits.from_start and any(
                    found.parts.get(name) != self._known.get(name) for name in touched
                ):
                    raise Conflict("another push of the same source was faster")
                self._before = before = found
        sealed, self._depth = make_cursor(
            before,
            touched,
            self._source.schema,
            owner_secret=secret,
            dataset_id=self._appender.dataset_id,
        )
        return sealed

    def _report(self) -> None:
        totals = self._totals
        self._job.progress(
            PushProgress(
                totals.acknowledged_records,
                totals.acknowledged_bytes,
                totals.records,
                self._done_bytes + self._part_bytes,
                self._source.size,
            )
        )

    def _result(self) -> Pushed:
        opened, totals = self._appender.opened, self._totals
        seen_before = self._unchanged or self._changed or self._known
        if opened is None or not (totals.commits or seen_before):
            raise EmptySource("the source holds no record")
        return Pushed(
            dataset_id=opened.dataset_id,
            commit=opened.history.head.number,
            commits=len(totals.commits),
            created=self._created,
            shards=totals.shards,
            records=totals.records,
            payload_bytes=totals.payload_bytes,
            unchanged=self._unchanged,
            changed=self._changed,
            rejected=self._job.rejects.count,
            policy=self._job.terms.policy,
            left_out=left_out_of(self._source),
        )
