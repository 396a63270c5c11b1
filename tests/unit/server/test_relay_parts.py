"""The relay's configuration, certificates and stores."""

from __future__ import annotations

import errno
import os
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from places import ROOT

from sealift.keystore.tlskeys import certificate_request, generate_tls_key
from sealift_protocol.errors import (
    Conflict,
    InvalidArgument,
    MalformedObject,
    RelayError,
    RelayStorageFull,
)
from sealift_relay.ca import (
    issue_member_certificate,
    issue_server_certificate,
    load_authority,
    make_authority,
)
from sealift_relay.config import Listen, load_config, write_config
from sealift_relay.store import local
from sealift_relay.store.blobs import Blobs
from sealift_relay.store.members import Invite
from sealift_relay.store.metadata import Metadata

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PROFILE = tomllib.loads((ROOT / "certs/profile.toml").read_text())


# --- configuration -------------------------------------------------------------------------------


def test_a_written_configuration_is_read_back(tmp_path: Path) -> None:
    write_config(tmp_path, Listen(port=1234, advertised="relay.example.org"))
    config = load_config(tmp_path, {})
    assert (config.listen.port, config.listen.advertised) == (1234, "relay.example.org")
    assert config.storage.blobs == (tmp_path / "blobs").as_uri()
    assert config.storage.metadata.startswith("sqlite:///")


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    write_config(tmp_path, Listen())
    environment = {
        "SEALIFT_RELAY_LISTEN_PORT": "8443",
        "SEALIFT_RELAY_STORAGE_BLOBS": "s3://bucket/prefix",
    }
    config = load_config(tmp_path, environment)
    assert config.listen.port == 8443
    assert config.storage.blobs == "s3://bucket/prefix"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[listen]\nprot = 1", "listen.prot"),
        ("[lissen]\nport = 1", "lissen"),
        ("[listen]\nport = 'a'", "listen.port"),
        ("[limits]\nworkers = -1", "limits.workers"),
        ("[limits]\nworkers = true", "limits.workers"),
        ("[listen", "not valid TOML"),
    ],
)
def test_a_wrong_configuration_names_the_key(
    text: str, what: str, tmp_path: Path
) -> None:
    (tmp_path / "relay.toml").write_text(text)
    with pytest.raises(InvalidArgument, match=what):
        load_config(tmp_path, {})


def test_a_missing_configuration_or_a_wrong_environment_is_named(
    tmp_path: Path,
) -> None:
    with pytest.raises(InvalidArgument, match=r"no relay\.toml"):
        load_config(tmp_path, {})
    write_config(tmp_path, Listen())
    with pytest.raises(InvalidArgument, match="SEALIFT_RELAY_LISTEN_PORT"):
        load_config(tmp_path, {"SEALIFT_RELAY_LISTEN_PORT": "many"})


# --- certificates --------------------------------------------------------------------------------


