"""What the relay's operator does while it runs: invitations, suspension, quotas, revocation."""

from __future__ import annotations

import re
import threading

import pyarrow as pa
import pytest
import structlog
from click.testing import CliRunner

import sealift
from sealift.session import Session
from sealift_protocol.errors import (
    AccessDenied,
    Conflict,
    InvalidArgument,
    MemberSuspended,
    NotAuthenticated,
    QuotaExceeded,
    RoleDenied,
    TokenRefused,
    UnknownMember,
)
from sealift_relay import cli as relay_cli

ROWS = pa.table({"value": list(range(10))})
PASSPHRASE = sealift.Secret(b"correct horse battery staple")


def operate(relay, *command: str) -> str:
    arguments = [*command, "--dir", str(relay.folder)]
    done = CliRunner().invoke(relay_cli.cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_an_invitation_is_listed_withdrawn_and_used_once(relay) -> None:
    token = operate(
        relay, "invite", "hospital", "--role", "owner", "--valid-for", "7d"
    ).strip()
    listed = operate(relay, "invites")
    assert re.fullmatch(
        r"hospital  owner  until \d{4}-\d\d-\d\d \d\d:\d\d UTC\n", listed
    )
    assert token not in listed
    assert (
        operate(relay, "withdraw", "hospital")
        == "unused tokens of hospital withdrawn: 1\n"
    )
    with pytest.raises(TokenRefused):
        sealift.join(token, PASSPHRASE)
    with pytest.raises(UnknownMember):
        operate(relay, "withdraw", "hospital")
    relay.join("hospital", "owner").close()
    assert operate(relay, "invites") == ""
    with pytest.raises(Conflict):
        operate(relay, "invite", "hospital", "--role", "owner")
    with pytest.raises(Conflict):
        operate(relay, "invite", "nobody", "--role", "owner", "--again")


def test_a_suspended_member_waits_and_loses_nothing(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    operate(relay, "suspend", "laboratory")
    with pytest.raises(MemberSuspended):
        laboratory.open_dataset("hospital/study")
    assert "(suspended)" in operate(relay, "members")
    operate(relay, "resume", "laboratory")
    assert laboratory.open_dataset("hospital/study").to_table().num_rows == 10


def test_a_revocation_takes_effect_without_a_restart(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    dataset = laboratory.open_dataset("hospital/study")
    operate(relay, "revoke", "laboratory")
    with pytest.raises(NotAuthenticated):
        dataset.to_table()
    with pytest.raises(NotAuthenticated):
        laboratory.identity.renew()
    assert "(revoked)" in operate(relay, "members")
    with pytest.raises(UnknownMember):
        hospital.push(ROWS, dataset="study", to="laboratory")


def test_a_quota_is_set_for_one_member_while_the_relay_runs(
    relay, hospital, laboratory
) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")
    operate(relay, "quota", "hospital", "--shards", "2", "--bytes", "1GiB")
    usage = hospital._connection.relay.who_am_i().usage
    assert (usage.shards, usage.shards_limit, usage.bytes_limit) == (1, 2, 1 << 30)
    hospital.push(ROWS, dataset="study")
    with pytest.raises(QuotaExceeded) as caught:
        hospital.push(ROWS, dataset="study")
    assert "operator" in caught.value.hint
    operate(relay, "quota", "hospital", "--shards", "0")
    hospital.push(ROWS, dataset="study")
    assert "3 shards" in operate(relay, "members")
    for wrong in (["--bytes", "many"], []):
        with pytest.raises(InvalidArgument):
            operate(relay, "quota", "hospital", *wrong)
    for command in ("suspend", "resume", "revoke"):
        with pytest.raises(UnknownMember):
            operate(relay, command, "nobody")


@pytest.mark.parametrize("role", ["trainer", "operator", "auditor"])
def test_only_owners_store(role: str, relay, hospital) -> None:
    with relay.join("other", role) as other, pytest.raises(RoleDenied):
        other.push(ROWS, dataset="mine")


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_a_grant_to_somebody_who_looks_after_the_relay_opens_nothing(
    role: str, relay, hospital
) -> None:
    """An operator who is granted by mistake has ciphertext and key: the role keeps it out."""
    with relay.join("other", role) as other:
        hospital.trust("other", str(other.fingerprint))
        other.trust("hospital", str(hospital.fingerprint))
        hospital.push(ROWS, dataset="study", to="other")
        assert other.datasets() == []
        with pytest.raises(AccessDenied):
            other.open_dataset("hospital/study")


def test_who_may_read_the_log(relay, hospital, laboratory) -> None:
    hospital.push(ROWS, dataset="study", to="laboratory")

    def kinds(session: Session) -> int:
        return len(session.log.verify().kinds)

    with (
        relay.join("auditor", "auditor") as auditor,
        relay.join("boss", "operator") as boss,
    ):
        assert kinds(auditor) == kinds(boss) == 3
        assert kinds(hospital) == kinds(laboratory) == 0


def test_a_relay_ends_though_a_call_cannot_be_ended(
    relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealift_relay.app._ENDING_SECONDS", -0.9)
    served = relay.server._members
    monkeypatch.setattr(served, "stop", lambda _: threading.Event())
    # A command of the relay that another test ran may have bound the logger for good.
    log = structlog.testing.CapturingLogger()
    monkeypatch.setattr("sealift_relay.app.log", log)
    relay.server.stop()
    monkeypatch.undo()
    served.stop(0).wait()
    assert [(call.method_name, call.args) for call in log.calls] == [
        ("warning", ("calls_not_ended",)),
        ("info", ("stop_relay",)),
    ]
