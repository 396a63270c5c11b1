"""What may befall a push in the middle: afterwards the same push continues, exactly once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import sealift.home.lastseen
from sealift.keystore.tlskeys import certificate_request
from sealift.owner.push.push import PushLimits, PushProgress
from sealift.session import Session
from sealift_protocol.errors import NotAuthenticated, RelayStorageFull, RelayUnavailable
from sealift_relay.app import Relay
from sealift_relay.ca import issue_member_certificate, load_authority
from sealift_relay.store import blobs as blobs_module

ROWS = 40_000
SMALL = PushLimits(commit_bytes=200_000, jobs=1)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "records.csv"
    path.write_text("id,text\n" + "".join(f"{i},{'x' * 60}\n" for i in range(ROWS)))
    return path


def after_the_first_commit(act: Callable[[], None]) -> Callable[[PushProgress], None]:
    done: list[bool] = []

    def progress(found: PushProgress) -> None:
        if found.committed and not done:
            done.append(True)
            act()

    return progress


def is_exact(hospital: Session) -> bool:
    table = hospital.open_dataset("hospital/study").to_table()
    return table["id"].to_pylist() == list(range(ROWS))


def test_f4_a_relay_whose_disk_fills_up(
    relay, hospital: Session, csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_double_of_write(path: Path, pieces) -> None:
        path.write_bytes(next(pieces))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:

        def fill() -> None:
            patched.setattr(blobs_module, "write_durably", full_double_of_write)

        with pytest.raises(RelayStorageFull):
            hospital.push(
                csv,
                dataset="study",
                limits=SMALL,
                progress=after_the_first_commit(fill),
            )
    hospital.push(csv, dataset="study", limits=SMALL)
    assert is_exact(hospital)


def test_f4_an_owner_whose_disk_is_full(
    hospital: Session, csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        fill = lambda: patched.setattr(sealift.home.lastseen, "write_atomically", full)  # noqa: E731
        with pytest.raises(OSError, match="No space"):
            hospital.push(
                csv,
                dataset="study",
                limits=SMALL,
                progress=after_the_first_commit(fill),
            )
    hospital.push(csv, dataset="study", limits=SMALL)
    assert is_exact(hospital)


def test_f8_a_certificate_that_expires_in_the_middle(
    relay, hospital: Session, csv: Path
) -> None:
    key = hospital._connection.keychain.keys.tls_private_key
    expired = issue_member_certificate(
        load_authority(relay.config.tls),
        certificate_request(key, "hospital"),
        "hospital",
        datetime.now(UTC) - timedelta(days=91),
    )

    def expire() -> None:
        hospital._connection.relay.reconnect(expired.public_bytes(Encoding.PEM))

    with pytest.raises(NotAuthenticated, match="expired"):
        hospital.push(
            csv, dataset="study", limits=SMALL, progress=after_the_first_commit(expire)
        )
    hospital._connection.relay.reconnect(
        hospital._connection.profile.certificate.read_bytes()
    )
    hospital.push(csv, dataset="study", limits=SMALL)
    assert is_exact(hospital)


def test_f5_a_relay_that_is_away_for_long(
    relay, hospital: Session, csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealift.relay.transport._ATTEMPTS", 1)
    monkeypatch.setattr("sealift.relay.transport._MAX_DELAY", 0.3)
    restarted: list[Relay] = []

    def restart() -> None:
        time.sleep(3)
        again = Relay(relay.config)
        again.start()
        restarted.append(again)

    thread = threading.Thread(target=restart)

    def stop() -> None:
        relay.server.stop()
        thread.start()

    try:
        hospital.push(
            csv, dataset="study", limits=SMALL, progress=after_the_first_commit(stop)
        )
        assert is_exact(hospital)
    finally:
        thread.join()
        restarted[0].stop()
    with pytest.raises(RelayUnavailable):
        hospital.push(csv, dataset="other", retry_seconds=0)
