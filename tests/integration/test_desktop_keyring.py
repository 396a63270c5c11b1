"""The passphrase in the keyring of a desktop: the real GNOME keyring, on a D-Bus of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import keyring
import pytest
from patience import PATIENCE

from sealift.home import desktop
from sealift.home.desktop import forget, recall, remember
from sealift.home.profile import find_profile
from sealift.process.secret import Secret
from sealift.session import Session
from sealift_protocol.errors import InvalidArgument, KeystoreError

PASSPHRASE = os.environ["SEALIFT_PASSPHRASE"]
UNLOCK = (
    "printf pw | gnome-keyring-daemon --unlock --components=secrets --daemonize >&2"
)


def on_a_desktop(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Runs a script in a desktop session, whose keyring is unlocked."""
    if not all(map(shutil.which, ("dbus-run-session", "gnome-keyring-daemon"))):
        pytest.skip("the GNOME keyring is not installed")
    home = folder / "home"
    for name in (".cache", ".local/share/keyrings", "run"):
        (home / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["dbus-run-session", "--", "bash", "-euc", f"{UNLOCK}\n{script}"],
        env={
            **os.environ,
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "PATH": path,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_the_keyring_gives_the_passphrase_until_it_forgets(
    hospital: Session, tmp_path: Path
) -> None:
    done = on_a_desktop(
        tmp_path,
        """
        sealift keystore remember
        unset SEALIFT_PASSPHRASE
        sealift keystore test
        sealift status | head -1
        SEALIFT_NEW_PASSPHRASE='another battery staple' sealift keystore passphrase
        sealift keystore test
        python -c 'import sealift; sealift.connect().close(); print("connected")'
        """,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "stored the passphrase in this desktop's keyring",
        "2 keys in file: sign and unwrap",
        f"hospital (owner) at {hospital._connection.membership.address}",
        "changed the passphrase of the keystore",
        "2 keys in file: sign and unwrap",
        "connected",
    ]
    # The next session has the same keyring, until it is told to forget.
    done = on_a_desktop(
        tmp_path,
        """
        unset SEALIFT_PASSPHRASE
        sealift keystore test
        sealift keystore forget
        ! sealift keystore test
        ! sealift keystore forget
        """,
    )
    assert done.returncode == 0, done.stderr
    assert "no terminal to ask at" in done.stderr
    assert "the passphrase of this profile is not in the keyring" in done.stderr
    assert find_profile("hospital").settings.keyring == ""
    for text in (done.stdout, done.stderr):
        assert "battery staple" not in text


def test_a_wrong_passphrase_is_not_remembered(
    hospital: Session, tmp_path: Path
) -> None:
    done = on_a_desktop(tmp_path, "SEALIFT_PASSPHRASE=wrong sealift keystore remember")
    assert done.returncode == 7
    assert "does not open" in done.stderr
    assert find_profile("hospital").settings.keyring == ""


def test_without_a_desktop_the_keyring_is_refused_by_name(
    hospital: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keyring.backends import fail

    monkeypatch.setattr(keyring, "get_keyring", fail.Keyring)
    with pytest.raises(KeystoreError, match="no desktop keyring"):
        remember("account", Secret(b"x"))


class FakeKeyring:
    """A keyring in this process; refuses with an error of its own library when `broken`."""

    priority = 5.0

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.broken = False

    def get_password(self, service: str, account: str) -> str | None:
        if self.broken:
            raise RuntimeError(f"secrets of {service} in the text")
        return self.entries.get((service, account))

    def set_password(self, service: str, account: str, password: str) -> None:
        self.entries[service, account] = password

    def delete_password(self, service: str, account: str) -> None:
        del self.entries[service, account]


def test_a_keyring_double_shows_what_is_asked_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeKeyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: fake)
    account = desktop.new_account()
    assert recall(account) is None
    remember(account, Secret(b"words"))
    assert fake.entries == {("sealift", account): "words"}
    assert recall(account) == Secret(b"words")
    forget(account)
    forget(account)
    assert recall(account) is None
    fake.broken = True
    with pytest.raises(KeystoreError, match="RuntimeError") as caught:
        recall(account)
    assert "in the text" not in str(caught.value)
    # Below 1 are those that keep passwords in plain files.
    fake.priority = 0.5
    with pytest.raises(KeystoreError, match="no desktop keyring"):
        recall(account)


def test_a_keyring_that_is_not_installed_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(InvalidArgument, match=r"sealift\[keyring\]"):
        recall("account")