def describe(certificate: x509.Certificate) -> dict[str, object]:
    """A certificate in the words of certs/profile.toml."""
    extensions = {e.value.__class__: e for e in certificate.extensions}
    basic = extensions.pop(x509.BasicConstraints)
    usage = extensions.pop(x509.KeyUsage)
    names = {"key_cert_sign": "keyCertSign", "crl_sign": "cRLSign"}
    used = [
        names.get(name, "digitalSignature")
        for name in ("digital_signature", "key_cert_sign", "crl_sign")
        if getattr(usage.value, name)
    ]
    span = certificate.not_valid_after_utc - NOW
    words = "critical, " if basic.critical else ""
    words += "CA:TRUE, pathlen:0" if basic.value.ca else "CA:FALSE"
    described: dict[str, object] = {
        "days": span.days,
        "basic_constraints": words,
        "key_usage": ("critical, " if usage.critical else "") + ", ".join(used),
    }
    extended = extensions.pop(x509.ExtendedKeyUsage, None)
    if extended is not None:
        oids = {ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth"}
        [oid] = extended.value
        described["extended_key_usage"] = oids.get(oid, "clientAuth")
    extensions.pop(x509.SubjectAlternativeName, None)
    described["extensions"] = sorted(e.oid._name for e in extensions.values())
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert NOW - certificate.not_valid_before_utc == timedelta(
        hours=PROFILE["all"]["backdated_hours"]
    )
    return described


def test_certificates_are_what_the_profile_says() -> None:
    authority = make_authority(NOW)
    server_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    server = issue_server_certificate(
        authority, server_key, ["relay.example.org", "::1"], NOW
    )
    request = certificate_request(generate_tls_key(), "hospital")
    member = issue_member_certificate(authority, request, "hospital", NOW)
    for name, certificate in (
        ("authority", authority.certificate),
        ("server", server),
        ("member", member),
    ):
        expected = {
            key: sorted(value) if isinstance(value, list) else value
            for key, value in PROFILE[name].items()
            if key not in ("subject", "subject_alternative_name")
        }
        assert describe(certificate) == expected, name
    names = member.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [n.value for n in names] == ["sealift:member:hospital"]


@pytest.mark.parametrize("kind", ["garbage", "no-san", "p384", "two-names"])
def test_a_request_that_is_not_as_it_should_be_is_refused(kind: str) -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    curve = ec.SECP384R1() if kind == "p384" else ec.SECP256R1()
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hospital")])
    )
    uris = ["sealift:member:hospital", "sealift:member:other"][
        : 2 if kind == "two-names" else 1
    ]
    if kind != "no-san":
        names = x509.SubjectAlternativeName(
            [x509.UniformResourceIdentifier(u) for u in uris]
        )
        builder = builder.add_extension(names, critical=False)
    der = builder.sign(ec.generate_private_key(curve), SHA256()).public_bytes(
        Encoding.DER
    )
    with pytest.raises(MalformedObject):
        issue_member_certificate(
            make_authority(NOW),
            b"garbage" if kind == "garbage" else der,
            "hospital",
            NOW,
        )


def test_missing_tls_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="CA files"):
        load_authority(tmp_path)


# --- blobs ---------------------------------------------------------------------------------------

DATASET, SHARD = b"d" * 16, b"s" * 16


