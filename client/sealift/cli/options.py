"""What commands share: the profile, the passphrase, the ways to write time, JSON."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from sealift_protocol.errors import InvalidArgument
from sealift_protocol.program import as_json as as_json

if TYPE_CHECKING:
    from sealift.home.profile import Profile
    from sealift.keystore.keychain import Keychain
    from sealift.process.secret import Secret
    from sealift.session import Session
    from sealift_protocol.objects.cards import WrapSuite

PASSPHRASE = "SEALIFT_PASSPHRASE"  # noqa: S105 - the variable's name
# Compiled when used, which `--help` does not.
_DURATION = r"(\d+)([smhdwy])"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_SIZE = r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)"
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class Options:
    """What the options before the subcommand said."""

    def __init__(self, profile: str | None, passphrase_fd: int | None) -> None:
        self.profile = profile
        self.passphrase_fd = passphrase_fd
        # Of the keyring, for the profile that was found.
        self.account = ""

    def passphrase(
        self,
        what: str = "passphrase of the keystore",
        *,
        confirm: bool = False,
        variable: str = PASSPHRASE,
    ) -> Secret:
        """The keystore's passphrase, or whatever opens it."""
        from sealift.home.passphrase import read_passphrase

        return read_passphrase(
            what,
            fd=self.passphrase_fd,
            confirm=confirm,
            variable=variable,
            account=self.account if variable == PASSPHRASE else "",
        )

    def found(self) -> Profile:
        """The profile that the options name, or the only one."""
        from sealift.home.profile import find_profile

        profile = find_profile(self.profile)
        self.account = profile.settings.keyring
        return profile

    def connect(self) -> Session:
        """Opens the profile and connects."""
        from sealift.session import connect

        self.found()
        return connect(self.profile, passphrase=self.passphrase)

    def keychain(self) -> Keychain:
        """Opens the profile's keystore without a connection."""
        from sealift.keystore.keychain import unlock

        profile = self.found()
        return unlock(profile.keystore, self.passphrase, profile.identities)


pass_options = click.make_pass_decorator(Options)
# What `--suite` takes, and the names of `WrapSuite`, which is slow to import.
SUITES = {
    "mlkem768-x25519": "MLKEM768_X25519",
    "x25519": "X25519",
    "p-256": "P256",
    "rsa-oaep-sha256": "RSA_OAEP_SHA256",
}
suites = click.option(
    "--suite",
    "suites",
    multiple=True,
    type=click.Choice(list(SUITES)),
    help="Of the recipient keys, most preferred first; repeatable.",
)
retry_for = click.option(
    "--retry-for",
    default="10m",
    metavar="TIME",
    help="How long to keep retrying while the relay is unreachable (default: 10m).",
)
yes = click.option("--yes", is_flag=True, help="Do not ask; for scripts.")


def wrap_suites(names: Sequence[str]) -> tuple[WrapSuite, ...]:
    """The suites that `--suite` named, in that order."""
    from sealift_protocol.objects.cards import WrapSuite

    return tuple(WrapSuite[SUITES[name]] for name in names)


def parse_time(text: str | None) -> int:
    """A date (2027-03-31), a date and time (2027-03-31T12:00), or a time from now (90d); 0 if None.

    Dates are UTC; a date alone means its beginning.

    Raises:
        InvalidArgument: it is none of these.
    """
    if text is None:
        return 0
    if re.fullmatch(_DURATION, text):
        return int(datetime.now(UTC).timestamp()) + parse_duration(text)
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise InvalidArgument(
            "this is not a time",
            hint="write a date as 2027-03-31, or a time from now as 90d",
        ) from None


def parse_duration(text: str) -> int:
    """Seconds of a duration such as 30s, 15m, 12h, 90d, 8w or 6y.

    Raises:
        InvalidArgument: it is none.
    """
    match = re.fullmatch(_DURATION, text)
    if match is None:
        raise InvalidArgument(
            "a duration is a number and s, m, h, d, w or y, such as 90d"
        )
    return int(match[1]) * _SECONDS[match[2]]


def parse_size(text: str) -> int:
    """Bytes of a size such as 500KB, 20MiB or 1.5GiB.

    Raises:
        InvalidArgument: it is none.
    """
    match = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    if match is None:
        raise InvalidArgument(
            "a size is a number and KiB, MiB or GiB (or KB, MB, GB): 20MiB"
        )
    unit = match[2].lower()
    return int(float(match[1]) * (1024 if "i" in unit else 1000) ** _POWERS[unit[0]])


def show_time(time: int) -> str:
    """Unix seconds for people, UTC; "-" for 0."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}" if time else "-"


def confirm(question: str, *, yes: bool) -> None:
    """Asks before something that cannot be undone.

    Raises:
        InvalidArgument: there is no terminal to ask at, and --yes was not given.
        click.Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidArgument("this cannot be undone", hint="use --yes if you mean it")
    click.confirm(question, abort=True, err=True)
