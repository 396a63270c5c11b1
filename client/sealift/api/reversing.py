"""Lead pseudonyms back to people, with an entry in the profile's journal."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sealift.home.journal import MAX_WHY, Journal, Reversal, journal_key
from sealift.home.profile import Profile
from sealift.keystore.backend import AskSecret
from sealift.keystore.keychain import unlock
from sealift.policy.file import Policy, load_policy
from sealift.policy.reading import Reading, as_plain
from sealift.process.clock import Clock, unix, utc_now
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument

MAX_VALUES = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be led back.

    Attributes:
        values: pseudonyms or tokens.
        policy: the policy under which they were made: a file, or a ready policy's name.
        column: the column that they are from, as the source names it.
        why: the reason, for the journal.
        source: for hashes, the path of records with the people's numbers; empty for tokens.
        kind: kind of the source, if its suffix does not tell.
    """

    values: Sequence[str] = field(repr=False)
    policy: str | os.PathLike[str] | Policy
    column: str = field(repr=False)
    why: str = field(repr=False)
    source: str | os.PathLike[str] = field(default="", repr=False)
    kind: str = ""


def reverse(
    profile: Profile, ask: AskSecret, wanted: Wanted, now: Clock = utc_now
) -> Mapping[str, str]:
    """Return the people behind some pseudonyms or tokens; write it down first.

    Args:
        profile: the owner's profile. The relay is not contacted.
        ask: asks for the passphrase or PIN. It is asked for each time.
        wanted: what to lead back.
        now: the clock.

    Returns:
        For each value that was found, what it stands for.

    Raises:
        WrongPassphrase: the passphrase does not open the keystore.
        InvalidArgument: there is no reason or no value, the policy does not hash or tokenise
            the column, or a hash needs a source.
        ProfileError: the journal was changed.
    """
    values = list(dict.fromkeys(wanted.values))
    why = wanted.why.strip()
    if not why or len(why) > MAX_WHY:
        raise InvalidArgument(
            f"a reason of 1 to {MAX_WHY} characters is needed: it is kept in the journal"
        )
    if not 1 <= len(values) <= MAX_VALUES:
        raise InvalidArgument(f"1 to {MAX_VALUES:,} values can be led back at once")
    policy = (
        wanted.policy
        if isinstance(wanted.policy, Policy)
        else load_policy(wanted.policy)
    )
    keychain = unlock(profile.keystore, ask, profile.identities)
    try:
        secret = keychain.owner_secret()
        found = _found(wanted, values, policy, secret)
        entry = Reversal(
            unix(now), _user(), why, policy.digest.hex(), len(values), len(found)
        )
        _journal(profile, secret).append(entry)
    finally:
        keychain.close()
    return found


def reversals(profile: Profile, owner_secret: Secret) -> list[Reversal]:
    """Return the entries of the profile's journal, oldest first.

    Raises:
        ProfileError: the journal was changed.
    """
    return _journal(profile, owner_secret).entries()


def _found(
    wanted: Wanted, values: Sequence[str], policy: Policy, secret: Secret
) -> Mapping[str, str]:
    # The engine is large.
    from sealift.owner.deidentify.reading import read_as
    from sealift.owner.manage.reversing import reverse_by_source, reverse_tokens
    from sealift.owner.sources import SkipRejects, SourceOptions, open_source

    if not os.fspath(wanted.source):
        return reverse_tokens(policy, wanted.column, values, secret)
    ways = [(Reading.TEXT, read_as(policy))]
    if policy.format == 1:
        # A dataset of release 0.1 goes on with numbers.
        ways.append((Reading.NUMBERS, as_plain))
    found: dict[str, str] = {}
    for reading, leaf in ways:
        left = [value for value in values if value not in found]
        if left:
            options = SourceOptions(
                kind=wanted.kind, rejects=SkipRejects(), read_as=leaf
            )
            source = open_source(os.fspath(wanted.source), options)
            found |= reverse_by_source(
                policy, wanted.column, left, source, secret, reading
            )
    return found


def _journal(profile: Profile, owner_secret: Secret) -> Journal:
    return Journal(profile.folder / "reversals.jsonl", journal_key(owner_secret))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
