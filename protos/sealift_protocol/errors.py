"""The tree of all exceptions: each says what happened, to what, and what to do.

`str(error)` never holds plaintext, keys, tokens, dataset names or file names. Where a person needs
one, such as the path of an unreadable file, it is an attribute that the command line may print.

Errors with a `reason` cross the wire as google.rpc.ErrorInfo of the domain "sealift".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = "sealift"


class SealiftError(Exception):
    """Base of every error that Sealift raises on purpose.

    Attributes:
        what: what happened, one sentence without a full stop.
        hint: what to do about it.
        exit_code: the status with which the command line ends.
        reason: UPPER_SNAKE name on the wire; empty for errors that never cross the wire.
        status: name of the gRPC status code that carries the error.
    """

    exit_code: ClassVar[int] = 1
    reason: ClassVar[str] = ""
    status: ClassVar[str] = "UNKNOWN"
    default_hint: ClassVar[str] = ""

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = self.default_hint if hint is None else hint
        if self.hint:
            # Tracebacks, and notebooks, show notes below the message.
            self.add_note(f"hint: {self.hint}")

    @property
    def code(self) -> str:
        """The UPPER_SNAKE name of the error, for scripts: its reason, or its class's name."""
        cls = type(self)
        own = cls.reason if "reason" in vars(cls) else ""
        return (
            own
            or "".join(
                f"_{char}" if char.isupper() and place else char
                for place, char in enumerate(cls.__name__)
            ).upper()
        )


class InvalidArgument(SealiftError):
    """A value from the caller cannot be used."""

    exit_code = 2
    reason = "INVALID_ARGUMENT"
    status = "INVALID_ARGUMENT"


# --- the source of records -------------------------------------------------------------------