@pytest.fixture(params=["file", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    store = Blobs(
        (tmp_path / "blobs").as_uri() if request.param == "file" else "memory:///"
    )
    yield store
    store.close()


def objects(blobs: Blobs) -> list[str]:
    import obstore

    return [meta["path"] for batch in obstore.list(blobs._store) for meta in batch]


def test_a_blob_comes_back_in_any_ranges(blobs: Blobs) -> None:
    content = os.urandom(9 << 20)
    pieces = [
        memoryview(content)[i : i + 999_999] for i in range(0, len(content), 999_999)
    ]
    blobs.publish(blobs.stage(pieces), DATASET, SHARD)
    ranges = [(0, 1), (5, 4096), (4095, 2), (1 << 20, 3 << 20), (len(content) - 7, 7)]
    read = [bytes(part) for part in blobs.read(DATASET, SHARD, ranges)]
    assert read == [content[start : start + size] for start, size in ranges]
    assert objects(blobs) == [f"shards/{DATASET.hex()}/{SHARD.hex()}"]


def test_a_broken_stream_leaves_nothing(blobs: Blobs) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(6 << 20)
        raise MalformedObject("broken")

    with pytest.raises(MalformedObject, match="broken"):
        blobs.stage(broken())
    assert objects(blobs) == []


def test_a_missing_blob_is_an_error_without_its_name(blobs: Blobs) -> None:
    with pytest.raises(RelayError) as caught:
        list(blobs.read(DATASET, SHARD, [(0, 1)]))
    assert SHARD.hex() not in str(caught.value)


def test_leftovers_of_an_earlier_process_are_removed(tmp_path: Path) -> None:
    url = (tmp_path / "blobs").as_uri()
    first = Blobs(url)
    first.stage([b"abandoned"])
    first.close()
    second = Blobs(url)
    # Another host's may be under way.
    assert second.discard_stale() == 0
    assert len(objects(second)) == 1
    assert second.discard_stale(seconds=0) == 1
    assert objects(second) == []
    second.close()


def test_a_store_that_fails_to_list_leftovers_is_named(monkeypatch) -> None:
    blobs = Blobs("memory:///")

    def failing_double_of_list(*_: object) -> None:
        raise obstore.exceptions.GenericError("no answer")

    monkeypatch.setattr(obstore, "list", failing_double_of_list)
    # Not one that would end the sweeper's thread.
    with pytest.raises(RelayError):
        blobs.discard_stale()
    blobs.close()


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    blobs = Blobs((tmp_path / "blobs").as_uri())

    def full_double_of_write(_descriptor: int, _data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(local, "_write_all", full_double_of_write)
    with pytest.raises(RelayStorageFull):
        blobs.stage([b"x" * (5 << 20)])
    assert list((tmp_path / "blobs").rglob("*")) == [tmp_path / "blobs" / "staging"]
    blobs.close()


def test_a_file_system_without_direct_writes_is_used_all_the_same(
    monkeypatch, tmp_path
) -> None:
    honest = os.open

    def without_direct(path: object, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return honest(path, flags, mode)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", without_direct)
    local.write_durably(tmp_path / "file", [b"abc", b"def" * 5000])
    assert (tmp_path / "file").read_bytes() == b"abc" + b"def" * 5000


# --- metadata ------------------------------------------------------------------------------------


def test_a_schema_is_made_once_and_kept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'relay.db'}"
    for _ in range(2):
        metadata = Metadata(url)
        metadata.upgrade()
        metadata.close()
    metadata.members.add_invite(b"s" * 32, Invite("hospital", "owner", 1))
    assert metadata.members.find_invite(b"s" * 32, b"r" * 32, 0)[0].name == "hospital"


def test_the_migrations_make_what_the_schema_says(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from sealift_relay.store.schema import tables

    metadata = Metadata(f"sqlite:///{tmp_path / 'relay.db'}")
    metadata.upgrade()
    with metadata.database._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables) == []


def test_a_schema_that_is_current_is_left_alone_and_an_old_one_is_upgraded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import command
    from alembic.config import Config as AlembicConfig
    from alembic.script import ScriptDirectory

    from sealift_relay.store.schema import REVISION

    config = AlembicConfig()
    config.set_main_option("script_location", "sealift_relay.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION
    metadata = Metadata(f"sqlite:///{tmp_path / 'relay.db'}")
    assert metadata.database._revision() is None
    with metadata.database._engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.commit()
    assert metadata.database._revision() == "0001"
    metadata.upgrade()
    assert metadata.database._revision() == REVISION
    monkeypatch.setattr(command, "upgrade", lambda *_: pytest.fail("upgraded again"))
    metadata.upgrade()


def test_acknowledged_metadata_survives_a_power_cut(tmp_path: Path) -> None:
    metadata = Metadata(f"sqlite:///{tmp_path / 'relay.db'}")
    with metadata.database._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_name_that_is_taken_gets_no_second_invitation(relay, hospital) -> None:
    with pytest.raises(Conflict):
        relay.server._metadata.members.add_invite(
            b"x" * 32, Invite("hospital", "owner", 1 << 40)
        )


def test_the_commands_for_ones_own_ca_make_a_certificate_that_serves(
    tmp_path: Path,
) -> None:
    import re
    import subprocess

    from sealift_relay.ca import write_tls
    from sealift_relay.files import write_private

    readme = (ROOT / "certs/README.md").read_text()
    [commands] = re.findall(r"^```sh\n(.*?)^```", readme, re.M | re.S)
    write_tls(tmp_path / "tls", ["localhost"])
    subprocess.run(
        ["bash", "-euc", commands],
        cwd=tmp_path / "tls",
        check=True,
        capture_output=True,
    )
    server = x509.load_pem_x509_certificate((tmp_path / "tls/server.pem").read_bytes())
    server.verify_directly_issued_by(load_authority(tmp_path / "tls").certificate)
    assert isinstance(server.public_key(), ec.EllipticCurvePublicKey)
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "tls/ca.key", b"never overwritten")


def test_a_database_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(InvalidArgument, match="not a database URL"):
        Metadata("no url")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InvalidArgument) as caught:
        Metadata("postgresql://relay@localhost/relay")
    assert "sealift[relay,postgresql]" in caught.value.hint
