"""Push a source, from where its last commit ended, in one or more commits.

Running an interrupted push again continues it: each commit stores how far its parts were
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
from sealift.owner.push.admitting import admitted
from sealift.owner.push.appending import (
    Appender,
    Author,
    PushTerms,
    Totals,
    check_dataset_name,
    check_policy,
    find_opened,
)
from sealift.owner.push.begun import GOES_ON_WITH_NUMBERS, TEXT_KINDS
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
from sealift.owner.push.waiting import in_turn
from sealift.owner.sources import BEGINNING, Part, Rejects, Selective, Source
from sealift.policy.reading import Reading
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
    """What to do about a part that differs from what was pushed."""

    STOP = "stop"
    SKIP = "skip"
    PUSH = "push"


class _LeftOut(Enum):
    """Why a part is not read."""

    UNCHANGED = "pushed before"
    CHANGED = "changed since it was pushed"


@dataclass(frozen=True, slots=True)
class PushLimits:
    """Limits and choices of a push.

    Attributes:
        jobs: number of shards sealed and uploaded concurrently.
        bytes_per_second: maximum rate of ciphertext; 0 for no limit.
        commit_bytes: commit after about this many bytes; 0 for one commit at the end.
        commit_seconds: commit after this many seconds.
        deadline_seconds: after this time, commit what was read and stop; 0 for no deadline.
        on_change: what to do about parts that changed since they were pushed.
        from_start: whether to push everything again, as new records.
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
        records: number of records that the relay acknowledged.
        payload_bytes: size of those records, before sealing.
        committed: number of committed records; these stay whatever happens.
        source_bytes: bytes read so far, including those pushed before.
        source_size: size of the whole source; None if unknown.
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
        commit: number of the dataset's newest commit that the push knows of.
        commits: number of commits that the push made.
        created: whether the push created the dataset.
        shards: number of shards added.
        records: number of records added.
        payload_bytes: size of the added records, before sealing.
        unchanged: number of parts (files) left out because they were pushed before.
        changed: number of parts left out because they changed after being pushed; see
            `on_change`.
        rejected: number of records left out because they could not be read.
        policy: SHA-256 of the policy under which the records were de-identified; or empty.
        left_out: by name, how often the source had a value for which it has no column.
        notices: what became null under the policy, with names of columns, and how identifiers
            are read: for the owner alone.
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
    notices: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """The state that a push continues from.

    Attributes:
        opened: the dataset; None if there is none.
        before: what was pushed of the author's sources.
    """

    opened: OpenedDataset | None
    before: PushedParts


@dataclass(frozen=True, slots=True)
class PushJob:
    """What is pushed, and how.

    Attributes:
        open_source: opens the source, given what was pushed before, and how its identifiers are
            read.
        transform: turns the source's batches into what is sealed.
        reading: decides how identifiers are read, from the dataset (None if there is none) and
            the source's schema at earlier pushes.
        rejects: takes records that cannot be read.
        terms: recipients, purpose, retention, policy.
        limits: limits and choices of the push.
        owner_secret: seals source cursors.
        show_schema: called with the schema that is sealed, and whether the dataset is new,
            before anything is sent.
        progress: called often.
        stop: set by the caller to make the push commit what it has read and end.
    """

    open_source: Callable[[Found, Reading], Source]
    transform: Callable[[Source, Reading], Transform]
    reading: Callable[[OpenedDataset | None, pa.Schema | None], Reading]
    terms: PushTerms
    limits: PushLimits
    owner_secret: Callable[[], Secret]
    rejects: Rejects
    show_schema: Callable[[pa.Schema, bool], None] = lambda _schema, _new: None
    progress: Callable[[PushProgress], None] = lambda _: None
    stop: threading.Event | None = None


