"""Curious or hostile members, and what the relay gets to see."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pyarrow as pa
import pytest
from patience import PATIENCE

import sealift
from sealift.crypto.signing import Identity, sign_card, sign_membership_request
from sealift.keystore.tlskeys import certificate_request, generate_tls_key, key_as_pem
from sealift.people.health import refuse_skew
from sealift.process.secret import Secret
from sealift.relay.enrolment import enrol
from sealift.relay.transport import Relay
from sealift.session import Session
from sealift_protocol.errors import (
    AccessDenied,
    ClockSkew,
    InvalidArgument,
    NotAuthenticated,
    ProfileError,
    RelayBusy,
    RelayError,
    RelayUntrusted,
    RoleDenied,
    SealiftError,
    TokenExpired,
    TokenRefused,
)
from sealift_protocol.jointoken import parse_token
from sealift_protocol.v1 import datasets_pb2, datasets_pb2_grpc, shards_pb2
from sealift_relay.ca import issue_member_certificate, load_authority, make_authority

PASSPHRASE = sealift.Secret(b"correct horse battery staple")


def address(relay) -> tuple[str, int]:
    return "127.0.0.1", relay.config.listen.port


# --- A16: what the relay holds -------------------------------------------------------------------


def test_a16_nothing_that_was_sealed_is_on_the_relays_disk_or_in_its_log(
    relay, hospital: Session, laboratory: Session, tmp_path: Path, capfd
) -> None:
    table = pa.table(
        {
            "canary_column": [f"canary-patient-{i}" for i in range(500)],
            "value": pa.array([123456.789] * 500, pa.float64()),
        }
    )
    name = "canary-file.csv"
    pa.csv.write_csv(table, tmp_path / name)
    hospital.push(
        tmp_path / name,
        dataset="canary-dataset",
        to="laboratory",
        description="canary-words",
    )
    assert laboratory.open_dataset("hospital/canary-dataset").num_records == 500
    held = relay.disk() + "".join(capfd.readouterr()).encode()
    assert b"canary" not in held
    assert pa.array([123456.789]).buffers()[1].to_pybytes() not in held
    # The search itself works: the relay does hold the member's name.
    assert b"hospital" in held


def test_a16_nothing_is_on_the_relays_disk_after_everything_that_people_do_together(
    relay, hospital: Session, laboratory: Session, clinic: Session, capfd
) -> None:
    table = pa.table(
        {
            "canary_column": [f"canary-patient-{i % 50}" for i in range(500)],
            "value": pa.array([123456.789] * 500, pa.float64()),
        }
    )
    name = "canary-dataset"
    hospital.push(table, dataset=name, to="laboratory", subject_column="canary_column")
    hospital.dataset(name).add_co_owner("clinic")
    clinic.push(table, dataset=f"hospital/{name}")
    laboratory.open_dataset(f"hospital/{name}").to_table()
    laboratory.keys.rotate()
    hospital.dataset(name).erase("canary-patient-7")
    laboratory.open_dataset(f"hospital/{name}").to_table()
    laboratory.dataset(f"hospital/{name}").confirm_purge()
    hospital.dataset(name).rotate(reseal=True)
    hospital.people.preflight(["laboratory"], wait_seconds=0)
    laboratory.people.answer_probes()
    hospital.dataset(name).disclosures()
    hospital.dataset(name).revoke("laboratory")
    hospital.identity.succeed()
    hospital.dataset(name).delete()
    held = relay.disk() + "".join(capfd.readouterr()).encode()
    assert b"canary" not in held
    assert pa.array([123456.789]).buffers()[1].to_pybytes() not in held
    assert b"hospital" in held


# --- A21, A22: access ----------------------------------------------------------------------------


def test_a21_a_trainer_without_a_grant_learns_nothing(
    relay, hospital: Session, laboratory: Session, records: pa.Table
) -> None:
    pushed = hospital.push(records, dataset="study")
    entry = hospital.open_dataset("hospital/study")._opened.shards[0]
    assert laboratory.datasets() == []
    answers = []
    for dataset_id in (pushed.dataset_id, b"?" * 16):
        request = shards_pb2.GetRequest(
            dataset_id=dataset_id,
            ranges=[shards_pb2.SegmentRange(shard_id=entry.shard_id)],
        )
        for call in (
            lambda i=dataset_id: list(laboratory._connection.relay.get_commits(i)),
            lambda i=dataset_id: laboratory._connection.relay.get_grants(i),
            lambda i=dataset_id: laboratory._connection.relay.stat(i, [entry.shard_id]),
            lambda r=request: list(laboratory._connection.relay.get_segments(r)),
        ):
            with pytest.raises(AccessDenied) as caught:
                call()
            answers.append((type(caught.value), caught.value.what))
    # The answer is the same whether the dataset exists or not.
    assert len(set(answers)) == 1


def test_a22_only_its_owner_writes_to_a_dataset(
    relay, hospital: Session, laboratory: Session, records: pa.Table
) -> None:
    hospital.push(records, dataset="study", to="laboratory")
    with pytest.raises(RoleDenied):
        laboratory.push(records, dataset="study")
    with relay.join("clinic", "owner") as clinic:
        opened = hospital.open_dataset("hospital/study")._opened
        from sealift.owner.push.pacing import Pace
        from sealift.owner.push.packing import pack, shard_pool
        from sealift.owner.push.uploading import SealingTarget, _upload

        target = SealingTarget(opened.dataset_id, opened.epoch_keys[1], 1)
        with shard_pool(1) as pool:
            shard = next(pack(iter(records.to_batches()), records.schema, pool))
            with pytest.raises(AccessDenied):
                _upload(clinic._connection.relay, shard, target, Pace())
        head = hospital._connection.relay.get_commits(opened.dataset_id)
        with pytest.raises(SealiftError) as caught:
            clinic._connection.relay.append(next(head), [])
        assert caught.value.reason == "WRONG_SIGNER"


def test_a22_an_operator_reads_nothing(
    relay, hospital: Session, laboratory: Session, records: pa.Table
) -> None:
    pushed = hospital.push(records, dataset="study", to="laboratory")
    with relay.join("operator", "operator") as operator:
        assert operator.datasets() == []
        with pytest.raises(AccessDenied):
            list(operator._connection.relay.get_commits(pushed.dataset_id))


# --- A23: certificates ---------------------------------------------------------------------------


def connect(relay, certificate: bytes, key: sealift.Secret, authority: bytes) -> Relay:
    return Relay(
        f"localhost:{relay.config.listen.port}",
        authority_pem=authority,
        certificate_pem=certificate,
        tls_key=Secret(key_as_pem(key)),
    )


def pem(certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def test_a23_tls_1_2_is_refused(relay) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for port in (relay.config.listen.port, relay.config.listen.enrolment_port):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with (
            pytest.raises(ssl.SSLError),
            socket.create_connection(("127.0.0.1", port)) as plain,
        ):
            context.wrap_socket(plain)
        context.maximum_version = ssl.TLSVersion.TLSv1_3
        with socket.create_connection(("127.0.0.1", port)) as plain:
            assert context.wrap_socket(plain).version() == "TLSv1.3"


def test_a23_no_certificate_is_refused(relay) -> None:
    authority = (relay.config.tls / "ca.pem").read_bytes()
    target = f"localhost:{relay.config.listen.port}"
    credentials = grpc.ssl_channel_credentials(authority)
    with (
        grpc.secure_channel(target, credentials) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        datasets_pb2_grpc.DatasetsStub(channel).List(
            datasets_pb2.ListRequest(), timeout=PATIENCE
        )
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a23_a_certificate_of_another_ca_is_refused(relay, monkeypatch) -> None:
    monkeypatch.setattr("sealift.relay.transport._ATTEMPTS", 1)
    key = generate_tls_key()
    other = make_authority(datetime.now(UTC))
    certificate = issue_member_certificate(
        other, certificate_request(key, "hospital"), "hospital", datetime.now(UTC)
    )
    authority = (relay.config.tls / "ca.pem").read_bytes()
    with (
        connect(relay, pem(certificate), key, authority) as client,
        pytest.raises(NotAuthenticated, match="not from the relay's CA"),
    ):
        client.who_am_i()


def test_a23_an_expired_certificate_is_refused(relay, monkeypatch) -> None:
    monkeypatch.setattr("sealift.relay.transport._ATTEMPTS", 1)
    key = generate_tls_key()
    certificate = issue_member_certificate(
        load_authority(relay.config.tls),
        certificate_request(key, "hospital"),
        "hospital",
        datetime.now(UTC) - timedelta(days=91),
    )
    authority = (relay.config.tls / "ca.pem").read_bytes()
    with (
        connect(relay, pem(certificate), key, authority) as client,
        pytest.raises(NotAuthenticated, match="expired"),
    ):
        client.who_am_i()


def test_a23_a_certificate_that_was_never_enrolled_is_refused(
    relay, hospital: Session
) -> None:
    key = generate_tls_key()
    certificate = issue_member_certificate(
        load_authority(relay.config.tls),
        certificate_request(key, "hospital"),
        "hospital",
        datetime.now(UTC),
    )
    authority = (relay.config.tls / "ca.pem").read_bytes()
    with (
        connect(relay, pem(certificate), key, authority) as client,
        pytest.raises(NotAuthenticated),
    ):
        client.who_am_i()


def test_a23_a_revoked_member_is_refused_at_once(relay, hospital: Session) -> None:
    hospital._connection.relay.who_am_i()
    relay.server._metadata.members.revoke("hospital", int(time.time()))
    with pytest.raises(NotAuthenticated):
        hospital._connection.relay.who_am_i()


def test_a23_another_servers_certificate_is_refused(
    relay, hospital: Session, monkeypatch
) -> None:
    monkeypatch.setattr("sealift.relay.transport._ATTEMPTS", 1)
    other = pem(make_authority(datetime.now(UTC)).certificate)
    key = generate_tls_key()
    certificate = pem(
        issue_member_certificate(
            make_authority(datetime.now(UTC)),
            certificate_request(key, "hospital"),
            "hospital",
            datetime.now(UTC),
        )
    )
    with (
        connect(relay, certificate, key, other) as client,
        pytest.raises((NotAuthenticated, RelayUntrusted)),
    ):
        client.who_am_i()


# --- A24: enrolment ------------------------------------------------------------------------------


def test_a24_a_token_works_once(relay) -> None:
    token = relay.token("hospital", "owner")
    sealift.join(token, PASSPHRASE)
    with pytest.raises(TokenRefused):
        sealift.join(token, PASSPHRASE, profile_name="second")


def test_a24_an_expired_token_is_refused_by_client_and_relay(relay) -> None:
    token = relay.token("hospital", "owner", valid_for="0m")
    with pytest.raises(TokenExpired):
        sealift.join(token, PASSPHRASE)
    early = lambda: datetime.now(UTC) - timedelta(minutes=5)  # noqa: E731
    with pytest.raises(TokenExpired):
        sealift.join(token, PASSPHRASE, now=early)


def test_a24_a_token_for_another_name_is_refused(relay) -> None:
    token = parse_token(relay.token("hospital", "owner"))
    identity = Identity.of_seed(sealift.Secret(b"i" * 32))
    from sealift.crypto.suites import generate
    from sealift_protocol.ids import key_id_of
    from sealift_protocol.objects.cards import RecipientKey, WrapSuite

    public = generate(WrapSuite.X25519).recipient().public_key
    key = RecipientKey(
        key_id_of(WrapSuite.X25519, public), WrapSuite.X25519, public, 0, 1 << 40
    )
    now = int(time.time())

    def request(card_name: str, certificate_name: str):
        return sign_membership_request(
            identity,
            token_secret=token.secret,
            certificate_request=certificate_request(
                generate_tls_key(), certificate_name
            ),
            card=sign_card(identity, name=card_name, recipient_keys=[key], time=now),
        )

    with pytest.raises(SealiftError) as caught:
        _enrol(token, request("clinic", "clinic"))
    assert caught.value.reason == "TOKEN_REFUSED"
    with pytest.raises(SealiftError) as caught:
        _enrol(token, request("hospital", "clinic"))
    assert caught.value.reason == "MALFORMED_OBJECT"
    # The refused attempts did not use the token up.
    _enrol(token, request("hospital", "hospital"))


def _enrol(token, request):
    from sealift_protocol.status import from_rpc_error

    try:
        return enrol(token.address, token.ca_fingerprint, request)
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None


def test_a24_guessing_tokens_is_slowed_down(relay) -> None:
    token = parse_token(relay.token("hospital", "owner"))
    outcomes = []
    for guess in range(12):
        wrong = type(token).FromString(token.SerializeToString())
        wrong.secret = bytes([guess]) * 16
        import base64

        text = base64.urlsafe_b64encode(wrong.SerializeToString()).decode()
        try:
            sealift.join(
                "sealift-join-1." + text, PASSPHRASE, profile_name=f"guess-{guess}"
            )
        except SealiftError as error:
            outcomes.append(type(error))
    assert outcomes[:10] == [TokenRefused] * 10
    assert RelayBusy in outcomes[10:]


def test_a24_a_token_of_another_relay_sends_nothing(relay) -> None:
    token = parse_token(relay.token("hospital", "owner"))
    token.ca_fingerprint = bytes(32)
    with pytest.raises(RelayUntrusted):
        enrol(token.address, token.ca_fingerprint, None)


def test_a24_half_a_token_is_refused_before_anything_is_made(
    relay, profiles: Path
) -> None:
    token = relay.token("hospital", "owner")
    for text in (
        token[: len(token) // 2],
        token.removeprefix("sealift"),
        "",
        token[:-1] + "!",
    ):
        with pytest.raises(InvalidArgument):
            sealift.join(text, PASSPHRASE)
    assert not profiles.exists()


def test_a_second_profile_never_replaces_the_first(
    relay, hospital: Session, profiles: Path
) -> None:
    before = (profiles / "hospital" / "keystore").read_bytes()
    with pytest.raises(ProfileError):
        sealift.join(
            relay.token("clinic", "owner"), PASSPHRASE, profile_name="hospital"
        )
    assert (profiles / "hospital" / "keystore").read_bytes() == before
    assert [path.name for path in profiles.iterdir()] == ["hospital"]


# --- A34: clocks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [-365, -1, 1, 365])
def test_a34_a_wrong_clock_is_named_before_anything_is_sent(
    days: int, relay, hospital: Session, records: pa.Table
) -> None:
    hospital._connection.now = lambda: datetime.now(UTC) + timedelta(days=days)
    with pytest.raises(ClockSkew, match="ahead of" if days > 0 else "behind"):
        hospital.push(records, dataset="study")
    assert not list((relay.folder / "blobs" / "shards").rglob("*"))


def test_a34_the_relay_refuses_a_commit_of_another_day(
    hospital: Session, records: pa.Table
) -> None:
    wrong = lambda: datetime.now(UTC) + timedelta(days=1)  # noqa: E731
    hospital._connection.member = replace(hospital._connection.member, now=wrong)
    refuse_skew(hospital._connection.relay, hospital._connection.time)
    with pytest.raises(ClockSkew):
        hospital.push(records, dataset="study")


def test_a26_a_call_without_a_deadline_is_refused(relay, hospital: Session) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        hospital._connection.relay._datasets.List(datasets_pb2.ListRequest())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert issubclass(RelayBusy, RelayError)
