"""Records that come once, through a pipe."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pytest

from sealift.owner.sources import BEGINNING, SourceOptions, open_source
from sealift.owner.sources.interface import Chunk, SkipRejects, Source, StopAtRejects
from sealift.owner.sources.stdin import arrow_stream, csv_stream, jsonl_stream
from sealift_protocol.errors import EmptySource, InvalidArgument, SourceError


def chunks(source: Source) -> Iterator[Chunk]:
    for part in source.parts():
        yield from source.read(part, BEGINNING)


def rows(source: Source) -> list[dict[str, object]]:
    return [row for chunk in chunks(source) for row in chunk.batch.to_pylist()]


def csv(content: bytes | BinaryIO, **options: object) -> Source:
    stream = io.BytesIO(content) if isinstance(content, bytes) else content
    given = {"types": {}, "encoding": "utf-8", "rejects": StopAtRejects(), **options}
    return csv_stream(stream, **given)  # type: ignore[arg-type]


def jsonl(content: bytes | BinaryIO, **options: object) -> Source:
    stream = io.BytesIO(content) if isinstance(content, bytes) else content
    return jsonl_stream(stream, **{"types": {}, "rejects": StopAtRejects(), **options})  # type: ignore[arg-type]


def arrow(table: pa.Table, rows_a_batch: int = 1000) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows_a_batch)
    return sink.getvalue()


class Piped:
    """A pipe whose writer is a thread that writes a little at a time."""

    def __init__(self, content: bytes, step: int) -> None:
        end, self._end = os.pipe()
        self.stream = os.fdopen(end, "rb", buffering=0)
        self._thread = threading.Thread(
            target=self._write, args=(content, step), daemon=True
        )
        self._thread.start()

    def _write(self, content: bytes, step: int) -> None:
        with os.fdopen(self._end, "wb") as file:
            for at in range(0, len(content), step):
                file.write(content[at : at + step])
                file.flush()


def test_records_come_through_a_pipe_in_pieces_of_any_size() -> None:
    text = "a,b\n" + "".join(f'{number},"x\ny"\n' for number in range(20_000))
    expected = [{"a": number, "b": "x\ny"} for number in range(20_000)]
    assert rows(csv(Piped(text.encode(), 999).stream)) == expected  # type: ignore[arg-type]
    lines = "".join(f'{{"a": {number}}}\n' for number in range(20_000)).encode()
    assert len(rows(jsonl(Piped(lines, 777).stream))) == 20_000  # type: ignore[arg-type]
    table = pa.table({"a": range(20_000)})
    piped = Piped(arrow(table, 20_000), 501)
    assert len(rows(arrow_stream(piped.stream))) == 20_000  # type: ignore[arg-type]


def test_positions_count_what_was_read() -> None:
    text = b"a\n" + b"1\n" * (3 << 20)
    read = list(chunks(csv(text)))
    assert len(read) > 5
    assert read[-1].position == len(text)
    assert [chunk.position for chunk in read] == sorted(
        chunk.position for chunk in read
    )


def test_a_stream_is_one_part_without_a_name_and_is_read_once() -> None:
    source = csv(b"a\n1\n")
    assert (source.kind, source.resumable, source.rereadable, source.size) == (
        "csv",
        False,
        False,
        None,
    )
    (part,) = source.parts()
    assert part.name == ""
    assert not source.continues(part)
    assert [(chunk.begin, chunk.end) for chunk in source.read(part, BEGINNING)] == [
        ("", "")
    ]
    with pytest.raises(SourceError, match="only once"):
        list(source.read(part, BEGINNING))


def test_a_producer_that_dies_leaves_its_last_line() -> None:
    assert rows(csv(b"a,b\n1,x\n2,y")) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert rows(jsonl(b'{"a":1}\n{"a":2}')) == [{"a": 1}, {"a": 2}]
    with pytest.raises(SourceError, match="never ends"):
        rows(csv(b'a,b\n1,x\n2,"y'))
    with pytest.raises(SourceError, match="line 2 has 1 columns"):
        rows(csv(b"a,b\n1"))
    with pytest.raises(SourceError, match="line 2 is not JSON"):
        rows(jsonl(b'{"a":1}\n{"a":2'))


def test_an_arrow_stream_that_ends_early_is_an_error() -> None:
    content = arrow(pa.table({"a": range(5000), "s": ["x"] * 5000}))
    assert len(rows(arrow_stream(io.BytesIO(content)))) == 5000
    reader = io.BytesIO(content)
    batches = pa.ipc.open_stream(reader)
    batches.read_next_batch()
    between = reader.tell()
    for size in (
        len(content) - 8,
        len(content) - 4,
        len(content) - 20,
        between,
        between + 100,
    ):
        source = arrow_stream(io.BytesIO(content[:size]))
        with pytest.raises(SourceError, match="ends too early"):
            rows(source)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff" * 100])
def test_what_is_no_arrow_stream_is_refused(content: bytes) -> None:
    with pytest.raises(SourceError, match="not an Arrow IPC stream"):
        arrow_stream(io.BytesIO(content))


def test_what_follows_an_arrow_stream_is_not_lost_unsaid() -> None:
    content = arrow(pa.table({"a": [1]}))
    with pytest.raises(SourceError, match="more bytes after the end"):
        rows(arrow_stream(io.BytesIO(content + content)))


def test_a_large_arrow_batch_is_cut() -> None:
    table = pa.table({"a": ["x" * 1000] * 20_000})
    read = list(chunks(arrow_stream(io.BytesIO(arrow(table, 20_000)))))
    assert max(chunk.batch.nbytes for chunk in read) < 4 << 20
    assert sum(chunk.batch.num_rows for chunk in read) == 20_000


def test_an_empty_stream_is_refused() -> None:
    for content in (b"", b"\n", b"a,b\n"):
        with pytest.raises(EmptySource):
            csv(content)
    for content in (b"", b"\n \n"):
        with pytest.raises(EmptySource):
            jsonl(content)


def test_bad_records_are_rejected_as_in_files() -> None:
    rejects = SkipRejects()
    assert rows(csv(b"a,b\n1,2\n3\n4,5\n", rejects=rejects)) == [
        {"a": 1, "b": 2},
        {"a": 4, "b": 5},
    ]
    assert rejects.count == 1
    rejects = SkipRejects()
    assert rows(jsonl(b'{"a":1}\nx\n{"a":2}\n', rejects=rejects)) == [
        {"a": 1},
        {"a": 2},
    ]
    assert rejects.count == 1


def test_types_and_earlier_schemas_hold() -> None:
    expected = pa.schema([("b", pa.string()), ("a", pa.int16())])
    assert csv(b"a,b\n1,2\n", expected=expected).schema == expected
    assert csv(b"a,b\n1,2\n", types={"a": pa.float32()}).schema.types[0] == pa.float32()
    assert jsonl(b'{"a":1}\n', expected=expected).schema == expected
    with pytest.raises(SourceError, match="column 1 of earlier records is missing"):
        csv(b"a\n1\n", expected=expected)


class Broken(io.RawIOBase):
    """A stream that breaks behind its first bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        content, self._content = self._content[:size], self._content[size:]
        if not content and size:
            raise OSError(5, "Input/output error")
        return content


