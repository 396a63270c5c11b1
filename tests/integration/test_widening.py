"""A column is widened: the next night's file fits, and trainers open old and new shards as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sealift
from sealift.api.dataset import RemoteDataset
from sealift.cli.output import tell
from sealift.owner.push.committing import Change, append
from sealift.session import Session
from sealift_protocol.errors import (
    AccessDenied,
    HistoryInvalid,
    InvalidArgument,
    SchemaMismatch,
    SourceError,
)


def test_the_second_nights_file_is_pushed_and_opened_with_the_first(
    hospital: Session, laboratory: Session, clinic: Session, tmp_path: Path
) -> None:
    first, second = tmp_path / "d1.csv", tmp_path / "d2.csv"
    first.write_text("mrn,lab\n1001,5\n1002,6\n")
    second.write_text("mrn,lab\nA1003,5.5\n0017,7\n")
    hospital.push(first, dataset="nightly", to="laboratory")
    night = hospital.dataset("nightly")

    with pytest.raises(SourceError, match="line 2, column 1") as caught:
        hospital.push(second, dataset="nightly")
    _names_the_way_out(caught.value)
    with pytest.raises(SchemaMismatch, match="column 1 is int64") as caught:
        hospital.push(
            second, dataset="nightly", types={"mrn": "string", "lab": "float64"}
        )
    _names_the_way_out(caught.value)

    before = _shards(night)
    seen = night.widen("lab", "float64", dry_run=True)
    assert (seen.committed, seen.shards) == (None, 1)
    assert seen.stored_bytes > 0
    assert night.widen("lab", "float64").committed is not None
    assert night.widen("mrn", "string").shards == 0
    assert night.widen("mrn", "string").committed is None
    assert _shards(night) == before

    hospital.push(second, dataset="nightly")
    third = tmp_path / "d3.csv"
    third.write_text("mrn,lab\n0018,8\n")
    hospital.push(third, dataset="nightly")

    names = ["1001", "1002", "A1003", "0017", "0018"]
    labs = [5.0, 6.0, 5.5, 7.0, 8.0]
    with laboratory.open_dataset("hospital/nightly") as dataset:
        assert dataset.schema.types == [pa.string(), pa.float64()]
        assert dataset.to_table().to_pydict() == {"mrn": names, "lab": labs}
        taken = dataset.take([3, 0])
        assert taken.to_pydict() == {"mrn": ["0017", "1001"], "lab": [7.0, 5.0]}
        for form in (dataset.numpy, dataset.torch):
            # Batches of whole shards are views, where they can be; others are gathered.
            for batch_size in (None, 1, 4):
                found = [
                    np.asarray(batch["lab"])
                    for batch in form(batch_size=batch_size, shuffle=False)
                ]
                assert np.concatenate(found).tolist() == labs
        sealift.write_parquet(dataset, tmp_path / "out")
    written = pq.read_table(tmp_path / "out")
    assert written.column("lab").to_pylist() == labs

    with pytest.raises(AccessDenied, match="owner"):
        clinic.dataset("hospital/nightly").widen("lab", "string")


def test_an_integer_above_2_to_the_53_is_found_before_the_column_is_widened(
    hospital: Session,
) -> None:
    edge = pa.table({"a": [2**53], "b": [2**53 + 1]})
    hospital.push(edge, dataset="edge")
    dataset = hospital.dataset("edge")
    with pytest.raises(SchemaMismatch, match="column 2: a value of type int64"):
        dataset.widen("b", "double")
    assert dataset.widen("a", "double").committed is not None
    with pytest.raises(SchemaMismatch, match="column 1: a value of type int64"):
        hospital.push(pa.table({"a": [2**53 + 1], "b": [0]}), dataset="edge")
    with pytest.raises(InvalidArgument, match="cannot be widened"):
        dataset.widen("a", "int64")
    with pytest.raises(InvalidArgument, match="no such column"):
        dataset.widen("c", "double")


def test_identifiers_keep_their_type(hospital: Session, tmp_path: Path) -> None:
    people = pa.table({"person": [17], "age": [40], "zip": [12345]})
    hospital.push(people, dataset="people", subject_column="person")
    with pytest.raises(InvalidArgument, match="subject column"):
        hospital.dataset("people").widen("person", "string")

    policy = tmp_path / "own.toml"
    policy.write_text(
        'format = 1\nname = "own"\nversion = "1"\n[columns]\n'
        'person = { action = "hash", domain = "p" }\nage = "keep"\n'
        'zip = { action = "generalise", to = "zip3" }\n'
    )
    hospital.push(people, dataset="ward", policy=policy, subject_column="person")
    ward = hospital.dataset("ward")
    with pytest.raises(InvalidArgument, match="not at hand"):
        ward.widen("age", "string")
    for name, wider in (("person", "large_string"), ("zip", "large_string")):
        with pytest.raises(InvalidArgument, match="a policy changes this column"):
            ward.widen(name, wider, policy=policy)
    assert ward.widen("age", "string", policy=policy).committed is not None


def test_a_co_owner_that_widens_a_column_is_found_out(
    hospital: Session, laboratory: Session, clinic: Session
) -> None:
    hospital.push(pa.table({"a": [1]}), dataset="shared", to="laboratory")
    hospital.dataset("shared").add_co_owner("clinic")
    theirs = clinic.dataset("hospital/shared")
    with pytest.raises(AccessDenied, match="only the dataset's owner"):
        theirs.widen("a", "double")
    wide = Change(schema=pa.schema([("a", pa.float64())]))
    append(theirs._connection.member, theirs._own(), lambda _: wide)
    with pytest.raises(HistoryInvalid, match="other than the owner widened a column"):
        laboratory.open_dataset("hospital/shared")


def _names_the_way_out(error: SourceError) -> None:
    assert error.columns == ("mrn",)
    told = tell(error)
    assert "(mrn)" in told.message
    assert "`sealift schema widen DATASET COLUMN TYPE`" in told.hint


def _shards(dataset: RemoteDataset) -> list[bytes]:
    return [entry.shard_id for entry in dataset._own().shards]
