"""Parquet as pyarrow reads it: plain, and with its modular encryption."""

from __future__ import annotations

import base64
import itertools
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from loader import WIDTH, Batch, Kind, Shape, as_is
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

ROW_GROUP: dict[Kind, int] = {"rows": 8192, "blobs": 32}
_THREADS = 2
_MASTER_KEY = bytes(range(32))


@dataclass(frozen=True)
class Parquet:
    """Row groups of 8 MiB, uncompressed, mapped into memory, read by two threads ahead of the loop.

    That is the fastest way that pyarrow offers; `iter_batches` alone and its dataset scanner read
    one row group at a time, or wait more. A row is one fixed-size binary value; as a list of
    floats, the natural type, it is read at a third of the speed (`lists`).
    """

    encrypted: bool
    lists: bool = False

    needs = "pyarrow"
    caches = False
    again = True

    @property
    def name(self) -> str:
        what = "pyarrow Parquet, encrypted" if self.encrypted else "pyarrow Parquet"
        return f"{what} (lists)" if self.lists else what

    @property
    def store(self) -> str:
        return f"parquet-{'gcm' if self.encrypted else 'plain'}{'-lists' if self.lists else ''}"

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return ("rows",) if self.lists else ("rows", "blobs")

    def write(self, folder: Path, shape: Shape) -> None:
        size = ROW_GROUP[shape.kind]
        parts = (as_record_batch(*part, lists=self.lists) for part in shape.parts(size))
        first = next(parts)
        locked = _encryption() if self.encrypted else None
        with pq.ParquetWriter(
            folder / "records.parquet",
            first.schema,
            encryption_properties=locked,
            **PLAIN,
        ) as writer:
            writer.write_batch(first, row_group_size=size)
            for part in parts:
                writer.write_batch(part, row_group_size=size)

    def read(
        self, folder: Path, shape: Shape, batch_size: int, workers: int
    ) -> Iterable[Batch]:
        del shape
        groups = _RowGroups(folder / "records.parquet", self.encrypted, batch_size)
        return DataLoader(
            groups,
            batch_size=None,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=as_is,
        )


@dataclass
class _RowGroups(IterableDataset[Batch]):
    path: Path
    encrypted: bool
    batch_size: int

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        groups = range(_open(self.path, self.encrypted).num_row_groups)
        mine = groups[info.id :: info.num_workers] if info else groups
        for table in self._tables(mine, 1 if info else _THREADS):
            # Row groups hold whole batches, except the last.
            for data, labels in as_batches(table, self.batch_size):
                yield (own(data) if info else data), labels

    def _tables(self, groups: Iterable[int], threads: int) -> Iterator[pa.Table]:
        # Two threads must not share a reader.
        local = threading.local()

        def read(group: int) -> pa.Table:
            if not hasattr(local, "file"):
                local.file = _open(self.path, self.encrypted)
            return local.file.read_row_group(group, use_threads=False)

        with ThreadPoolExecutor(threads) as pool:
            ahead: deque[Any] = deque()
            for group in groups:
                ahead.append(pool.submit(read, group))
                if len(ahead) > threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()


PLAIN = {
    "compression": "none",
    "use_dictionary": False,
    "write_statistics": False,
    "column_encoding": {"label": "PLAIN"},
}


def as_record_batch(data: Any, labels: np.ndarray, *, lists: bool) -> pa.RecordBatch:
    """Columns `data` and `label`; rows as fixed-size binary values or as fixed-size lists."""
    if not isinstance(data, np.ndarray):
        column = pa.array(data, pa.binary())
    elif lists:
        column = pa.FixedSizeListArray.from_arrays(pa.array(data.reshape(-1)), WIDTH)
    else:
        buffers = [None, pa.py_buffer(data)]
        column = pa.Array.from_buffers(pa.binary(WIDTH * 4), len(data), buffers)
    return pa.record_batch({"data": column, "label": labels})


def as_batches(table: pa.Table, batch_size: int) -> Iterator[Batch]:
    """Tensors and views of Arrow's memory."""
    for part in table.combine_chunks().to_batches(batch_size):
        column = part.column("data")
        labels = torch.from_numpy(part.column("label").to_numpy())
        if column.type == pa.binary():
            yield _views(column), labels
        else:
            yield torch.from_numpy(_rows(column).reshape(-1, WIDTH)), labels


def own(data: Any) -> Any:
    """A batch that can be sent to another process: bytes instead of views."""
    return [bytes(blob) for blob in data] if isinstance(data, list) else data


def _rows(column: pa.Array) -> np.ndarray:
    if pa.types.is_fixed_size_list(column.type):
        return column.flatten().to_numpy()
    values = column.buffers()[1]
    return np.frombuffer(
        values, np.float32, len(column) * WIDTH, column.offset * WIDTH * 4
    )


def _views(column: pa.Array) -> list[memoryview]:
    _, offsets, values = column.buffers()
    ends = np.frombuffer(offsets, np.int32, len(column) + 1, column.offset * 4).tolist()
    view = memoryview(values)
    return [view[start:end] for start, end in itertools.pairwise(ends)]


# --- encryption ----------------------------------------------------------------------------------


def _open(path: Path, encrypted: bool) -> pq.ParquetFile:
    return pq.ParquetFile(
        path,
        memory_map=True,
        decryption_properties=_decryption() if encrypted else None,
    )


def _factory() -> Any:
    import pyarrow.parquet.encryption as pe

    class InMemory(pe.KmsClient):
        """Wraps data keys under a key in memory."""

        def __init__(self, _: Any) -> None:
            super().__init__()

        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
            nonce = os.urandom(12)
            context = master_key_identifier.encode()
            return base64.b64encode(
                nonce + AESGCM(_MASTER_KEY).encrypt(nonce, key_bytes, context)
            )

        def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
            wrapped = base64.b64decode(wrapped_key)
            context = master_key_identifier.encode()
            return AESGCM(_MASTER_KEY).decrypt(wrapped[:12], wrapped[12:], context)

    return pe.CryptoFactory(InMemory), pe.KmsConnectionConfig()


def _encryption() -> Any:
    import pyarrow.parquet.encryption as pe

    factory, connection = _factory()
    configuration = pe.EncryptionConfiguration(
        footer_key="bench",
        uniform_encryption=True,
        encryption_algorithm="AES_GCM_V1",
        plaintext_footer=False,
        data_key_length_bits=256,
    )
    return factory.file_encryption_properties(connection, configuration)


def _decryption() -> Any:
    import pyarrow.parquet.encryption as pe

    factory, connection = _factory()
    return factory.file_decryption_properties(connection, pe.DecryptionConfiguration())