def test_a_stream_that_breaks_is_an_error() -> None:
    with pytest.raises(SourceError, match="input/output error"):
        rows(csv(Broken(b"a\n1\n")))  # type: ignore[arg-type]
    content = arrow(pa.table({"a": [1]}))[:-8]
    with pytest.raises(SourceError, match="ends too early"):
        rows(arrow_stream(Broken(content)))  # type: ignore[arg-type]


READ = """
import sys
from sealift.owner.sources import BEGINNING, SourceOptions, open_source
source = open_source("-", SourceOptions(kind=sys.argv[1]))
count = sum(c.batch.num_rows for p in source.parts() for c in source.read(p, BEGINNING))
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(count, int(peak) // 1024)
"""


def test_standard_input_is_read_in_bounded_memory() -> None:
    row = b"123456," + b"x" * 993 + b"\n"
    with subprocess.Popen(
        [sys.executable, "-c", READ, "csv"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write(b"a,b\n")
        for _ in range(300):
            reader.stdin.write(row * 1000)
        reader.stdin.close()
        count, peak = map(int, reader.stdout.read().split())
    assert count == 300_000
    assert peak < 250


def test_standard_input_needs_a_kind_that_comes_through_pipes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument, match="no suffix"):
        open_source("-")
    with pytest.raises(InvalidArgument, match="cannot be read from standard input"):
        open_source("-", SourceOptions(kind="parquet"))
    with pytest.raises(InvalidArgument, match="standard input"):
        open_source(tmp_path, SourceOptions(kind="arrow"))
    _, terminal = os.openpty()
    with os.fdopen(terminal, "r") as opened:
        monkeypatch.setattr(sys, "stdin", opened)
        with pytest.raises(InvalidArgument, match="terminal"):
            open_source("-", SourceOptions(kind="csv"))
