"""Pushing a source: continued where it stood, exactly once, whatever happened before."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from patience import within

import sealift
from sealift.crypto.metadata import open_cursor, open_metadata
from sealift.owner.push import committing
from sealift.owner.push.push import OnChange, PushLimits, PushProgress
from sealift.owner.sources import (
    BEGINNING,
    Chunk,
    Part,
    Source,
    SourceOptions,
    open_source,
)
from sealift.session import Session
from sealift_protocol.errors import (
    Conflict,
    CursorUnreadable,
    DeadlineReached,
    EmptySource,
    InvalidArgument,
    SchemaMismatch,
    SourceChanged,
    SourceError,
    WrongKey,
)

ROWS = 40_000
SMALL = PushLimits(commit_bytes=200_000)


def rows_of(session: Session, path: str) -> list[int]:
    return session.open_dataset(path).to_table()["id"].to_pylist()  # type: ignore[no-any-return]


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "records.csv"
    path.write_text("id,text\n" + "".join(f"{i},{'x' * 60}\n" for i in range(ROWS)))
    return path


class Breaking:
    """A source that breaks once, at a chosen chunk."""

    def __init__(self, source: Source, at: int) -> None:
        self._source = source
        self._left = at
        self.kind = source.kind
        self.schema = source.schema
        self.size = source.size
        self.resumable = source.resumable
        self.rereadable = source.rereadable
        self.digest = source.digest
        self.continues = source.continues
        self.parts = source.parts

    def read(self, part: Part, mark: str) -> Iterator[Chunk]:
        for chunk in self._source.read(part, mark):
            self._left -= 1
            if self._left < 0:
                raise ConnectionError
            yield chunk


def test_a_file_is_sent_once_however_often_it_is_pushed(
    hospital: Session, csv: Path
) -> None:
    first = hospital.push(csv, dataset="study")
    again = hospital.push(csv, dataset="study")
    assert (first.records, first.commits, again.records, again.commits) == (
        ROWS,
        1,
        0,
        0,
    )
    assert (again.unchanged, again.commit) == (1, 0)
    assert rows_of(hospital, "hospital/study") == list(range(ROWS))


def test_records_are_committed_as_they_come(hospital: Session, csv: Path) -> None:
    seen: list[PushProgress] = []
    pushed = hospital.push(csv, dataset="study", limits=SMALL, progress=seen.append)
    assert pushed.commits == pushed.shards == 3
    assert seen[-1].committed == ROWS
    assert seen[-1].source_bytes == seen[-1].source_size == csv.stat().st_size
    assert [p.committed for p in seen] == sorted(p.committed for p in seen)
    assert rows_of(hospital, "hospital/study") == list(range(ROWS))


def test_all_at_once_is_one_commit(hospital: Session, csv: Path) -> None:
    assert (
        hospital.push(csv, dataset="study", limits=PushLimits(commit_bytes=0)).commits
        == 1
    )


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_push_that_broke_is_continued(at: int, hospital: Session, csv: Path) -> None:
    with pytest.raises(ConnectionError):
        hospital.push(Breaking(open_source(csv), at), dataset="study", limits=SMALL)
    hospital.push(csv, dataset="study", limits=SMALL)
    assert rows_of(hospital, "hospital/study") == list(range(ROWS))


def test_what_was_uploaded_and_not_committed_is_invisible(
    hospital: Session, csv: Path
) -> None:
    with pytest.raises(ConnectionError):
        hospital.push(Breaking(open_source(csv), 2), dataset="study")
    assert hospital.datasets() == []


def test_a_file_that_has_grown_goes_on_where_it_ended(
    hospital: Session, csv: Path
) -> None:
    hospital.push(csv, dataset="study")
    with csv.open("a") as file:
        file.write(f"{ROWS},y\n")
    assert hospital.push(csv, dataset="study").records == 1
    assert rows_of(hospital, "hospital/study") == list(range(ROWS + 1))


def test_a_file_that_was_only_touched_is_not_pushed_again(
    hospital: Session, csv: Path
) -> None:
    hospital.push(csv, dataset="study")
    csv.touch()
    assert hospital.push(csv, dataset="study").unchanged == 1


def test_a_file_that_changed_stops_the_push(hospital: Session, csv: Path) -> None:
    hospital.push(csv, dataset="study")
    csv.write_text("id,text\n7,z\n")
    with pytest.raises(SourceChanged) as caught:
        hospital.push(csv, dataset="study")
    assert caught.value.path == csv
    assert str(csv) not in str(caught.value)
    skipped = hospital.push(
        csv, dataset="study", limits=PushLimits(on_change=OnChange.SKIP)
    )
    assert (skipped.records, skipped.changed) == (0, 1)
    pushed = hospital.push(
        csv, dataset="study", limits=PushLimits(on_change=OnChange.PUSH)
    )
    assert pushed.records == 1
    assert rows_of(hospital, "hospital/study") == [*range(ROWS), 7]


def test_a_part_that_was_read_halfway_and_changed_stops_the_push(
    hospital: Session, csv: Path
) -> None:
    with pytest.raises(ConnectionError):
        hospital.push(Breaking(open_source(csv), 2), dataset="study", limits=SMALL)
    text = csv.read_text()
    csv.write_text(text.replace("\n3,x", "\n9,x", 1))
    with pytest.raises(SourceChanged):
        hospital.push(csv, dataset="study", limits=SMALL)
    csv.write_text(text)
    hospital.push(csv, dataset="study", limits=SMALL)
    assert rows_of(hospital, "hospital/study") == list(range(ROWS))


def test_new_files_of_a_folder_are_added(hospital: Session, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    for i in range(3):
        pq.write_table(pa.table({"id": [i]}), folder / f"{i}.parquet")
    assert hospital.push(folder, dataset="study").records == 3
    pq.write_table(pa.table({"id": [3]}), folder / "3.parquet")
    pushed = hospital.push(folder, dataset="study")
    assert (pushed.records, pushed.unchanged) == (1, 3)
    assert rows_of(hospital, "hospital/study") == [0, 1, 2, 3]


def test_two_sources_feed_one_dataset(hospital: Session, tmp_path: Path) -> None:
    for i in range(2):
        pq.write_table(pa.table({"id": [i]}), tmp_path / f"{i}.parquet")
        hospital.push(tmp_path / f"{i}.parquet", dataset="study")
    for i in range(2):
        assert hospital.push(tmp_path / f"{i}.parquet", dataset="study").unchanged == 1
    assert rows_of(hospital, "hospital/study") == [0, 1]


def test_from_start_pushes_everything_again(hospital: Session, csv: Path) -> None:
    hospital.push(csv, dataset="study")
    pushed = hospital.push(csv, dataset="study", limits=replace(SMALL, from_start=True))
    assert pushed.records == ROWS
    assert hospital.push(csv, dataset="study").unchanged == 1


def test_of_two_pushes_of_one_source_one_gives_way(
    hospital: Session, csv: Path
) -> None:
    """Both began when nothing was pushed; the slower must not commit the same records."""
    hospital.push(pa.table({"id": [-1], "text": [""]}), dataset="study")
    with sealift.connect("hospital") as other:
        raced = False

        def race(_: PushProgress) -> None:
            nonlocal raced
            if not raced:
                raced = True
                other.push(csv, dataset="study")

        with pytest.raises(Conflict, match="same source"):
            hospital.push(csv, dataset="study", progress=race)
    assert rows_of(hospital, "hospital/study") == [-1, *range(ROWS)]


def test_two_sources_at_once_do_not_disturb_each_other(
    hospital: Session, csv: Path, tmp_path: Path
) -> None:
    hospital.push(pa.table({"id": [-1], "text": [""]}), dataset="study")
    other_csv = tmp_path / "other.csv"
    other_csv.write_text("id,text\n77,x\n")
    with sealift.connect("hospital") as other:
        done: list[int] = []

        def meanwhile(_: PushProgress) -> None:
            if not done:
                done.append(other.push(other_csv, dataset="study").records)

        hospital.push(csv, dataset="study", progress=meanwhile, limits=SMALL)
    assert sorted(rows_of(hospital, "hospital/study")) == [
        -1,
        *sorted([77, *range(ROWS)]),
    ]
    assert hospital.push(other_csv, dataset="study").unchanged == 1
    assert hospital.push(csv, dataset="study").unchanged == 1


def test_a_rotation_in_the_middle_is_overtaken(
    hospital: Session, laboratory: Session, csv: Path
) -> None:
    rotated: list[int] = []

    def rotate(progress: PushProgress) -> None:
        if progress.committed and not rotated:
            with sealift.connect("hospital") as other:
                rotated.append(other.dataset("study").rotate().commit.number)

    hospital.push(csv, dataset="study", to="laboratory", limits=SMALL, progress=rotate)
    assert rotated
    assert rows_of(laboratory, "hospital/study") == list(range(ROWS))


def test_a_long_chain_of_cursors_is_followed(hospital: Session, tmp_path: Path) -> None:
    """Longer than a cursor chain may be, and than the distance between snapshots."""
    folder = tmp_path / "exports"
    folder.mkdir()
    for i in range(70):
        pq.write_table(pa.table({"id": [i]}), folder / f"{i:03d}.parquet")
    pushed = hospital.push(folder, dataset="study", limits=PushLimits(commit_bytes=1))
    assert pushed.commits == 70
    assert hospital.push(folder, dataset="study").unchanged == 70
    assert rows_of(hospital, "hospital/study") == list(range(70))


def test_a_cursor_from_before_the_snapshot_is_found(
    hospital: Session, clinic: Session, csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "SNAPSHOT_EVERY", 8)
    hospital.push(csv, dataset="study")
    hospital.dataset("study").add_co_owner("clinic")
    clinic.trust("hospital", str(hospital.fingerprint))
    other = csv.with_name("clinic.csv")
    other.write_text("id,text\n-5,x\n")
    clinic.push(other, dataset="hospital/study")
    for i in range(14):
        hospital.push(pa.table({"id": [i], "text": [""]}), dataset="study")
    first = clinic.open_dataset("hospital/study")._opened.history.commits[0].number
    assert first > 2
    assert clinic.push(other, dataset="hospital/study").unchanged == 1
    assert hospital.push(csv, dataset="study").unchanged == 1


def test_nobody_else_reads_what_was_pushed_from_where(
    hospital: Session, laboratory: Session, csv: Path
) -> None:
    hospital.push(csv, dataset="study", to="laboratory")
    opened = laboratory.open_dataset("hospital/study")._opened
    metadata = open_metadata(opened.history.commits[0], opened.epoch_keys[1])
    assert metadata.cursor
    assert csv.name.encode() not in metadata.SerializeToString()
    with pytest.raises(WrongKey):
        open_cursor(
            metadata.cursor,
            owner_secret=laboratory._connection.keychain.owner_secret(),
            dataset_id=opened.dataset_id,
        )


def test_a_lost_secret_does_not_lead_to_doubles(hospital: Session, csv: Path) -> None:
    hospital.push(csv, dataset="study")
    chain = hospital._connection.keychain
    chain.store(replace(chain.keys, owner_secret=sealift.Secret.random(32)))
    with pytest.raises(CursorUnreadable):
        hospital.push(csv, dataset="study")


def test_a_new_identity_goes_on_where_the_old_one_stood(
    hospital: Session, csv: Path
) -> None:
    hospital.push(csv, dataset="study")
    hospital.identity.succeed()
    assert hospital.push(csv, dataset="study").unchanged == 1


def test_a_deadline_commits_what_is_there(hospital: Session, csv: Path) -> None:
    with pytest.raises(DeadlineReached, match="committed"):
        hospital.push(csv, dataset="study", limits=PushLimits(deadline_seconds=1e-6))
    assert 0 < len(rows_of(hospital, "hospital/study")) < ROWS
    hospital.push(csv, dataset="study")
    assert rows_of(hospital, "hospital/study") == list(range(ROWS))


def test_a_push_that_is_told_to_stop_commits_what_it_has(
    hospital: Session, csv: Path
) -> None:
    stop = threading.Event()
    stop.set()
    pushed = hospital.push(csv, dataset="study", stop=stop)
    assert 0 < pushed.records < ROWS
    hospital.push(csv, dataset="study")
    assert rows_of(hospital, "hospital/study") == list(range(ROWS))


def test_uploads_go_side_by_side_in_their_order(
    hospital: Session, tmp_path: Path
) -> None:
    table = pa.table({"id": range(200_000), "blob": [bytes(1000)] * 200_000})
    pushed = hospital.push(table, dataset="study", limits=PushLimits(jobs=4))
    assert pushed.shards > 2
    assert rows_of(hospital, "hospital/study") == list(range(200_000))


# --- the schema ------------------------------------------------------------------------------


def test_a_nullable_column_may_be_added(hospital: Session, laboratory: Session) -> None:
    hospital.push(pa.table({"id": [1]}), dataset="study", to="laboratory")
    hospital.push(pa.table({"score": [0.5], "id": [2]}), dataset="study")
    hospital.push(pa.table({"id": [3], "score": [1.5]}), dataset="study")
    opened = laboratory.open_dataset("hospital/study")
    assert opened.schema.names == ["id", "score"]
    assert opened.to_table().to_pydict() == {"id": [1, 2, 3], "score": [None, 0.5, 1.5]}
    with pytest.raises(SchemaMismatch, match="column 2 of the dataset is missing"):
        hospital.push(pa.table({"id": [4]}), dataset="study")


def test_an_added_column_survives_a_snapshot_and_resealing(
    hospital: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "SNAPSHOT_EVERY", 8)
    hospital.push(pa.table({"id": [0]}), dataset="study")
    hospital.push(pa.table({"id": [1], "score": [0.5]}), dataset="study")
    for i in range(2, 11):
        hospital.push(pa.table({"id": [i], "score": [1.0]}), dataset="study")
    assert hospital.open_dataset("hospital/study")._opened.history.commits[0].number > 0
    hospital.dataset("study").rotate(reseal=True)
    table = hospital.open_dataset("hospital/study").to_table()
    assert table["id"].to_pylist() == list(range(11))
    assert table["score"].to_pylist()[:2] == [None, 0.5]


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (pa.table({"id": ["1"]}), "column 1 is int64 in the dataset and string here"),
        (
            pa.table(
                {"id": [1], "n": [1]},
                schema=pa.schema(
                    [("id", pa.int64()), pa.field("n", pa.int64(), nullable=False)]
                ),
            ),
            "does not allow nulls",
        ),
    ],
)
def test_other_changes_of_the_schema_are_refused(
    table: pa.Table, what: str, hospital: Session
) -> None:
    hospital.push(pa.table({"id": [1]}), dataset="study")
    with pytest.raises(SchemaMismatch, match=what):
        hospital.push(table, dataset="study")


def test_a_later_file_is_read_with_the_types_that_are_pinned(
    hospital: Session, tmp_path: Path
) -> None:
    (tmp_path / "1.csv").write_text("id,weight\n1,1.5\n")
    (tmp_path / "2.csv").write_text("id,weight\n2,2\n")
    (tmp_path / "3.csv").write_text("id,weight\n3,heavy\n")
    hospital.push(tmp_path / "1.csv", dataset="study")
    hospital.push(tmp_path / "2.csv", dataset="study")
    assert hospital.open_dataset("hospital/study").to_table()["weight"].to_pylist() == [
        1.5,
        2.0,
    ]
    with pytest.raises(SourceError, match="line 2, column 2") as caught:
        hospital.push(tmp_path / "3.csv", dataset="study")
    assert caught.value.path == tmp_path / "3.csv"
    assert "heavy" not in str(caught.value)


def test_descriptions_of_columns_are_sealed_with_the_rest(
    relay, hospital: Session, laboratory: Session
) -> None:
    field = pa.field("weight", pa.float64()).with_metadata(
        {"unit": "kilo-canary", "label": "W"}
    )
    table = pa.table({"weight": [1.0]}, schema=pa.schema([field]))
    hospital.push(table, dataset="study", to="laboratory")
    opened = laboratory.open_dataset("hospital/study")
    assert opened.schema.field("weight").metadata == {
        b"unit": b"kilo-canary",
        b"label": b"W",
    }
    assert opened.to_table().schema.field("weight").metadata[b"unit"] == b"kilo-canary"
    assert b"kilo-canary" not in relay.disk()


def test_the_schema_is_shown_before_anything_is_sealed(
    relay, hospital: Session
) -> None:
    class Declined(Exception):
        pass

    def decline(schema: pa.Schema, new: bool) -> None:
        assert (schema.names, new) == (["id"], True)
        raise Declined

    with pytest.raises(Declined):
        hospital.push(pa.table({"id": [1]}), dataset="study", show_schema=decline)
    assert hospital.datasets() == []
    assert [p for p in (relay.folder / "blobs").rglob("*") if p.is_file()] == []


# --- records that cannot be read -------------------------------------------------------------


def test_a_bad_record_stops_is_skipped_or_is_quarantined(
    hospital: Session, laboratory: Session, tmp_path: Path
) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text('{"id": 1}\n{"id": canary-broken\n{"id": 2}\n')
    with pytest.raises(SourceError, match="line 2 is not JSON"):
        hospital.push(path, dataset="stopped")
    pushed = hospital.push(path, dataset="skipped", on_error="skip")
    assert (pushed.records, pushed.rejected) == (2, 1)
    pushed = hospital.push(path, dataset="kept", to="laboratory", on_error="quarantine")
    assert (pushed.records, pushed.rejected) == (2, 1)
    [kept] = hospital.open_dataset("hospital/kept.quarantine").to_table().to_pylist()
    assert (kept["line"], kept["problem"]) == (2, "line 2 is not JSON")
    assert kept["content"] == b'{"id": canary-broken\n'
    with pytest.raises(sealift.errors.AccessDenied):
        laboratory.open_dataset("hospital/kept.quarantine")
    with pytest.raises(InvalidArgument):
        hospital.push(path, dataset="kept", on_error="hide")


# --- a stream --------------------------------------------------------------------------------


def test_a_writer_commits_what_was_written(
    hospital: Session, laboratory: Session
) -> None:
    with hospital.writer("study", to="laboratory") as writer:
        for i in range(3000):
            writer.write({"id": i, "name": f"n{i}"})
        assert writer.flush() == 0
        writer.write_batch(pa.record_batch({"id": [3000], "name": ["batch"]}))
    assert writer.commits == [0, 1]
    assert rows_of(laboratory, "hospital/study") == list(range(3001))
    with hospital.writer(
        "study", pa.schema([("id", pa.int64()), ("name", pa.string())])
    ) as writer:
        writer.write({"id": 3001})
    assert rows_of(laboratory, "hospital/study") == list(range(3002))


def write_all(writer: sealift.Writer, records: list[dict[str, object]]) -> None:
    with writer:
        for record in records:
            writer.write(record)


def test_a_writer_whose_block_failed_commits_no_more(hospital: Session) -> None:
    writer = hospital.writer("study")

    def fail() -> None:
        with writer:
            writer.write({"id": 1})
            writer.flush()
            writer.write({"id": 2})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert rows_of(hospital, "hospital/study") == [1]


def test_a_writer_says_which_record_does_not_fit(hospital: Session) -> None:
    schema = pa.schema([("id", pa.int64())])
    with pytest.raises(SchemaMismatch, match="record 2, column 1") as caught:
        write_all(hospital.writer("study", schema), [{"id": 1}, {"id": "canary"}])
    assert "canary" not in str(caught.value)
    with pytest.raises(SchemaMismatch, match="record 1 has a column"):
        write_all(hospital.writer("study", schema), [{"id": 1, "other": 2}])
    with pytest.raises(SchemaMismatch, match="the type of column 1 is unknown"):
        write_all(hospital.writer("study"), [{"id": None}])


def test_a_writer_commits_by_size(hospital: Session) -> None:
    with hospital.writer("study", limits=PushLimits(commit_bytes=50_000)) as writer:
        for i in range(20):
            writer.write_batch(
                pa.record_batch({"id": range(i * 1000, i * 1000 + 1000)})
            )
        assert len(writer.commits) == 2
    assert rows_of(hospital, "hospital/study") == list(range(20_000))


def test_following_a_folder_seals_what_appears_in_it(
    hospital: Session, tmp_path: Path
) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    stop = threading.Event()
    told: list[int] = []

    def pushed(result: sealift.Pushed) -> None:
        told.append(result.records)
        if len(told) == 1:
            (folder / "b.csv").write_text("id\n3\n")
            (folder / ".hidden.csv").write_text("id\n9\n")
        else:
            stop.set()

    (folder / "a.csv").write_text("id\n1\n2\n")
    started = time.monotonic()
    records = hospital.follow(
        folder,
        dataset="study",
        pushed=pushed,
        settle_seconds=0.2,
        stop=stop,
        limits=PushLimits(commit_seconds=0.1),
    )
    assert time.monotonic() - started < within(30)
    assert (records, told) == (3, [2, 1])
    assert rows_of(hospital, "hospital/study") == [1, 2, 3]


def test_a_source_without_records_is_an_error_the_first_time(
    hospital: Session, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("id\n")
    with pytest.raises(EmptySource):
        hospital.push(tmp_path / "a.csv", dataset="study")
    with pytest.raises(EmptySource):
        hospital.push(pa.table({"id": pa.array([], pa.int64())}), dataset="study")


def test_an_option_that_is_not_known_is_named_as_such(hospital: Session) -> None:
    with pytest.raises(InvalidArgument, match="unknown option `colour`"):
        hospital.push(pa.table({"id": [1]}), dataset="study", colour="red")
    assert SourceOptions().kind == BEGINNING == ""
