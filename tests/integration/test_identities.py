"""The life of an identity and of its certificate: rotation, succession, recovery, renewal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from documents import data_of

import sealift
from sealift.cli.main import cli
from sealift.crypto.signing import Identity
from sealift.home.profile import find_profile
from sealift.home.recovery import keys_of_master
from sealift.home.settings import Settings, read_settings, write_settings
from sealift.home.shares import combine_shares, new_master, split_master
from sealift.keystore.file import open_keystore
from sealift.keystore.locks import PassphraseLock
from sealift.keystore.tlskeys import expiry
from sealift.people import probes
from sealift.people.joining import rejoin
from sealift.process.clock import utc_now
from sealift.session import Session
from sealift_protocol.errors import (
    AccessDenied,
    AlreadyTrusted,
    Conflict,
    FingerprintMismatch,
    IdentityRevoked,
    InvalidArgument,
    NotAuthenticated,
    ProfileError,
    RelayUnavailable,
    SealiftError,
    TokenRefused,
    WrongKey,
)
from sealift_protocol.objects.cards import WrapSuite
from sealift_relay import cli as relay_cli

ROWS = pa.table({"value": list(range(10))})
PASSPHRASE = sealift.Secret(b"correct horse battery staple")
ALL_SUITES = tuple(WrapSuite)


def records_in(session: Session, path: str = "hospital/study") -> int:
    return session.open_dataset(path).to_table().num_rows


def operate(relay, *command: str) -> str:
    arguments = [*command, "--dir", str(relay.folder)]
    done = CliRunner().invoke(relay_cli.cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


# --- rotation of recipient keys ------------------------------------------------------------------


def test_rotated_keys_open_everything_and_no_owner_takes_part(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.dataset("study").rotate()
    hospital.push(ROWS, dataset="study")
    hospital.push(ROWS, dataset="other", to="laboratory")
    before = laboratory._connection.keychain.keys.recipient_keys
    blobs = {p.name: p.stat().st_mtime_ns for p in (relay.folder / "blobs").rglob("*")}
    commits = hospital._connection.open("hospital/study").history.head.number
    rotated = laboratory.keys.rotate()
    assert (rotated.card_version, rotated.keys) == (2, 1)
    assert (rotated.rewrapped, rotated.destroyed, rotated.unopened) == (3, 1, 0)
    assert {
        p.name: p.stat().st_mtime_ns for p in (relay.folder / "blobs").rglob("*")
    } == blobs
    assert hospital._connection.open("hospital/study").history.head.number == commits
    assert records_in(laboratory) == 20
    assert records_in(laboratory, "hospital/other") == 10
    # The old private keys are gone from the keystore; a second rotation rewraps the rewraps.
    stored = open_keystore(
        laboratory._connection.profile.keystore, PassphraseLock(PASSPHRASE)
    ).recipient_keys
    assert {k.key_id for k in stored}.isdisjoint(k.key_id for k in before)
    assert laboratory.keys.rotate().rewrapped == 3
    assert records_in(laboratory) == 20
    # What is granted next goes to the new key.
    hospital.dataset("study").rotate()
    hospital.push(ROWS, dataset="study")
    assert records_in(laboratory) == 30


def test_a_card_has_several_suites_side_by_side(relay, hospital, laboratory) -> None:
    rotated = laboratory.keys.rotate(ALL_SUITES)
    assert rotated.keys == 4
    card = hospital.people.member("laboratory").card
    assert [key.suite for key in card.recipient_keys] == list(ALL_SUITES)
    for suite in ALL_SUITES:
        laboratory.keys.rotate((suite,))
        hospital.push(ROWS, dataset=f"study-{suite}", to="laboratory")
        assert records_in(laboratory, f"hospital/study-{suite}") == 10


@pytest.mark.parametrize("call", ["put_card", "put_rewraps"])
def test_an_interrupted_rotation_is_continued(
    call: str, relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    honest = getattr(laboratory._connection.relay, call)

    def fail(*_) -> None:
        raise RelayUnavailable("the cable was pulled")

    setattr(laboratory._connection.relay, call, fail)
    with pytest.raises(RelayUnavailable):
        laboratory.keys.rotate()
    setattr(laboratory._connection.relay, call, honest)
    laboratory._connection.reload()
    # In between, everything opens as before, also in a new process.
    assert records_in(laboratory) == 10
    with sealift.connect("laboratory") as again:
        assert records_in(again) == 10
        rotated = again.keys.rotate()
        assert rotated.unopened == 0
        assert rotated.rewrapped == 1
        assert records_in(again) == 10
        stored = open_keystore(
            again._connection.profile.keystore, PassphraseLock(PASSPHRASE)
        ).recipient_keys
        assert {k.key_id for k in stored} == {
            k.key_id for k in again._connection.contacts.own_card().recipient_keys
        }


def test_a_rotation_keeps_old_keys_that_are_still_needed(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    laboratory._connection.member.private_keys.clear()
    keys = laboratory._connection.keychain.keys
    stranger = replace(
        keys.recipient_keys[0],
        key_id=b"x" * 16,
        suite=WrapSuite.X25519,
        private=sealift.Secret(b"s" * 32),
    )
    laboratory._connection.keychain.store(replace(keys, recipient_keys=(stranger,)))
    rotated = laboratory.keys.rotate((WrapSuite.X25519,))
    assert (rotated.rewrapped, rotated.unopened, rotated.destroyed) == (0, 1, 0)
    with pytest.raises(WrongKey):
        records_in(laboratory)
    # The owner grants again, to the new key.
    hospital.dataset("study").grant(to="laboratory")
    assert records_in(laboratory) == 10


# --- succession and revocation -------------------------------------------------------------------


def test_a_successor_keeps_everything_and_others_follow(
    relay, hospital, laboratory, clinic
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.dataset("study").add_co_owner("clinic")
    old = hospital.fingerprint
    new = hospital.identity.succeed()
    assert new == hospital.fingerprint != old
    hospital.push(ROWS, dataset="study")
    assert records_in(laboratory) == 20
    assert records_in(clinic) == 20
    clinic.push(ROWS, dataset="hospital/study")
    pin = laboratory._connection.profile.trust.find("hospital")
    assert (pin.fingerprint, pin.how, pin.former) == (new, "succession", (old,))
    with sealift.connect("hospital") as again:
        assert again.fingerprint == new
        assert records_in(again) == 30
        again.dataset("study").revoke("laboratory")
        assert again.dataset("study").disclosures().lines
        again.identity.succeed()
        assert records_in(again) == 30
    # Who pins the newest directly does not see what it cannot know to be the same owner.
    with pytest.raises(AccessDenied):
        records_in(laboratory)


def test_a_trainer_succeeds_and_opens_what_was_granted_before(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    laboratory.identity.succeed()
    assert records_in(laboratory) == 10
    hospital.push(ROWS, dataset="study")
    hospital.dataset("study").rotate()
    assert records_in(laboratory) == 20
    laboratory.keys.rotate()
    assert records_in(laboratory) == 20
    revoked = hospital.dataset("study").revoke("laboratory")
    assert len(revoked.identities) == 2
    with pytest.raises(AccessDenied):
        records_in(laboratory)


def test_an_interrupted_succession_is_continued(relay, hospital, laboratory) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    honest = hospital._connection.relay.succeed

    def fail(*_) -> None:
        raise RelayUnavailable("the cable was pulled")

    hospital._connection.relay.succeed = fail
    with pytest.raises(RelayUnavailable):
        hospital.identity.succeed()
    hospital._connection.relay.succeed = honest
    staged = open_keystore(
        hospital._connection.profile.successor, PassphraseLock(PASSPHRASE)
    )
    new = hospital.identity.succeed()
    assert not hospital._connection.profile.successor.exists()
    assert Identity.of_seed(staged.identity).fingerprint == new
    assert records_in(laboratory) == 10
    hospital.push(ROWS, dataset="study")
    assert records_in(laboratory) == 20


def test_a_revoked_identity_is_refused_by_everybody(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    laboratory.identity.revoke("laptop stolen")
    for use in (
        lambda: hospital.push(ROWS, dataset="second", to="laboratory"),
        lambda: hospital.dataset("study").grant(to="laboratory"),
        lambda: hospital.dataset("study").rotate(),
    ):
        with pytest.raises(IdentityRevoked):
            use()
    hospital.dataset("study").revoke("laboratory")
    hospital.dataset("study").rotate()


def test_a_pin_is_never_replaced_by_accident(relay, hospital, laboratory) -> None:
    with pytest.raises(AlreadyTrusted):
        hospital.trust("laboratory", str(hospital.fingerprint))
    hospital.trust("laboratory", str(laboratory.fingerprint))
    hospital._connection.profile.trust.remove("laboratory")
    hospital.trust("laboratory", str(hospital.fingerprint))
    with pytest.raises(FingerprintMismatch):
        hospital.people.member("laboratory")


def test_trust_on_first_use_is_remembered_and_visible(relay, hospital) -> None:
    with relay.join("visitor", "trainer") as visitor:
        hospital._connection.profile.write_settings(
            replace(hospital.identity.settings, trust_on_first_use=True)
        )
        hospital._connection.reload()
        assert hospital.people.member("visitor").how == "first use"
        pin = hospital._connection.profile.trust.find("visitor")
        assert (pin.fingerprint, pin.how) == (visitor.fingerprint, "first use")


# --- what depends on a key -----------------------------------------------------------------------


def test_usage_says_which_grants_need_which_key(
    hospital, laboratory, profiles: Path
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.dataset("study").rotate()
    hospital.push(ROWS, dataset="other", to="laboratory")
    (before,) = laboratory.keys.usage()
    assert (before.held, before.published) == (True, True)
    assert (before.grants, before.only, before.datasets) == (3, 3, 2)
    keystore = (profiles / "laboratory" / "keystore").read_bytes()
    laboratory.keys.rotate()
    new, old = laboratory.keys.usage()
    assert (new.held, new.published, new.grants, new.only) == (True, True, 3, 3)
    assert (old.key_id, old.held, old.published, old.grants) == (
        before.key_id,
        False,
        False,
        3,
    )
    # Nothing depends on what was destroyed.
    assert (old.only, old.datasets) == (0, 0)
    # A backup of the keystore that is too old: its key still opens what was granted to it.
    hospital.push(ROWS, dataset="third", to="laboratory")
    (profiles / "laboratory" / "keystore").write_bytes(keystore)
    with sealift.connect("laboratory") as restored:
        usages = {usage.key_id: usage for usage in restored.keys.usage()}
    assert (usages[before.key_id].held, usages[before.key_id].only) == (True, 3)
    assert (usages[new.key_id].held, usages[new.key_id].only) == (False, 1)


# --- a key that leaked ---------------------------------------------------------------------------


@pytest.mark.parametrize("reseal", [False, True])
def test_keys_that_leaked_are_replaced_and_what_they_open_is_listed(
    relay, hospital, laboratory, reseal: bool, profiles: Path
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.push(ROWS, dataset="study")
    laboratory_keys = (profiles / "laboratory" / "keystore").read_bytes()
    stolen = (profiles / "hospital" / "keystore").read_bytes()
    done = CliRunner().invoke(
        cli,
        [
            "--profile",
            "hospital",
            "key",
            "compromise",
            "--yes",
            "--json",
            *["--reseal"] * reseal,
        ],
        catch_exceptions=False,
    )
    # The relay, in this process, logs to the same place.
    (exposed,) = data_of(
        next(line for line in done.stdout.splitlines() if '"ok"' in line)
    )
    assert (exposed["owner"], exposed["name"], exposed["own"]) == (
        "hospital",
        "study",
        True,
    )
    assert (exposed["first_commit"], exposed["last_commit"]) == (0, 1)
    assert exposed["begin"] <= exposed["end"] <= time.time()
    assert (exposed["key_epochs"], exposed["shards"]) == ([1], 2)
    assert (exposed["records"], exposed["new_key_epoch"]) == (2 * ROWS.num_rows, 2)
    assert exposed["resealed"] is reseal
    # Everyone who had access still has it.
    with sealift.connect("hospital") as again:
        again.push(ROWS, dataset="study")
        assert again.open_dataset("hospital/study").num_records == 3 * ROWS.num_rows
    assert laboratory.open_dataset("hospital/study").num_records == 3 * ROWS.num_rows
    (profiles / "laboratory" / "keystore").write_bytes(laboratory_keys)
    # Anyone who has the old keys reads what is left under them, and nothing newer.
    (profiles / "hospital" / "keystore").write_bytes(stolen)
    with sealift.connect("hospital") as thief, pytest.raises(SealiftError):
        thief.open_dataset("hospital/study", cache=None).to_table()


def test_a_trainer_whose_keys_leaked_learns_whose_datasets_they_open(
    hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    old = {key.key_id for key in laboratory._connection.keychain.keys.recipient_keys}
    (exposed,) = laboratory.keys.replace_compromised()
    assert (exposed.owner, exposed.name, exposed.own) == ("hospital", "study", False)
    assert (exposed.new_key_epoch, exposed.resealed) == (0, False)
    assert not old & {
        key.key_id for key in laboratory._connection.keychain.keys.recipient_keys
    }
    done = CliRunner().invoke(
        cli,
        ["--profile", "laboratory", "key", "compromise", "--yes"],
        catch_exceptions=False,
    )
    assert "its owner must rotate it" in done.stdout


# --- recovery ------------------------------------------------------------------------------------


@pytest.fixture
def recovery(relay, hospital) -> Iterator[tuple[Session, list[str]]]:
    master = new_master()
    shares = split_master(master, 2, 3)
    keys = keys_of_master(master, int(time.time()))
    with relay.join("recovery", "trainer", keys=keys) as session:
        session.trust("hospital", str(hospital.fingerprint))
        hospital.trust("recovery", str(session.fingerprint))
        yield session, shares


def test_a_recovery_recipient_is_on_every_grant_and_its_use_is_visible(
    relay, hospital, laboratory, recovery, profiles: Path
) -> None:
    hospital._connection.profile.write_settings(
        replace(hospital.identity.settings, recovery=("recovery",))
    )
    hospital._connection.reload()
    hospital.push(ROWS, dataset="study", to="laboratory")
    hospital.push(ROWS, dataset="alone")
    report = hospital.dataset("alone").access()
    session, shares = recovery
    recipients = [line.recipient for line in report.recipients]
    assert recipients == [hospital.fingerprint, session.fingerprint]
    # Two of three people rebuild the keys from their shares, on a machine that never had them.
    keys = keys_of_master(combine_shares(shares[1:]), int(time.time()))
    operator_token = relay.token("recovery-2", "trainer")
    assert operator_token
    token = operate(relay, "invite", "recovery", "--role", "trainer", "--again").strip()
    (profiles / "recovery").rename(profiles / "lost")
    sealift.join(token, PASSPHRASE, keys=keys)
    with sealift.connect("recovery") as rebuilt:
        assert rebuilt.fingerprint == session.fingerprint
        rebuilt.trust("hospital", str(hospital.fingerprint))
        assert records_in(rebuilt) == 10
    used = [
        line.disclosure.signer for line in hospital.dataset("study").disclosures().lines
    ]
    assert used == [session.fingerprint]


def test_shares_that_do_not_fit_are_refused() -> None:
    master = new_master()
    shares = split_master(master, 3, 5)
    assert combine_shares(shares[:3]) == master
    assert combine_shares([s.upper() for s in shares[2:]]) == master
    others = split_master(new_master(), 3, 5)
    for wrong in (
        shares[:2],
        [*shares[:2], others[0]],
        [shares[0]] * 3,
        [*shares[:2], "word " * 33],
        [],
    ):
        with pytest.raises(InvalidArgument, match="do not belong together"):
            combine_shares(wrong)
    for threshold, count in ((1, 3), (4, 3), (2, 17)):
        with pytest.raises(InvalidArgument):
            split_master(master, threshold, count)


def test_the_recovery_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "shamir_mnemonic", None)
    with pytest.raises(InvalidArgument) as caught:
        split_master(new_master(), 2, 3)
    assert "sealift[recovery]" in caught.value.hint


# --- certificates --------------------------------------------------------------------------------


def test_a_certificate_is_renewed_when_a_third_of_its_life_is_left(
    relay, hospital, monkeypatch
) -> None:
    before = hospital._connection.profile.certificate.read_bytes()
    assert not hospital.identity.renew_if_due()
    hospital._connection.now = lambda: utc_now() + timedelta(days=61)
    assert hospital.identity.renew_if_due()
    after = hospital._connection.profile.certificate.read_bytes()
    assert after != before
    with sealift.connect("hospital") as again:
        assert again._connection.relay.who_am_i().name == "hospital"
    # Old and new work side by side: a push that is under way is not cut off.
    assert hospital._connection.relay.who_am_i().name == "hospital"


def test_connecting_renews_by_itself(relay, hospital) -> None:
    before = expiry(hospital._connection.profile.certificate.read_bytes())
    time.sleep(1.1)
    later = lambda: utc_now() + timedelta(days=61)  # noqa: E731
    with sealift.connect("hospital", now=later):
        assert expiry(hospital._connection.profile.certificate.read_bytes()) > before


def test_a_relay_that_does_not_renew_is_no_obstacle(relay, hospital) -> None:
    def fail(_: bytes) -> bytes:
        raise RelayUnavailable("the cable was pulled")

    hospital._connection.relay.renew = fail
    hospital._connection.now = lambda: datetime.now(UTC) + timedelta(days=61)
    assert not hospital.identity.renew_if_due()


def test_a_member_with_an_expired_certificate_rejoins(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    keychain, profile = laboratory._connection.keychain, find_profile("laboratory")
    operate(relay, "revoke", "laboratory")
    with pytest.raises(NotAuthenticated):
        records_in(laboratory)
    token = operate(
        relay, "invite", "laboratory", "--role", "trainer", "--again"
    ).strip()
    with pytest.raises(InvalidArgument, match="another member"):
        rejoin(token, find_profile("hospital"), hospital._connection.keychain)
    rejoin(token, profile, keychain)
    with sealift.connect("laboratory") as again:
        assert again.fingerprint == laboratory.fingerprint
        assert records_in(again) == 10
    # The certificate from before stays revoked.
    with pytest.raises(NotAuthenticated):
        records_in(laboratory)
    with pytest.raises(TokenRefused):
        rejoin(token, profile, keychain)


def test_a_token_for_an_old_member_does_not_admit_another_identity(
    relay, hospital
) -> None:
    token = operate(relay, "invite", "hospital", "--role", "owner", "--again").strip()
    with pytest.raises(Conflict):
        sealift.join(token, PASSPHRASE, profile_name="mallory")
    assert hospital._connection.relay.who_am_i().name == "hospital"


# --- probes and checks ---------------------------------------------------------------------------


def test_a_probe_is_answered_by_whoever_can_open_it(
    relay, hospital, laboratory, monkeypatch
) -> None:
    monkeypatch.setattr(probes, "_POLL_SECONDS", 0.01)
    waited = hospital.people.preflight(["laboratory"], wait_seconds=0)
    assert [(r.name, r.seconds) for r in waited] == [("laboratory", None)]
    assert laboratory.people.answer_probes() >= 1
    honest = hospital._connection.relay.put_probe

    def put_and_answer(probe) -> None:
        honest(probe)
        laboratory.people.answer_probes()

    hospital._connection.relay.put_probe = put_and_answer
    answered = hospital.people.preflight(["laboratory"], wait_seconds=10)
    assert answered[0].seconds is not None
    assert answered[0].seconds < 10


def test_a_probe_to_a_lost_key_is_not_answered(relay, hospital, laboratory) -> None:
    hospital.people.preflight(["laboratory"], wait_seconds=0)
    laboratory._connection.member.private_keys.clear()
    assert laboratory.people.answer_probes() == 0


def test_the_doctor_finds_what_is_wrong(relay, hospital, laboratory) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    checks = {check.name: check for check in hospital.doctor(["laboratory", "nobody"])}
    assert [name for name, check in checks.items() if not check.ok] == ["member nobody"]
    assert checks["log"].detail.endswith("cosignatures: 0")
    hospital._connection.now = lambda: datetime.now(UTC) + timedelta(days=200)
    checks = {check.name: check for check in hospital.doctor()}
    assert not checks["clock"].ok
    assert not checks["certificate"].ok
    assert "sealift renew" in checks["certificate"].hint
    relay.server.stop()
    down = hospital.doctor()
    assert [(check.name, check.ok) for check in down] == [("relay", False)]


# --- settings ------------------------------------------------------------------------------------


def test_settings_are_read_back_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    assert read_settings(path) == Settings()
    chosen = Settings(("a+b+c", "d+e+f"), 2, ("recovery",), trust_on_first_use=True)
    write_settings(path, chosen)
    assert read_settings(path) == chosen
    with pytest.raises(InvalidArgument, match="3 of 2"):
        Settings(chosen.witnesses, 3)
    for content in ("", "[]", '{"version": 2}', '{"version": 1}', "{" * 2000):
        path.write_text(content)
        with pytest.raises(ProfileError):
            read_settings(path)