def find(author: Author, job: PushJob) -> Found:
    """Look up what a push continues from, before its source is read.

    Raises:
        PolicyUnmet: the dataset requires another policy.
        SealiftError: the dataset cannot be opened; the subclass says why.
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
    """Seal the records of a source and append them to a dataset, creating it if needed.

    Args:
        author: the member who appends, and the dataset.
        job: what to push, and how.
        found: the result of `find`, if it was already called.

    Raises:
        EmptySource: the source has no records, and none were pushed before.
        SourceChanged: a part that was pushed has changed in the source.
        SchemaMismatch: the dataset's schema differs, or it has no such subject column.
        PolicyUnmet, PolicyViolation: the records do not meet the policy; none was sealed.
        DeadlineReached: the deadline has passed; what is committed stays.
        SealiftError: another error; the subclass says which. What is committed stays.
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
        reading = job.reading(found.opened, found.before.schema)
        source = job.open_source(found, reading)
        try:
            return _Push(author, job, source, found, pace, deadline, reading).run()
        except KeyEpochMoved:
            # A member's access ended: what was uploaded since the last commit is sealed again.
            if attempt == _RESTARTS or not source.resumable:
                raise
            log.info("restart_push", attempt=attempt)
            found = None
    raise Conflict("the dataset is rotated faster than this client can push")


def left_out_of(source: Source) -> dict[str, int]:
    """Return what a source had no column for, and how often."""
    return dict(source.left_out) if isinstance(source, Selective) else {}


def forget_left_out(source: Source) -> None:
    """Reset the counts: the source is read again from its beginning."""
    if isinstance(source, Selective):
        source.left_out.clear()


class _Push:
    """One pass over a source."""

    def __init__(
        self,
        author: Author,
        job: PushJob,
        source: Source,
        found: Found,
        pace: Pace,
        deadline: float | None,
        reading: Reading,
    ) -> None:
        self._author = author
        self._job = job
        self._source = source
        self._before = found.before
        # The state that decisions rest on: what was found at the start and pushed since.
        self._known = dict(found.before.parts)
        self._created = found.opened is None
        self._deadline = deadline
        self._transform = job.transform(source, reading)
        self._reading_of_ids = reading
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
                    f"the deadline has passed; {self._totals.records:,} records were committed"
                )
        return self._result()

    @property
    def _totals(self) -> Totals:
        return self._appender.totals

    def _read_all(self) -> str:
        """Read each part in turn; return why it stopped: end, deadline or stop request."""
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
        chunks = admitted(
            self._source.read(part, mark),
            part,
            mark,
            self._job.rejects,
            self._transform.schema.names,
        )
        for chunk, early in in_turn(chunks, self._transform, self._must_end):
            if self._is_due():
                # Wait until there is more: the last commit of a part marks it complete.
                self._commit()
            self._transform.count_failed(chunk.failed)
            self._appender.add(self._transform.apply(chunk.batch, early=early))
            self._reading = (part, chunk.end)
            self._part_bytes = chunk.position
            del chunk
            self._report()
            if ended := self._why_end():
                return ended
        self._touch(complete=not part.endless)
        self._reading = None
        if self._is_due():
            self._commit()
        return ""

    def _why_end(self) -> str:
        if self._job.stop is not None and self._job.stop.is_set():
            return "stop"
        late = self._deadline is not None and time.monotonic() > self._deadline
        return "deadline" if late else ""

    def _must_end(self) -> bool:
        return bool(self._why_end())

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
        """Return the mark from which to read a part; None, and count it, if it is left out."""
        found = self._look_up(part)
        self._unchanged += found is _LeftOut.UNCHANGED
        self._changed += found is _LeftOut.CHANGED
        return None if isinstance(found, _LeftOut) else found

    def _expect(self, part: Part) -> str | None:
        """Return the mark from which a part will be read; None if it will not be."""
        found = self._look_up(part)
        return None if isinstance(found, _LeftOut) else found

    def _look_up(self, part: Part) -> str | _LeftOut:
        """Return the mark from which to read a part, or why it is left out.

        Raises:
            SourceChanged: the part is not what was pushed.
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
                    "the file has changed since it was pushed", path=part.path
                )

    def _touch(self, *, complete: bool) -> None:
        """Record how far the current part was added."""
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
            # First, so that a record is in the quarantine twice rather than missing.
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
        """Return the cursor based on the dataset's newest state.

        Raises:
            Conflict: another push by the same author read the same parts in the meantime.
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
                    raise Conflict("another push of the same source committed first")
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
            raise EmptySource("the source has no records")
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
            notices=(*self._transform.notices, *self._notices_of_reading()),
        )

    def _notices_of_reading(self) -> tuple[str, ...]:
        numbers = self._reading_of_ids is Reading.NUMBERS
        if numbers and self._source.kind in TEXT_KINDS:
            return (GOES_ON_WITH_NUMBERS,)
        return ()
