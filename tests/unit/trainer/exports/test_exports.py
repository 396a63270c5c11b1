"""Exports of a dataset: what is written is what was sealed, and nothing of it is a path."""

from __future__ import annotations

import io
import json
import math
import os
import tarfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealift.history.records import read_batches
from sealift.trainer.exports.arrow import write_arrow
from sealift.trainer.exports.json_values import Room, json_value
from sealift.trainer.exports.parquet import write_parquet
from sealift.trainer.exports.tar import tar_header
from sealift.trainer.exports.webdataset import MEDIA, members_of, write_webdataset
from sealift_protocol.errors import InvalidArgument, MalformedObject, SealiftError

WRITERS = {".parquet": write_parquet, ".arrow": write_arrow, ".tar": write_webdataset}
every_writer = pytest.mark.parametrize("suffix", WRITERS)


class Payload(bytearray):
    """Memory that can be watched."""


@dataclass
class Shards:
    """A dataset whose shards hold these batches each."""

    schema: pa.Schema
    payloads: Sequence[Sequence[pa.RecordBatch]]
    missing: int = 0
    opened: list[weakref.ref[Payload]] = field(default_factory=list)

    @property
    def live(self) -> int:
        """Opened shards that are still referred to."""
        return sum(shard() is not None for shard in self.opened)

    @property
    def num_records(self) -> int:
        return (
            sum(b.num_rows for batches in self.payloads for b in batches) + self.missing
        )

    def shards(
        self, columns: Sequence[str] | None
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        for batches in self.payloads:
            file = io.BytesIO()
            with pa.ipc.new_stream(file, self.schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
            payload = Payload(file.getvalue())
            self.opened.append(weakref.ref(payload))
            yield self._batches(memoryview(payload), columns)
            del payload, file

    def _batches(
        self, payload: memoryview, columns: Sequence[str] | None
    ) -> Iterator[pa.RecordBatch]:
        for batch in read_batches(payload, self.schema):
            yield batch if columns is None else batch.select(list(columns))
            del batch


def shards(table: pa.Table, *, rows: int = 4, batches: int = 2) -> Shards:
    """A table in shards of so many batches of so many rows."""
    parts = table.to_batches(max_chunksize=rows)
    return Shards(
        table.schema, [parts[at : at + batches] for at in range(0, len(parts), batches)]
    )


def study(rows: int = 20) -> pa.Table:
    tensor = pa.fixed_shape_tensor(pa.uint8(), [2, 3])
    pixels = pa.array(
        [list(range(i, i + 6)) for i in range(rows)], pa.list_(pa.uint8(), 6)
    )
    return pa.table(
        {
            "text": ["ä", None, "", "long " * 5] * (rows // 4),
            "label": pa.array(range(rows), pa.int32()),
            "score": [1.5, None, math.inf, 0.0] * (rows // 4),
            "scan.PNG": [b"\x89PNG", None, b"", b"\0"] * (rows // 4),
            "blob": [bytes([i]) for i in range(rows)],
            "pixels": pa.ExtensionArray.from_storage(tensor, pixels),
            "series": pa.array(
                [[0.5, 1], [], None, [2, None]] * (rows // 4), pa.list_(pa.float32())
            ),
            "when": [datetime(2026, 1, 2, 3, 4, 5, 6)] * rows,
        }
    ).replace_schema_metadata({"a": "b"})


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        found = [(info, tar.extractfile(info)) for info in tar]
        assert len({info.name for info, _ in found}) == len(found)
        return {info.name: file.read() for info, file in found if file is not None}


# --- all forms -----------------------------------------------------------------------------------


def test_parquet_and_arrow_files_hold_the_records_shard_by_shard(
    tmp_path: Path,
) -> None:
    table = study()
    seen: list[tuple[int, int]] = []
    parquet = write_parquet(shards(table), tmp_path / "p")
    arrow = write_arrow(
        shards(table), tmp_path / "a", progress=lambda *done: seen.append(done)
    )
    assert [path.name for path in parquet] == [
        f"part-{i:05d}.parquet" for i in range(3)
    ]
    assert [path.name for path in arrow] == [f"part-{i:05d}.arrow" for i in range(3)]
    assert pa.concat_tables(map(pq.read_table, parquet)).equals(table)
    mapped = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in arrow]
    assert [part.num_rows for part in mapped] == [8, 8, 4]
    assert pa.concat_tables(mapped).equals(table)
    assert mapped[0].schema.equals(table.schema, check_metadata=True)
    assert [records for records, _ in seen] == [4, 8, 12, 16, 20]
    assert seen[-1][1] == sum(
        batch.nbytes for batch in table.to_batches(max_chunksize=4)
    )


def test_an_arrow_file_is_not_compressed_and_maps_without_a_copy(
    tmp_path: Path,
) -> None:
    table = pa.table({"a": np.arange(10_000)})
    [path] = write_arrow(shards(table, rows=10_000), tmp_path / "out")
    before = pa.total_allocated_bytes()
    read = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    assert read.equals(table)
    assert pa.total_allocated_bytes() - before < 10_000


@every_writer
def test_columns_are_chosen_and_come_in_the_order_asked_for(
    suffix: str, tmp_path: Path
) -> None:
    opened = shards(study())
    files = WRITERS[suffix](opened, tmp_path / "out", columns=["score", "text"])
    if suffix == ".parquet":
        assert pq.read_table(files[0]).column_names == ["score", "text"]
    elif suffix == ".arrow":
        assert pa.ipc.open_file(files[0]).schema.names == ["score", "text"]
    else:
        first = [name for name in members(files[0]) if name.startswith("0000000000")]
        assert first == ["0000000000.text.txt", "0000000000.json"]
    with pytest.raises(InvalidArgument, match="1 of the 2 columns"):
        WRITERS[suffix](opened, tmp_path / "no", columns=["score", "secret"])
    assert not (tmp_path / "no").exists()


@every_writer
def test_a_dataset_without_records_is_one_empty_file(
    suffix: str, tmp_path: Path
) -> None:
    [path] = WRITERS[suffix](Shards(study().schema, []), tmp_path / "out")
    assert path == tmp_path / "out" / f"part-00000{suffix}"
    if suffix == ".parquet":
        assert pq.read_table(path).num_rows == 0
    elif suffix == ".arrow":
        assert pa.ipc.open_file(path).read_all().equals(study().schema.empty_table())
    else:
        assert members(path) == {}


@every_writer
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_export_that_is_interrupted_leaves_nothing(
    suffix: str, error: type[BaseException], tmp_path: Path
) -> None:
    def stop(records: int, _size: int) -> None:
        if records > 10:
            raise error

    with pytest.raises(error):
        WRITERS[suffix](shards(study()), tmp_path / "out", progress=stop)
    assert list(tmp_path.iterdir()) == []


@every_writer
def test_records_that_are_missing_are_an_error_and_leave_nothing(
    suffix: str, tmp_path: Path
) -> None:
    opened = Shards(study().schema, shards(study()).payloads, missing=1)
    with pytest.raises(
        MalformedObject, match="number of records in the shards differs"
    ):
        WRITERS[suffix](opened, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@every_writer
def test_one_shard_at_a_time_is_in_memory(suffix: str, tmp_path: Path) -> None:
    opened = shards(pa.table({"a": [bytes(1 << 20)] * 48}), rows=1, batches=8)
    before = pa.total_allocated_bytes()
    highest = 0

    def watch(_records: int, _size: int) -> None:
        nonlocal highest
        highest = max(highest, pa.total_allocated_bytes() - before)
        assert opened.live == 1

    WRITERS[suffix](opened, tmp_path / "out", progress=watch)
    assert len(opened.opened) == 6
    assert highest < 16 << 20


def test_dictionaries_that_change_within_a_shard_are_made_one(tmp_path: Path) -> None:
    batches = [
        pa.record_batch({"a": pa.array(values).dictionary_encode(), "b": range(3)})
        for values in (["x", "y", "x"], ["z", "x", None])
    ]
    opened = Shards(batches[0].schema, [batches])
    [path] = write_arrow(opened, tmp_path / "out")
    read = pa.ipc.open_file(path).read_all()
    assert read.schema == batches[0].schema
    assert read["a"].to_pylist() == ["x", "y", "x", "z", "x", None]


def test_what_a_form_cannot_hold_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    interval = pa.table({"a": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})
    with pytest.raises(InvalidArgument, match="Parquet has no type") as caught:
        write_parquet(shards(interval), tmp_path / "out")
    assert "Arrow" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    assert (
        pa.ipc.open_file(write_arrow(shards(interval), tmp_path / "a")[0]).read_all()
        == interval
    )
    small = [
        pa.record_batch(
            {
                "a": pa.DictionaryArray.from_arrays(
                    pa.array(range(100), pa.int8()), names
                )
            }
        )
        for names in (pa.array([f"{kind}{i}" for i in range(100)]) for kind in "ab")
    ]
    with pytest.raises(InvalidArgument, match="dictionaries"):
        write_arrow(Shards(small[0].schema, [small]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- WebDataset ----------------------------------------------------------------------------------


def test_a_record_is_a_run_of_members_under_its_number(tmp_path: Path) -> None:
    files = write_webdataset(shards(study()), tmp_path / "out")
    assert [path.name for path in files] == [f"part-{i:05d}.tar" for i in range(3)]
    found = {name: data for path in files for name, data in members(path).items()}
    assert list(dict.fromkeys(name.partition(".")[0] for name in found)) == [
        f"{i:010d}" for i in range(20)
    ]
    first = {
        k.partition(".")[2]: v for k, v in found.items() if k.startswith("0000000000.")
    }
    assert list(first) == [
        *("text.txt", "cls", "scan.png", "blob.bin", "pixels.npy", "series.npy", "json")
    ]
    assert first["text.txt"] == "ä".encode()
    assert first["scan.png"] == b"\x89PNG"
    assert first["cls"] == b"0"
    assert json.loads(first["json"]) == {
        "label": 0,
        "score": 1.5,
        "when": "2026-01-02T03:04:05.000006",
    }
    second = {k.partition(".")[2] for k in found if k.startswith("0000000001.")}
    assert second == {"cls", "blob.bin", "pixels.npy", "series.npy", "json"}
    assert json.loads(found["0000000001.json"])["score"] is None
    assert json.loads(found["0000000003.json"])["series"] == [2.0, None]


def test_webdataset_reads_the_records_back_with_its_own_decoders(
    tmp_path: Path,
) -> None:
    webdataset = pytest.importorskip("webdataset")
    table = study()
    files = write_webdataset(shards(table), tmp_path / "out")
    urls = [str(path) for path in files]
    samples = list(
        webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode()
    )
    assert len(samples) == table.num_rows
    for row, sample in zip(table.to_pylist(), samples, strict=True):
        assert sample.get("text.txt") == row["text"]
        assert sample["cls"] == sample["json"]["label"] == row["label"]
        assert sample["json"]["score"] == row["score"]
        assert sample.get("scan.png") == row["scan.PNG"]
        assert sample["blob.bin"] == row["blob"]
        series = sample["json"].get("series", sample.get("series.npy"))
        assert (series is None) == (row["series"] is None)
        assert series is None or list(series) == row["series"]
    pixels = np.stack([sample["pixels.npy"] for sample in samples])
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, table["pixels"].combine_chunks().to_numpy_ndarray())
    pairs = webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode()
    assert [label for _, label in pairs.to_tuple("blob.bin", "cls")] == list(range(20))


def test_the_axes_of_a_tensor_come_in_its_order(tmp_path: Path) -> None:
    tensor = pa.fixed_shape_tensor(pa.int16(), [2, 3], permutation=[1, 0])
    storage = pa.array([list(range(6))], pa.list_(pa.int16(), 6))
    table = pa.table({"a": pa.ExtensionArray.from_storage(tensor, storage)})
    found = members(write_webdataset(shards(table), tmp_path / "out")[0])
    array = np.load(io.BytesIO(found["0000000000.a.npy"]))
    assert array.tolist() == [[0, 3], [1, 4], [2, 5]]
    whole = io.BytesIO()
    np.save(whole, np.ascontiguousarray(array))
    assert whole.getvalue() == found["0000000000.a.npy"]


def test_the_same_records_make_the_same_bytes_and_headers_tell_nothing(
    tmp_path: Path,
) -> None:
    one, two = (
        write_webdataset(shards(study()), tmp_path / name) for name in ("a", "b")
    )
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    with tarfile.open(one[0]) as tar:
        for info in tar:
            assert info.isreg()
            assert (info.mtime, info.uid, info.gid, info.uname, info.gname) == (
                0,
                0,
                0,
                "",
                "",
            )
            assert info.mode == 0o600
    assert one[0].stat().st_size % tarfile.BLOCKSIZE == 0


@given(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=100
    )
)
def test_a_header_is_the_one_that_tarfile_writes(name: str) -> None:
    for size in (0, 1, 511, 512, 64 << 20, 8**11 - 1):
        expected = tarfile.TarInfo(name)
        expected.size = size
        expected.mode = 0o600
        if name.endswith("/") or len(expected.name) != len(name):
            return
        assert tar_header(name, size) == expected.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(("name", "size"), [("x" * 101, 0), ("ä", 0), ("x", 8**11)])
def test_a_header_that_tar_has_no_room_for_is_refused(name: str, size: int) -> None:
    with pytest.raises(InvalidArgument):
        tar_header(name, size)


def test_other_tools_read_the_tar_files(tmp_path: Path) -> None:
    [path] = write_webdataset(shards(study(), rows=20), tmp_path / "out")
    listed = os.popen(f"tar -tf {path}").read().split()
    assert listed == list(members(path))


def test_numbers_are_exact_and_odd_ones_come_back(tmp_path: Path) -> None:
    table = pa.table(
        {
            "big": pa.array([2**64 - 1, None], pa.uint64()),
            "odd": [math.nan, -math.inf],
            "day": pa.array([date(2026, 1, 2), None]),
            "price": [Decimal("1.50"), None],
            "flag": [True, None],
            "kind": pa.array(["a", "a"]).dictionary_encode(),
            "words": [["x", None], None],
            "who": [{"name": "b", "scan": b"\0"}, None],
        }
    )
    found = members(write_webdataset(shards(table), tmp_path / "out")[0])
    first, second = (json.loads(found[f"000000000{i}.json"]) for i in range(2))
    assert math.isnan(first.pop("odd"))
    assert first == {
        "big": 2**64 - 1,
        "day": "2026-01-02",
        "price": "1.50",
        "flag": True,
        "words": ["x", None],
        "who": {"name": "b", "scan": "AA=="},
    }
    assert second.pop("odd") == -math.inf
    assert set(second.values()) == {None}
    assert found["0000000001.kind.txt"] == b"a"


def test_a_record_of_nulls_is_a_record(tmp_path: Path) -> None:
    empty = pa.DictionaryArray.from_arrays(
        pa.array([0, 0], pa.int8()), pa.array([None, "a"])
    )
    tensor = pa.fixed_shape_tensor(pa.int8(), [1])
    none = pa.ExtensionArray.from_storage(tensor, pa.nulls(2, pa.list_(pa.int8(), 1)))
    table = pa.table({"a": pa.array([None, "x"]), "b": empty, "c": none})
    found = members(write_webdataset(shards(table), tmp_path / "out")[0])
    assert found == {"0000000000.json": b"{}", "0000000001.a.txt": b"x"}


# --- A25: the owner attacks ----------------------------------------------------------------------

HOSTILE = [
    *(
        "../../x",
        "/etc/passwd",
        "..\\x",
        "a/b",
        "A/b",
        "a_b",
        "\0",
        "\x1b[2J",
        "",
        ".",
        "..",
        "C:",
    ),
    *(
        "__key__",
        "__url__",
        "json",
        "cls",
        "x" * 5000,
        "ключ",
        "\u202egnp",
        "con",
        "jpg",
        "JPG",
    ),
    *("a.jpg/../../x", "/.jpg", "x\n.png"),
]


@pytest.mark.parametrize("kind", [pa.string(), pa.binary(), pa.list_(pa.int8())])
def test_a25_no_column_name_becomes_a_path_and_none_hides_another(
    kind: pa.DataType, tmp_path: Path
) -> None:
    value: Any = {pa.string(): "v", pa.binary(): b"v"}.get(kind, [1])
    table = pa.table({name: pa.array([value], kind) for name in HOSTILE})
    found = members(write_webdataset(shards(table), tmp_path / "out")[0])
    assert len(found) == len(HOSTILE)
    assert len({name.lower() for name in found}) == len(found)
    for name in found:
        assert name.startswith("0000000000.")
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-."), name
        assert ".." not in name
        assert len(name) <= 100
    with tarfile.open(tmp_path / "out" / "part-00000.tar") as tar:
        tar.extractall(tmp_path / "x", filter="data")
    assert len(list((tmp_path / "x").iterdir())) == len(HOSTILE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "x"]


@given(
    st.lists(st.text(max_size=80), unique=True, max_size=12),
    st.sampled_from(["txt", "bin"]),
)
def test_a25_any_names_are_safe_and_distinct(names: list[str], form: str) -> None:
    kind = pa.string() if form == "txt" else pa.binary()
    try:
        schema = pa.schema([(name, kind) for name in names])
    except UnicodeEncodeError:
        return
    suffixes = [member.suffix for member in members_of(schema)]
    assert len({suffix.lower() for suffix in suffixes}) == len(names)
    for suffix in suffixes:
        assert set(suffix) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
        assert not suffix.startswith(".")
        assert suffix.count(".") <= 1
        ending = suffix.rpartition(".")[2]
        assert ending == form or (form == "bin" and ending in MEDIA)


RUN_WHEN_READ = [
    "pyd",
    "pickle",
    "pkl",
    "pth",
    "x.pyd",
    "x.pkl",
    "X.PYD",
    "x.pyd.gz",
    "npz",
    "mp",
]


def test_a25_nothing_that_an_owner_writes_is_unpickled(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    attack = b"cbuiltins\neval\n(S'1/0'\ntR."
    table = pa.table(
        {name: [attack] for name in [*RUN_WHEN_READ, "json", "cls", "txt", "npy"]}
    )
    [path] = write_webdataset(shards(table), tmp_path / "out")
    read = webdataset.WebDataset(
        [str(path)], shardshuffle=False, empty_check=False
    ).decode()
    [sample] = list(read)
    values = [value for key, value in sample.items() if not key.startswith("__")]
    assert len(values) == table.num_columns
    assert set(values) == {attack}


def test_a25_media_names_are_none_that_webdataset_runs() -> None:
    autodecode = pytest.importorskip("webdataset.autodecode")
    assert MEDIA.isdisjoint(autodecode.decoders)
    assert "bin" not in autodecode.decoders
    assert "gz" not in MEDIA


def test_a25_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(MalformedObject, match="same name") as caught:
        write_webdataset(shards(table), tmp_path / "out")
    assert "'a'" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def repeated() -> pa.Table:
    """A record of a mebibyte that says a text of a mebibyte two hundred times."""
    long = pa.DictionaryArray.from_arrays(
        pa.array([0] * 200, pa.int8()), ["x" * (1 << 20)]
    )
    return pa.table({"a": pa.ListArray.from_arrays([0, 200], long)})


def test_a25_a_record_that_repeats_itself_does_not_fill_the_memory(
    tmp_path: Path,
) -> None:
    with pytest.raises(MalformedObject, match="more space than a shard can"):
        write_webdataset(shards(repeated()), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a25_a_list_of_nothing_does_not_fill_the_memory() -> None:
    nothing = pa.ListArray.from_arrays([0, 1 << 21], pa.nulls(1 << 21))
    with pytest.raises(MalformedObject, match="more space than a shard can"):
        json_value(nothing[0], Room(1 << 20))


# --- JSON ----------------------------------------------------------------------------------------

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JSON: list[tuple[Callable[[], pa.Array], object]] = [
    (lambda: pa.array([2**63 - 1]), 2**63 - 1),
    (lambda: pa.array([1.5], pa.float16()), 1.5),
    (lambda: pa.array([math.nan]), "NaN"),
    (lambda: pa.array([math.inf]), "Infinity"),
    (lambda: pa.array([-math.inf], pa.float32()), "-Infinity"),
    (lambda: pa.array([[math.nan]]), ["NaN"]),
    (lambda: pa.array([b"ab"]), "YWI="),
    (lambda: pa.array([b"ab"], pa.binary_view()), "YWI="),
    (lambda: pa.array(["ab"], pa.string_view()), "ab"),
    (
        lambda: pa.array([AT], pa.timestamp("s", "Europe/Berlin")),
        "2026-01-02T03:04:05Z",
    ),
    (lambda: pa.array([1], pa.timestamp("ns")), "1970-01-01T00:00:00.000000001"),
    (
        lambda: pa.array([1], pa.timestamp("ms", "Mars/Phobos")),
        "1970-01-01T00:00:00.001Z",
    ),
    (lambda: pa.array([date(2026, 1, 2)], pa.date64()), "2026-01-02"),
    (lambda: pa.array([3_661_001], pa.time32("ms")), "01:01:01.001"),
    (lambda: pa.array([-1500], pa.duration("ms")), "-PT1.5S"),
    (lambda: pa.array([1500], pa.duration("s")), "PT1500S"),
    (lambda: pa.array([(1, 2, 3)], pa.month_day_nano_interval()), [1, 2, 3]),
    (lambda: pa.array([Decimal("1.10")]), "1.10"),
    (
        lambda: pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())),
        [{"key": "k", "value": 1}],
    ),
    (lambda: pa.array([{"a": [None]}]), {"a": [None]}),
    (lambda: pa.RunEndEncodedArray.from_arrays([2], ["a"]), "a"),
    (lambda: pa.array(["a"]).dictionary_encode(), "a"),
    (lambda: pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]), 1),
    (lambda: pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1], pa.int8())), 1),
    (lambda: pa.nulls(1), None),
]


@pytest.mark.parametrize(("make", "expected"), JSON)
def test_values_as_strict_json(make: Callable[[], pa.Array], expected: object) -> None:
    value = json_value(make()[0], Room(), strict=True)
    assert value == expected
    assert json.loads(json.dumps(value, allow_nan=False)) == expected


def test_what_python_alone_reads_stays_a_number_otherwise() -> None:
    assert json_value(pa.array([math.inf])[0], Room()) == math.inf


def test_errors_of_exports_are_named() -> None:
    with pytest.raises(SealiftError):
        Room(1).take(2)
