"""What a profile has beyond the defaults: witnesses, recovery, trust on first use, more relays."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sealift.files import write_atomically
from sealift_protocol.errors import InvalidArgument, ProfileError
from sealift_protocol.notes import VerifierKey

# Version 1 had no relays.
_VERSION = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """A profile's settings.

    Attributes:
        witnesses: verifier keys of the witnesses that this profile knows.
        quorum: how many of them must have cosigned a checkpoint.
        recovery: names of members to whom every grant is given too.
        trust_on_first_use: whether a member who is not pinned is pinned when first met.
        relays: more addresses (host:port) of the profile's relay, tried in this order when its own
            cannot be reached.
    """

    witnesses: tuple[str, ...] = ()
    quorum: int = 0
    recovery: tuple[str, ...] = ()
    trust_on_first_use: bool = False
    relays: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.quorum <= len(self.witnesses):
            raise InvalidArgument(
                f"{self.quorum} of {len(self.witnesses)} witnesses cannot be required",
                hint="add witnesses first, or require fewer",
            )

    def witness_keys(self) -> list[VerifierKey]:
        """The witnesses' keys."""
        return [VerifierKey.parse(text) for text in self.witnesses]


def read_settings(path: Path) -> Settings:
    """A profile's settings; the defaults if there is no file.

    Raises:
        ProfileError: the file is not one.
    """
    try:
        document = json.loads(path.read_text())
        version = document.pop("version")
        if version not in (1, _VERSION):
            raise ProfileError(
                "the profile's settings have a version that this release does not know",
                hint="use the release that wrote them",
            )
        document["witnesses"] = tuple(document["witnesses"])
        document["recovery"] = tuple(document["recovery"])
        relays = () if version == 1 else tuple(document.pop("relays"))
        return Settings(**document, relays=relays)
    except FileNotFoundError:
        return Settings()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ProfileError(
            "the profile's settings cannot be read",
            hint="restore settings.json of this profile from a backup",
        ) from None


def write_settings(path: Path, settings: Settings) -> None:
    """Replaces a profile's settings."""
    document = {"version": _VERSION, **asdict(settings)}
    write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())
