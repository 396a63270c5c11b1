"""Options and values that commands share: profile, passphrase, times, sizes, JSON."""

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
# Compiled on first use, since `--help` needs neither.
_DURATION = r"(\d+)([smhdwy])"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_SIZE = r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)"
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class Options:
    """The options given before the subcommand."""

    def __init__(self, profile: str | None, passphrase_fd: int | None) -> None:
        self.profile = profile
        self.passphrase_fd = passphrase_fd
        # The profile's account in the desktop keyring; `found` sets it.
        self.account = ""

    def passphrase(
        self,
        what: str = "passphrase of the keystore",
        *,
        confirm: bool = False,
        variable: str = PASSPHRASE,
    ) -> Secret:
        """Return the secret that opens the keystore: its passphrase or PIN."""
        from sealift.home.passphrase import read_passphrase

        return read_passphrase(
            what,
            fd=self.passphrase_fd,
            confirm=confirm,
            variable=variable,
            account=self.account if variable == PASSPHRASE else "",
        )

    def found(self) -> Profile:
        """Return the profile that the options name, or the only one."""
        from sealift.home.profile import find_profile

        profile = find_profile(self.profile)
        self.account = profile.settings.keyring
        return profile

    def connect(self) -> Session:
        """Open the profile and connect to its relay."""
        from sealift.session import connect

        self.found()
        return connect(self.profile, passphrase=self.passphrase)

    def keychain(self) -> Keychain:
        """Open the profile's keystore without connecting."""
        from sealift.keystore.keychain import unlock

        profile = self.found()
        return unlock(profile.keystore, self.passphrase, profile.identities)


pass_options = click.make_pass_decorator(Options)
# Values of `--suite`, each with its name in `WrapSuite`, which is slow to import.
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
    help="Suite of the recipient keys; repeatable, most preferred first.",
)
retry_for = click.option(
    "--retry-for",
    default="10m",
    metavar="TIME",
    help="How long to keep retrying while the relay is unreachable (default: 10m).",
)
yes = click.option(
    "--yes", is_flag=True, help="Skip the confirmation prompt (for scripts)."
)


def wrap_suites(names: Sequence[str]) -> tuple[WrapSuite, ...]:
    """Return the suites that `--suite` named, in order."""
    from sealift_protocol.objects.cards import WrapSuite

    return tuple(WrapSuite[SUITES[name]] for name in names)


def parse_time(text: str | None) -> int:
    """Parse a date, a date and time, or a time from now into Unix seconds; 0 for None.

    Examples are 2027-03-31, 2027-03-31T12:00 and 90d. Dates are in UTC, and a date alone means
    00:00.

    Raises:
        InvalidArgument: the text has none of these forms.
    """
    if text is None:
        return 0
    if re.fullmatch(_DURATION, text):
        return int(datetime.now(UTC).timestamp()) + parse_duration(text)
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise InvalidArgument(
            "this is not a date or time",
            hint="write a date as 2027-03-31, or a time from now as 90d",
        ) from None


def parse_duration(text: str) -> int:
    """Parse a duration such as 30s, 15m, 12h, 90d, 8w or 6y into seconds.

    Raises:
        InvalidArgument: the text is not a duration.
    """
    match = re.fullmatch(_DURATION, text)
    if match is None:
        raise InvalidArgument(
            "a duration is a number followed by s, m, h, d, w or y, such as 90d"
        )
    return int(match[1]) * _SECONDS[match[2]]


def parse_size(text: str) -> int:
    """Parse a size such as 500KB, 20MiB or 1.5GiB into bytes.

    Raises:
        InvalidArgument: the text is not a size.
    """
    match = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    if match is None:
        raise InvalidArgument(
            "a size is a number followed by KiB, MiB or GiB (or KB, MB, GB), such as 20MiB"
        )
    unit = match[2].lower()
    return int(float(match[1]) * (1024 if "i" in unit else 1000) ** _POWERS[unit[0]])


def show_time(time: int) -> str:
    """Format Unix seconds as a date and time in UTC; "-" for 0."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}" if time else "-"


def confirm(question: str, *, yes: bool) -> None:
    """Ask before an action that cannot be undone.

    Raises:
        InvalidArgument: stdin is not a terminal, and --yes was not given.
        click.Abort: the user declined.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidArgument(
            "this cannot be undone, and there is no terminal to confirm it at",
            hint="add --yes to skip the prompt",
        )
    click.confirm(question, abort=True, err=True)
