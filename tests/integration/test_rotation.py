"""How long keys are used: what is due, by which policy, and what `rotate --due` does about it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from documents import data_of

import sealift
from sealift.cli.main import cli
from sealift.home.profile import find_profile
from sealift.home.settings import (
    RotationPolicy,
    Settings,
    read_settings,
    write_settings,
)
from sealift.people.rotation import Rotation, RotationKind
from sealift.people.status import as_prometheus
from sealift.process.clock import utc_now
from sealift.session import Session
from sealift_protocol.errors import InvalidArgument, ProfileError, SealiftError

# Tests turn the clock of a session, not that of the relay.
pytestmark = pytest.mark.limits(clock_skew_seconds=10_000 * 86_400)
ROWS = pa.table({"value": list(range(10))})
DAY = 86_400


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    # The relay, in this process, logs to the same place.
    return re.sub(r"^20.*\[(info|warning) .*\n", "", done.output, flags=re.MULTILINE)


def in_days(session: Session, days: int) -> Session:
    """A session of the same profile whose clock is ahead."""
    return sealift.connect(
        session.identity.name,
        now=lambda: utc_now() + timedelta(days=days, seconds=10),
    )


def of_kind(rotations: list[Rotation], kind: RotationKind) -> list[Rotation]:
    return [rotation for rotation in rotations if rotation.kind is kind]


def test_without_a_policy_keys_last_as_long_as_nist_says(hospital: Session) -> None:
    hospital.push(ROWS, dataset="study")
    found = hospital.keys.rotations()
    assert [
        (rotation.kind, rotation.name, rotation.seconds // DAY) for rotation in found
    ] == [
        (RotationKind.KEY_EPOCH, "study", 730),
        (RotationKind.RECIPIENT_KEY, "", 730),
        (RotationKind.IDENTITY, "", 1095),
    ]
    now = hospital.identity.status().time
    assert all(now - 60 < rotation.since <= now for rotation in found)
    assert hospital.identity.status().overdue == []
    with in_days(hospital, 729) as later:
        assert later.identity.status().overdue == []
    with in_days(hospital, 730) as later:
        assert [rotation.kind for rotation in later.identity.status().overdue] == [
            RotationKind.KEY_EPOCH,
            RotationKind.RECIPIENT_KEY,
        ]


def test_what_is_due_is_rotated_and_then_is_not_due(
    hospital: Session, laboratory: Session
) -> None:
    for name in ("study", "other"):
        hospital.push(ROWS, dataset=name, to="laboratory")
    hospital.dataset("other").rotate_every(30 * DAY)
    before = hospital.keys.rotations()
    with in_days(hospital, 30) as later:
        assert [rotation.name for rotation in later.keys.rotate_due()] == ["other"]
        assert list(later.keys.rotate_due()) == []
        assert [
            later.dataset(name).access().key_epochs[-1].key_epoch
            for name in ("study", "other")
        ] == [
            1,
            2,
        ]
        since = {rotation.name: rotation.since for rotation in later.keys.rotations()}
        assert since["other"] >= before[0].since + 30 * DAY
        assert since["study"] in {rotation.since for rotation in before}
    # A key epoch that began before the newest snapshot is as old as it is.
    run("--profile", "hospital", "rotate", "--every", "40d")
    run("--profile", "hospital", "rotate", "other", "--every", "default")
    with in_days(hospital, 40) as later:
        assert sorted(rotation.name for rotation in later.keys.rotate_due()) == [
            "",
            "study",
        ]
        (key,) = of_kind(later.keys.rotations(), RotationKind.RECIPIENT_KEY)
        assert key.subject not in {rotation.subject for rotation in before}
    with in_days(laboratory, 40) as later:
        assert later.open_dataset("hospital/study").to_table().equals(ROWS)


def test_a_key_epoch_from_before_the_newest_snapshot_keeps_its_age(
    hospital: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealift.owner.push.committing.SNAPSHOT_EVERY", 2)
    monkeypatch.setattr("sealift.api.pushing.refuse_skew", lambda relay, time: None)
    hospital.push(ROWS, dataset="study")
    hospital.dataset("study").rotate()
    begun = hospital.keys.rotations()[0].since
    with in_days(hospital, 3) as later:
        for _ in range(6):
            later.push(ROWS, dataset="study")
        opened = later._connection.open("study")
        assert opened.history.commits[0].number > 1
        assert opened.history.commits[0].time > begun + DAY
        assert later.keys.rotations()[0].since == begun


def test_an_identity_is_as_old_as_its_last_succession(hospital: Session) -> None:
    (made,) = of_kind(hospital.keys.rotations(), RotationKind.IDENTITY)
    assert made.since
    with in_days(hospital, 5) as later:
        later.identity.succeed()
        (fresh,) = of_kind(later.keys.rotations(), RotationKind.IDENTITY)
    assert fresh.since >= made.since + 5 * DAY
    # A profile of an earlier release has no date: overdue, since no one knows.
    profile = find_profile("hospital")
    document = json.loads((profile.folder / "profile.json").read_text())
    document.pop("identity_since")
    document["version"] = 2
    (profile.folder / "profile.json").write_text(json.dumps(document))
    with sealift.connect("hospital") as session:
        (told,) = of_kind(session.keys.rotations(), RotationKind.IDENTITY)
        assert told.since == session._connection.contacts.own_card().time
        session.keys.rotate()
        (unknown,) = of_kind(session.keys.rotations(), RotationKind.IDENTITY)
        assert unknown.since == 0
        assert session.identity.status().overdue == [unknown]
    assert "its first use is not known" in run("--profile", "hospital", "status")


def test_the_status_is_a_page_a_document_and_metrics_without_names(
    hospital: Session,
) -> None:
    hospital.push(ROWS, dataset="secret-study")
    shown = run("--profile", "hospital", "status")
    assert "keystore     file:" in shown
    assert "key epoch      secret-study" in shown
    assert "730 days" in shown
    assert f"identity       {str(hospital.fingerprint)[:24]}" in shown
    assert "OVERDUE" not in shown
    document = data_of(run("--profile", "hospital", "status", "--json"))
    assert [key["overdue"] for key in document["keys"]] == [False] * 3
    metrics = run("--profile", "hospital", "status", "--metrics")
    assert "secret-study" not in metrics
    assert 'sealift_key_rotations_overdue{kind="key epoch"} 0.0' in metrics
    dataset_id = hospital.keys.rotations()[0].subject.hex()
    assert (
        f'sealift_key_since_timestamp_seconds{{id="{dataset_id}",kind="key epoch"}}'
        in metrics
    )
    with in_days(hospital, 1200) as later:
        late = as_prometheus(later.identity.status()).decode()
    for kind in RotationKind:
        assert f'sealift_key_rotations_overdue{{kind="{kind.value}"}} 1.0' in late


def test_the_command_line_sets_policies_and_rotates(
    hospital: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: str) -> SealiftError:
        done = CliRunner().invoke(cli, ["--profile", "hospital", "rotate", *arguments])
        assert isinstance(done.exception, SealiftError), done.output
        return done.exception

    hospital.push(ROWS, dataset="study")
    said = run("--profile", "hospital", "rotate", "--every", "90d")
    assert said == "key epochs and recipient keys are due after 90 days\n"
    run("--profile", "hospital", "key", "rotate", "--every", "60d")
    run("--profile", "hospital", "rotate", "study", "--every", "30d")
    policy = find_profile("hospital").settings.rotation
    assert (policy.key_epochs, policy.recipient_keys) == (90 * DAY, 60 * DAY)
    assert list(policy.datasets.values()) == [30 * DAY]
    shown = run("--profile", "hospital", "status")
    assert "30 days" in shown
    assert "60 days" in shown
    assert run("--profile", "hospital", "rotate", "--due") == "nothing is due\n"
    assert (
        run("--profile", "hospital", "rotate", "study") == "study is at key epoch 2\n"
    )
    assert "published card" in run("--profile", "hospital", "keystore", "rotate")
    monkeypatch.setattr(
        "sealift.api.connection.unix", lambda now: int(now().timestamp()) + 60 * DAY
    )
    said = run("--profile", "hospital", "rotate", "--due")
    assert re.fullmatch(
        r"rotated recipient key [0-9a-f]{16}\nrotated the key epoch of study\n", said
    )
    run("--profile", "hospital", "rotate", "--every", "default")
    assert (
        find_profile("hospital").settings.rotation.key_epochs
        == RotationPolicy().key_epochs
    )
    assert "no dataset is named" in str(refused())
    assert "cannot be used together" in str(refused("--due", "--every", "90d"))
    assert "cannot be used together" in str(refused("study", "--due"))
    assert "from one day to ten years" in str(refused("--every", "1h"))
    assert "duration" in str(refused("--every", "soon"))


def test_settings_keep_a_policy_and_refuse_one_that_makes_no_sense(
    tmp_path: Path,
) -> None:
    path = tmp_path / "settings.json"
    chosen = Settings(
        rotation=RotationPolicy(90 * DAY, 60 * DAY, datasets={"ab": 30 * DAY})
    )
    write_settings(path, chosen)
    assert read_settings(path) == chosen
    assert chosen.rotation.key_epochs_of(b"\xab") == 30 * DAY
    assert chosen.rotation.key_epochs_of(b"\xcd") == 90 * DAY
    document = json.loads(path.read_text())
    old = {key: value for key, value in document.items() if key != "rotation"}
    path.write_text(json.dumps({**old, "version": 2}))
    assert read_settings(path) == replace(chosen, rotation=RotationPolicy())
    for rotation in ({"key_epochs": 5}, {"elsewhere": DAY}, {"datasets": 3}, None):
        path.write_text(json.dumps({**document, "rotation": rotation}))
        with pytest.raises(ProfileError):
            read_settings(path)
    with pytest.raises(InvalidArgument, match="ten years"):
        RotationPolicy(identity=3651 * DAY)


def test_a_lost_machine_comes_back_from_a_file_and_shares(
    hospital: Session, laboratory: Session, profiles: Path, tmp_path: Path
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    assert "backup       none" in run("--profile", "hospital", "status")
    backup = str(tmp_path / "hospital.backup")
    asked = ("--profile", "hospital", "keystore", "backup", backup)
    said = run(*asked, "--shares", "3", "--threshold", "2")
    words = re.findall(r"^share \d of 3 \(2 are needed\):\n  (.*)$", said, re.MULTILINE)
    assert len(words) == 3
    assert ", of your current keys" in run("--profile", "hospital", "status")
    stored = Path(backup).read_bytes()
    assert b"laboratory" not in stored
    # No file is overwritten, and shares are not stored.
    done = CliRunner().invoke(cli, [*asked, "--shares", "3", "--threshold", "2"])
    assert isinstance(done.exception, InvalidArgument)
    assert Path(backup).read_bytes() == stored
    assert not any(
        words[0].encode() in path.read_bytes()
        for path in profiles.rglob("*")
        if path.is_file()
    )
    fingerprint = hospital.fingerprint
    hospital.close()
    shutil.rmtree(profiles / "hospital")
    restored = CliRunner().invoke(
        cli,
        ["keystore", "restore", backup],
        input="\n".join(words[1:]),
        catch_exceptions=False,
    )
    assert "restored hospital as profile hospital" in restored.output
    with sealift.connect("hospital") as session:
        assert session.fingerprint == fingerprint
        assert session.open_dataset("hospital/study").to_table().equals(ROWS)
        session.push(ROWS, dataset="study")
        session.people.member("laboratory")
        assert session.identity.status().backup is not None
        session.keys.rotate()
        left = session.identity.status().backup
        assert left is not None
        assert not left.complete
    assert "older than your keys" in run("--profile", "hospital", "status")
    (profiles / "hospital" / "backup.json").write_text("[]")
    done = CliRunner().invoke(cli, ["--profile", "hospital", "status"])
    assert isinstance(done.exception, SealiftError)
    assert laboratory.open_dataset("hospital/study").num_records == 20
