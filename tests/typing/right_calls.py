"""Right calls of the public API. Nothing runs them: type checkers read them, and find no error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, assert_type

import sealift


def an_owner(folder: Path, stop: Any) -> None:
    with sealift.connect("hospital", passphrase="…") as hospital:
        assert_type(hospital, sealift.Session)
        hospital.trust("laboratory", "abcd-efgh", organisation=True)

        pushed = hospital.push("a.parquet", dataset="study", to="laboratory")
        assert_type(pushed, sealift.Pushed)
        hospital.push(
            folder / "b.csv",
            dataset="study",
            to=["laboratory", "clinic"],
            purpose="a trial",
            until=1_900_000_000,
            types={"age": "int32"},
            policy="ready-policy",
            on_error="skip",
            limits=sealift.PushLimits(jobs=4),
            stop=stop,
        )
        options = sealift.PushOptions(to="laboratory", description="the study")
        hospital.push("c.parquet", dataset="study", options=options, text_workers=2)

        with hospital.writer("study", to="laboratory", retry_seconds=60) as writer:
            assert_type(writer, sealift.Writer)
            writer.write({"age": 40})
            assert_type(writer.flush(), int | None)

        for info in hospital.datasets():
            assert_type(info, sealift.DatasetInfo)
            assert_type(info.records, int)

        study = hospital.dataset("study")
        study.grant("laboratory", until=1_900_000_000, purpose="a trial")
        study.revoke("laboratory")
        study.rotate(reseal=True)
        study.access()
        study.disclosures()
        study.erase("patient-7")
        study.delete()


def a_trainer(names: Sequence[str], metrics: list[sealift.BatchMetrics]) -> None:
    with (
        sealift.connect("laboratory", relays=["relay.example:7443"]) as laboratory,
        laboratory.open_dataset("hospital/study") as dataset,
    ):
        assert_type(dataset, sealift.Dataset)
        list(dataset.batches(batch_size=256, shuffle=True, seed=7, epoch=1))
        arrays = dataset.numpy(64, columns=names, drop_last=True, rank=0, world=2)
        assert_type(arrays, Iterator[dict[str, Any]])
        dataset.torch(64, shuffle_block=4, start=128)
        dataset.torch_loader(64, shuffle=True, seed=7, num_workers=2, device="cuda")
        dataset.torch_iterable(64, shuffle=False, columns=names)
        dataset.torch_map(columns=names)
        dataset.to_table(columns=["age"])
        dataset.take([1, 2, 3])
        assert_type(dataset.pin_commit(3), sealift.Dataset)
        assert_type(len(dataset), int)
        assert_type(sealift.write_parquet(dataset, Path("out")), list[Path])

    with sealift.open_dataset(
        {"hospital/study": 0.5, "clinic/study": 0.5},
        profile="laboratory",
        purpose="a trial",
        require_policy=["ready-policy"],
        pin={"hospital/study": 3},
        cache=None,
        read_ahead=1 << 20,
        on_corrupt="raise",
        metrics=metrics.append,
    ) as both:
        both.head(5)
    sealift.open_dataset(
        "hospital/study", options=sealift.ReadOptions(threads=4), patience=10.0
    )


def a_new_member() -> None:
    passphrase = sealift.Secret(b"correct horse battery staple")
    joined = sealift.join("token", passphrase, profile_name="clinic")
    assert_type(joined, sealift.Joined)
    assert_type(sealift.load_policy("policy.toml"), sealift.Policy)
    assert_type(sealift.__version__, str)


def errors() -> str:
    try:
        sealift.connect()
    except sealift.errors.NotTrusted as error:
        return error.hint
    except sealift.SealiftError as error:
        return error.what
    return ""
