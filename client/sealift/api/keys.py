"""`Session.keys`: this member's recipient keys, and rotation of keys and key epochs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from sealift.api import reversing
from sealift.api.connection import Connection
from sealift.api.dataset import RemoteDataset
from sealift.api.identity import OwnIdentity
from sealift.history.opened import open_datasets
from sealift.home.journal import Reversal
from sealift.home.passphrase import ask_anew
from sealift.keystore.backend import AskSecret
from sealift.keystore.custody import Custody
from sealift.owner.push.push import PushProgress
from sealift.people import identities as lifecycle
from sealift.people.compromise import Exposed, exposed
from sealift.people.rotation import Rotation, RotationKind, rotations
from sealift.policy.file import Policy
from sealift.process.secret import Secret
from sealift_protocol.errors import InvalidArgument
from sealift_protocol.ids import Fingerprint
from sealift_protocol.objects.cards import WrapSuite


class OwnKeys:
    """The keys of this member: rotating, replacing, moving them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rotate(self, suites: Sequence[WrapSuite] = ()) -> lifecycle.RotatedKeys:
        """Make new recipient keys and wrap this member's own grants to them; no owner is needed."""
        rotated = lifecycle.rotate_keys(
            self._connection.member,
            self._connection.keychain,
            self._connection.contacts.own_card(),
            suites,
        )
        self._connection.reload()
        return rotated

    def usage(self) -> list[lifecycle.KeyUsage]:
        """Report, for each recipient key, the grants that depend on it."""
        return lifecycle.key_usage(
            self._connection.member,
            self._connection.keychain,
            self._connection.contacts.own_card(),
        )

    def rotations(self) -> list[Rotation]:
        """List the keys that are rotated, with when each is due."""
        return list(
            rotations(
                self._connection.member,
                self._connection.contacts.own_card(),
                self._connection.membership,
                self._connection.settings.rotation,
            )
        )

    def rotate_due(self) -> Iterator[Rotation]:
        """Replace every recipient key and key epoch that is due, yielding each.

        An identity is never replaced this way: see `Session.identity`.
        """
        time = self._connection.time
        due = [rotation for rotation in self.rotations() if rotation.is_overdue(time)]
        keys = [r for r in due if r.kind is RotationKind.RECIPIENT_KEY]
        if keys:
            self.rotate()
            yield from keys
        for rotation in due:
            if rotation.kind is RotationKind.KEY_EPOCH:
                RemoteDataset(self._connection, rotation.name).rotate()
                yield rotation

    def replace_compromised(
        self,
        *,
        reseal: bool = False,
        progress: Callable[[PushProgress], None] = lambda _: None,
    ) -> list[Exposed]:
        """Replace recipient keys that may have leaked, and begin key epochs of own datasets.

        Returns what the old keys open, given the ciphertext; what was already fetched cannot be
        taken back. Every recipient of a dataset keeps its access. An interrupted run can be
        repeated.

        Args:
            reseal: also seal what was pushed before under the new key epochs, so that the old keys
                open nothing that is left at the relay.
            progress: called after each resealed shard.
        """
        connection = self._connection
        owners = connection.owners()
        found = [Exposed.unopened(str(owner), head) for owner, head in owners.strangers]
        for owner, identities in owners.trusted:
            for opened in open_datasets(connection.member, identities, whole=True):
                own = opened.owner == connection.fingerprint
                found.append(exposed(opened, owner, own=own))
        self.rotate()
        done = []
        for exposure in found:
            if exposure.own:
                dataset = RemoteDataset(connection, exposure.name)
                committed = dataset.rotate(reseal=reseal, progress=progress)
                exposure = replace(
                    exposure,
                    new_key_epoch=committed.commit.key_epoch,
                    resealed=reseal,
                )
            done.append(exposure)
        return done

    def reverse(
        self,
        values: Sequence[str],
        *,
        policy: str | os.PathLike[str] | Policy,
        column: str,
        why: str,
        source: str | os.PathLike[str] = "",
        passphrase: Secret | str | None = None,
    ) -> Mapping[str, str]:
        """Lead pseudonyms or tokens back to the people they stand for.

        Tokens are deciphered. Hashes have no way back: the numbers of a source are hashed again,
        in memory. An entry with who, when, why and how many, and no value, goes into the profile's
        journal first (`reversals`); nothing is sent.

        Args:
            values: pseudonyms or tokens.
            policy: the policy they were made under: a file, or a ready policy's name.
            column: the column that they are from, as the source names it.
            why: the reason, for the journal.
            source: for hashes, records with the people's numbers.
            passphrase: opens the keystore again; asked for at the terminal by default.

        Returns:
            For each value that was found, what it stands for.

        Raises:
            WrongPassphrase: the passphrase does not open the keystore.
            InvalidArgument: there is no reason, the policy neither hashes nor tokenises the
                column, or a hash needs a source.
        """
        connection = self._connection
        wanted = reversing.Wanted(values, policy, column, why, source)
        return reversing.reverse(
            connection.profile, _asking(passphrase), wanted, connection.now
        )

    def reversals(self) -> list[Reversal]:
        """Return the journal of `reverse`, oldest entry first.

        Raises:
            ProfileError: the journal was changed.
        """
        connection = self._connection
        return reversing.reversals(
            connection.profile, connection.keychain.owner_secret()
        )

    def move_to(
        self, custody: Custody, suites: Sequence[WrapSuite] = ()
    ) -> Fingerprint:
        """Replace the keys in a file with new keys in a token or KMS.

        The identity is replaced first, as by `OwnIdentity.succeed`, then the recipient keys, as by
        `rotate`. The next run continues an interrupted one, or `rotate` does once the keys moved.

        Args:
            custody: of the new keystore.
            suites: of the recipient keys; by default the one that the keystore prefers.

        Returns:
            The new fingerprint.

        Raises:
            InvalidArgument: the keys are not in a file.
        """
        if self._connection.keychain.custody.backend is not None:
            raise InvalidArgument(
                "these keys are already in a token or KMS",
                hint="join again under a new name",
            )
        moved = lifecycle.Moved(custody, tuple(suites))
        fingerprint = OwnIdentity(self._connection).succeed(moved)
        self.rotate()
        return fingerprint


def _asking(passphrase: Secret | str | None) -> AskSecret:
    if passphrase is None:
        return ask_anew
    given = Secret(passphrase.encode()) if isinstance(passphrase, str) else passphrase
    return lambda _: given
