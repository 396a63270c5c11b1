"""Wrong calls of the public API: type checkers find one error in each line that is marked."""

from __future__ import annotations

from pathlib import Path

import sealift


def an_owner(hospital: sealift.Session) -> None:
    hospital.push(
        "a.parquet", dataset="study", too="laboratory"
    )  # wrong: no such option
    hospital.push("a.parquet", dataset="study", to=7)  # wrong: a name, not a number
    hospital.push("a.parquet", dataset="study", until="tomorrow")  # wrong: Unix seconds
    hospital.push(
        "a.parquet", dataset="study", on_error="ignore"
    )  # wrong: no such choice
    hospital.push("a.parquet", dataset="study", limits=4)  # wrong: PushLimits
    hospital.push("a.parquet", to="laboratory")  # wrong: no dataset
    hospital.push("a.parquet", "study")  # wrong: dataset has to be named
    hospital.push(
        "a.parquet", dataset="study", options={"to": "x"}
    )  # wrong: PushOptions
    hospital.writer("study", purpos="a trial")  # wrong: no such option
    hospital.writer("study", retry_seconds="long")  # wrong: seconds
    hospital.trust("laboratory")  # wrong: no fingerprint
    hospital.trust("laboratory", b"abcd-efgh")  # wrong: text
    hospital.trust("laboratory", "abcd-efgh", organization=True)  # wrong: British
    hospital.datasets("study")  # wrong: takes nothing
    hospital.data_set("study")  # wrong: no such method
    hospital.dataset()  # wrong: no name
    hospital.dataset("study").grant()  # wrong: nobody is named
    hospital.dataset("study").rotate(reseal="yes")  # wrong: a bool


def options() -> None:
    sealift.PushOptions(too="laboratory")  # wrong: no such option
    sealift.PushOptions("laboratory")  # wrong: options have to be named
    sealift.PushLimits(jobs="4")  # wrong: a number
    sealift.ReadOptions(on_corrupt="ignore")  # wrong: no such choice
    sealift.ReadOptions(thread=4)  # wrong: no such option


def a_trainer(laboratory: sealift.Session, dataset: sealift.Dataset) -> None:
    laboratory.open_dataset(7)  # wrong: a path
    laboratory.open_dataset("hospital/study", catch=None)  # wrong: no such option
    laboratory.open_dataset(
        "hospital/study", on_corrupt="ignore"
    )  # wrong: no such choice
    laboratory.open_dataset("hospital/study", pin=3)  # wrong: a commit for each dataset
    laboratory.open_dataset("hospital/study", threads="2")  # wrong: a number
    sealift.open_dataset("hospital/study", profil="laboratory")  # wrong: no such option
    sealift.open_dataset("hospital/study", cache=7)  # wrong: a folder
    dataset.batches(shufle=True)  # wrong: no such option
    dataset.batches("64")  # wrong: a number
    dataset.batches(64, seed="7")  # wrong: a number
    dataset.numpy(64, column=["age"])  # wrong: no such option
    dataset.torch(64, world="2")  # wrong: a number
    dataset.torch_loader()  # wrong: no batch size
    dataset.torch_loader(64, workers=2)  # wrong: no such option
    dataset.torch_loader(64, shuffle="yes")  # wrong: a bool
    dataset.torch_loader(64, num_workers="2")  # wrong: a number
    dataset.torch_iterable(64, shufle=True)  # wrong: no such option
    dataset.torch_iterable(64, seed="7")  # wrong: a number
    dataset.torch_map(transform=7)  # wrong: a function
    dataset.take("age")  # wrong: numbers of records
    dataset.pin_commit("newest")  # wrong: a number
    repr(dataset.column)  # wrong: no such attribute
    sealift.write_parquet(dataset, "out")  # wrong: a Path
    sealift.write_parquet("hospital/study", Path("out"))  # wrong: an opened dataset


def a_new_member() -> None:
    sealift.connect(7)  # wrong: a name
    sealift.connect("laboratory", pasphrase="…")  # wrong: no such option
    sealift.connect("laboratory", "…")  # wrong: the passphrase has to be named
    sealift.join("token")  # wrong: no place for keys
    sealift.join("token", "…")  # wrong: a Secret
    sealift.Secret("…")  # wrong: bytes
    sealift.conect("laboratory")  # wrong: no such function
    repr(sealift.errors.NotTrustet)  # wrong: no such error