class SourceError(SealiftError):
    """Records cannot be read from their source.

    Attributes:
        path: the file, for the person at the terminal; not part of the message.
        line: line number, from 1, where the format has lines.
        column: column number, from 1, where the format has columns.
        columns: names of the columns concerned, for the person at the terminal; not part of the
            message.
    """

    exit_code = 3
    default_hint = (
        "repair the file and push again; committed records stay, and are not sent twice"
    )

    def __init__(
        self,
        what: str,
        *,
        path: Path | None = None,
        line: int | None = None,
        column: int | None = None,
        columns: tuple[str, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(what, hint=hint)
        self.path = path
        self.line = line
        self.column = column
        self.columns = columns


class UnclearSource(SourceError, InvalidArgument):
    """No kind of source reads these files, or several kinds do."""

    exit_code = 2
    default_hint = "see `sealift sources`"


class EmptySource(SourceError):
    """The source does not hold a record."""

    default_hint = "check that the export finished; an empty push is refused"


class SchemaMismatch(SourceError):
    """The records' schema differs from that of the dataset they are pushed to."""

    default_hint = "convert the columns, or push to a new dataset"


class RecordTooLarge(SourceError):
    """One record is larger than a shard."""

    default_hint = "split the record; it may have at most 64 MiB, less its framing"


class InvalidValue(SourceError):
    """A record holds a value that no reader could open."""

    default_hint = (
        "correct the value in the source, or drop its column in a policy; "
        '`on_error="skip"` leaves such records out, `on_error="quarantine"` keeps them for you'
    )


class SourceChanged(SourceError):
    """A part of the source that was already pushed has changed or disappeared."""

    default_hint = (
        "`on_change=OnChange.PUSH` sends the changed file as new records (the old ones stay); "
        "`on_change=OnChange.SKIP` leaves it out"
    )


class CursorUnreadable(SealiftError):
    """The record of what was already pushed from a source is missing."""

    exit_code = 7
    default_hint = (
        "restore the newest backup of the profile; or push with `from_start=True`, which sends "
        "everything again as new records"
    )


class DeadlineReached(SealiftError):
    """A push reached its deadline; committed records stay."""

    exit_code = 6
    default_hint = "run the same command again: it continues where this one stopped"


# --- the de-identification policy ------------------------------------------------------------


class PolicyInvalid(SealiftError):
    """A policy file is not valid.

    Attributes:
        path: the file, for the person at the terminal; not part of the message.
        line: line number, from 1, if known.
    """

    exit_code = 2
    default_hint = (
        "see docs/owner/deidentification.md, "
        "or start from a ready policy: `sealift policy ls`"
    )

    def __init__(
        self,
        what: str,
        *,
        path: Path | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(what, hint=hint)
        self.path = path
        self.line = line


class PolicyViolation(SealiftError):
    """The records do not comply with the policy; none of them was sealed.

    Attributes:
        columns: names of the columns concerned, for the person at the terminal; not part of the
            message.
    """

    exit_code = 3
    default_hint = (
        "change the source, or the policy with the privacy officer; nothing was sealed"
    )

    def __init__(
        self, what: str, *, columns: tuple[str, ...] = (), hint: str | None = None
    ) -> None:
        super().__init__(what, hint=hint)
        self.columns = columns


class PolicyUnmet(SealiftError):
    """Records are not de-identified under a required policy."""

    exit_code = 4


# --- received data is not what was sealed or signed ------------------------------------------


class VerificationError(SealiftError):
    """Received data is not what its author sealed or signed; none of it was used."""

    exit_code = 4
    default_hint = (
        "do not trust this copy; tell the relay's operator and the dataset's owner"
    )


class CorruptShard(VerificationError):
    """A shard's bytes were changed, reordered, truncated or swapped."""

    reason = "CORRUPT_SHARD"
    status = "DATA_LOSS"


class MalformedObject(VerificationError):
    """A control object or header does not conform to its format."""

    reason = "MALFORMED_OBJECT"
    status = "INVALID_ARGUMENT"


class UnsupportedVersion(VerificationError):
    """This release does not support the format version, suite or payload type."""

    reason = "UNSUPPORTED_VERSION"
    status = "FAILED_PRECONDITION"
    default_hint = "upgrade Sealift, or ask the sender which release wrote it"


class SignatureInvalid(VerificationError):
    """A signature does not verify."""

    reason = "SIGNATURE_INVALID"
    status = "INVALID_ARGUMENT"


class WrongSigner(VerificationError):
    """The signature is valid, but its signer may not sign this object."""

    reason = "WRONG_SIGNER"
    status = "PERMISSION_DENIED"


class HistoryInvalid(VerificationError):
    """A dataset's commits do not form the chain that its owner signed."""


class RollbackDetected(VerificationError):
    """The relay serves an older or different state than it served this client before."""


class LogInvalid(VerificationError):
    """The relay's log, or a proof from it, is not what its key signed or this client saw."""


class NotInLog(VerificationError):
    """An object that the relay serves, or should have logged, is not in its log."""


class WitnessesMissing(VerificationError):
    """Fewer witnesses than this profile requires have cosigned the relay's checkpoint."""

    default_hint = (
        "a witness may be down: try again later; if the error persists, ask the witnesses' "
        "operators, since the relay may show its members different logs"
    )


class DisclosureMissing(VerificationError):
    """A dataset's account has a gap, or a line without a valid signature."""


class ContextMismatch(VerificationError):
    """The object is valid, but of another dataset, shard, key epoch or recipient."""

    reason = "CONTEXT_MISMATCH"
    status = "INVALID_ARGUMENT"


# --- trust and keys --------------------------------------------------------------------------


class TrustError(SealiftError):
    """A member's identity is not one that this machine trusts."""

    exit_code = 4


class NotTrusted(TrustError):
    """No fingerprint is pinned for the member."""

    default_hint = (
        "ask the member for the fingerprint that `sealift identity` shows, over a channel that "
        "bypasses the relay, then pin it: `session.trust(name, fingerprint)`"
    )


class FingerprintMismatch(TrustError):
    """The relay's card for a member is not signed by the pinned identity."""

    default_hint = (
        "the key may have been substituted: compare fingerprints with the member by phone "
        "before you continue"
    )


class RelayUntrusted(TrustError):
    """The server is not the relay that this profile joined."""

    default_hint = "you may be talking to an impostor; compare the CA fingerprint with the operator"


class IdentityRevoked(TrustError):
    """The member has revoked this identity."""

    default_hint = (
        "ask the member for the fingerprint of a new identity, by phone or on paper"
    )


class CardExpired(TrustError):
    """The member's card, or every key on it, has expired or is not valid yet."""

    default_hint = (
        "ask the member to run `sealift key rotate`, which publishes a new card"
    )


class EndorsementExpired(NotTrusted):
    """An organisation's endorsement of the member has ended."""

    default_hint = (
        "ask the organisation to run `sealift endorse NAME` again, or pin the member"
    )


class AlreadyTrusted(TrustError):
    """Another fingerprint is already pinned under that name."""

    default_hint = (
        "if the member really has a new identity, run `sealift trust remove NAME` first"
    )


class ProbeUnanswered(SealiftError):
    """A recipient has not proved that it can open data sealed to it."""

    exit_code = 6


class WrongKey(SealiftError):
    """The key does not open the data, which may be intact.

    Attributes:
        path: the file that the key does not open, if any; not part of the message.
    """

    exit_code = 4
    default_hint = "check that this is the profile the grant was made to"

    def __init__(
        self, what: str, *, path: Path | None = None, hint: str | None = None
    ) -> None:
        super().__init__(what, hint=hint)
        self.path = path


class KeystoreError(SealiftError):
    """The keystore cannot be used."""

    exit_code = 7


class WrongPassphrase(KeystoreError):
    """The passphrase does not open the keystore, or the file was changed."""

    default_hint = "try again; a forgotten passphrase cannot be recovered"


class WrongPin(KeystoreError):
    """The token or server rejects the PIN, password or access token.

    It is not retried, since a few wrong attempts lock a token.
    """

    default_hint = "check it before you try again: a few wrong attempts lock a token"


class TokenLocked(KeystoreError):
    """The token is locked after too many wrong PINs."""

    default_hint = "ask the holder of the security officer's PIN to set a new PIN"


class KeyDenied(KeystoreError):
    """The keystore's access rules do not allow this use of the key."""

    default_hint = (
        "ask the keystore's administrator to let Sealift list, use and create its keys"
    )


class KeyNotFound(KeystoreError):
    """The keystore does not have the key, or no longer has it."""

    default_hint = "check that the URL names the right token or server"


class KeyOperationUnsupported(KeystoreError):
    """The keystore does not support the operation."""

    default_hint = "`sealift keystore test` shows what it can do"


class KeystoreUnavailable(KeystoreError):
    """The keystore is temporarily unavailable; trying again may help."""

    default_hint = (
        "check that the token is plugged in or the server runs, then try again"
    )


class KeystoreTimeout(KeystoreUnavailable):
    """The keystore did not answer in time."""


class KeystoreThrottled(KeystoreUnavailable):
    """The keystore is limiting the rate of calls."""

    default_hint = "try again in a minute, or ask for a higher rate limit"


class KeystoreInsecure(KeystoreError):
    """Other users can read the keystore file."""


class ProfileError(KeystoreError):
    """A profile is missing, incomplete, or already exists."""


# --- the relay refuses -----------------------------------------------------------------------


class AccessDenied(SealiftError):
    """The relay refuses access, or the dataset does not exist; it does not tell which."""

    exit_code = 5
    reason = "ACCESS_DENIED"
    status = "PERMISSION_DENIED"
    default_hint = (
        "check the names of owner and dataset, and ask the owner to grant you access"
    )


class RoleDenied(AccessDenied):
    """The member's role does not allow the call."""

    reason = "ROLE_DENIED"
    default_hint = "ask the relay's operator for an invitation with the right role"


class GrantExpired(AccessDenied):
    """The grant is not valid at this time."""

    reason = "GRANT_EXPIRED"
    default_hint = "ask the owner for a new grant"


class GrantRevoked(AccessDenied):
    """The grant was revoked in the dataset's history."""

    reason = "GRANT_REVOKED"
    default_hint = "ask the owner whether this was intended, and for a new grant"


class KeyRotated(AccessDenied):
    """A grant is for a key that its recipient has since replaced."""

    reason = "KEY_ROTATED"
    default_hint = "run the command again: it uses the recipient's newest card"


class DatasetDeleted(AccessDenied):
    """The owner has deleted the dataset."""

    reason = "DATASET_DELETED"
    default_hint = "its records are gone from the relay; purge your remaining copies"


class DisclosureRequired(SealiftError):
    """Shards were requested without a disclosure that covers them."""

    exit_code = 5
    reason = "DISCLOSURE_REQUIRED"
    status = "FAILED_PRECONDITION"
    default_hint = "open the dataset again, which signs a new disclosure"


class ShardsGone(SealiftError):
    """Records of an older commit no longer exist."""

    exit_code = 5
    default_hint = (
        "open a newer commit: records were erased, removed or resealed after this one"
    )


class QuotaExceeded(SealiftError):
    """The member stores or requests more than the operator allows."""

    exit_code = 5
    reason = "QUOTA_EXCEEDED"
    status = "RESOURCE_EXHAUSTED"
    default_hint = (
        "ask the relay's operator for a larger quota; `sealift doctor` shows yours"
    )


class MemberSuspended(SealiftError):
    """The operator has suspended the member."""

    exit_code = 5
    reason = "MEMBER_SUSPENDED"
    status = "PERMISSION_DENIED"
    default_hint = "ask the relay's operator; your data was not deleted"


class NotAuthenticated(SealiftError):
    """The relay does not accept this client's certificate."""

    exit_code = 5
    reason = "NOT_AUTHENTICATED"
    status = "UNAUTHENTICATED"
    default_hint = "ask the relay's operator for a new invitation and join again"


class TokenRefused(SealiftError):
    """An enrolment token is wrong, already used, or for another member."""

    exit_code = 5
    reason = "TOKEN_REFUSED"
    status = "PERMISSION_DENIED"
    default_hint = "ask the relay's operator for a new token; each token works once"


class TokenExpired(TokenRefused):
    """An enrolment token was presented too late."""

    reason = "TOKEN_EXPIRED"


class UnknownMember(SealiftError):
    """The relay has no member of that name."""

    exit_code = 5
    reason = "UNKNOWN_MEMBER"
    status = "NOT_FOUND"
    default_hint = "check the spelling; the member must have joined the relay"


class Conflict(SealiftError):
    """Another member made a conflicting change first."""

    exit_code = 8
    reason = "CONFLICT"
    status = "ABORTED"
    default_hint = "run the command again"


class KeyEpochMoved(Conflict):
    """The dataset moved to a new key epoch while records were sealed under the old one."""

    reason = "KEY_EPOCH_MOVED"
    default_hint = "run the command again; it seals under the new key epoch"


class SubjectNotFound(SealiftError):
    """No record of the person to be erased was found; nothing was erased.

    Attributes:
        searched: number of shards that were opened to search.
    """

    exit_code = 10
    default_hint = (
        "check the person's number in the source; `pseudonym` takes the value that trainers see "
        "instead"
    )

    def __init__(
        self, what: str, *, searched: int = 0, hint: str | None = None
    ) -> None:
        super().__init__(what, hint=hint)
        self.searched = searched


class MissingShard(SealiftError):
    """A commit names a shard that the relay does not hold."""

    exit_code = 8
    reason = "MISSING_SHARD"
    status = "FAILED_PRECONDITION"
    default_hint = "push again; a shard must be stored before its commit"


class ClockSkew(SealiftError):
    """Two clocks differ by more than the protocol tolerates."""

    exit_code = 6
    reason = "CLOCK_SKEW"
    status = "FAILED_PRECONDITION"
    default_hint = "set this machine's clock (NTP) and try again"


# --- the relay fails -------------------------------------------------------------------------


class RelayError(SealiftError):
    """The relay failed; data that it had acknowledged is kept."""

    exit_code = 6
    reason = "RELAY_FAILED"
    status = "INTERNAL"
    default_hint = "try again; if the error persists, give the operator the request id"


class RelayUnavailable(RelayError):
    """The relay cannot be reached."""

    reason = "RELAY_UNAVAILABLE"
    status = "UNAVAILABLE"
    default_hint = (
        "check the network and that the relay runs, then run the command again"
    )


class RelayTimeout(RelayError):
    """The relay did not answer in time."""

    reason = "TIMEOUT"
    status = "DEADLINE_EXCEEDED"


class RelayBusy(RelayError):
    """The relay is at its limit of concurrent work."""

    reason = "RELAY_BUSY"
    status = "RESOURCE_EXHAUSTED"
    default_hint = "wait a moment and try again"


class LogDamaged(RelayError):
    """The relay's log on disk differs from the one that it signed."""

    reason = "LOG_DAMAGED"
    default_hint = (
        "restore the newest backup of the relay's database; do not serve from this one"
    )


class RelayStorageFull(RelayError):
    """The relay's disk is full."""

    reason = "STORAGE_FULL"
    status = "RESOURCE_EXHAUSTED"
    default_hint = (
        "tell the relay's operator, and run the command again when there is space"
    )


def _subclasses(root: type[SealiftError]) -> list[type[SealiftError]]:
    return [
        root,
        *(found for child in root.__subclasses__() for found in _subclasses(child)),
    ]


BY_REASON: dict[str, type[SealiftError]] = {
    cls.reason: cls
    for cls in _subclasses(SealiftError)
    if "reason" in vars(cls) and cls.reason
}
"""The errors that cross the wire, by their reason."""
