"""The one exception tree: what happened, to what, and what to do.

`str(error)` never holds plaintext, keys, tokens, dataset names or file names; where a person needs
one (the file that could not be read) it is an attribute, which the command line may print.

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
        reason: UPPER_SNAKE name on the wire; empty for errors that never cross it.
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
    """A value that the caller gave cannot be used."""

    exit_code = 2
    reason = "INVALID_ARGUMENT"
    status = "INVALID_ARGUMENT"


# --- the source of records -------------------------------------------------------------------


class SourceError(SealiftError):
    """Records could not be read from their source.

    Attributes:
        path: the file, for the person at the terminal; not part of the message.
        line: line number, from 1, where the format has lines.
        column: column number, from 1, where the format has columns.
    """

    exit_code = 3
    default_hint = (
        "repair the file and push again; what is committed stays, and is not sent twice"
    )

    def __init__(
        self,
        what: str,
        *,
        path: Path | None = None,
        line: int | None = None,
        column: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(what, hint=hint)
        self.path = path
        self.line = line
        self.column = column


class EmptySource(SourceError):
    """The source holds no record."""

    default_hint = "check that the export finished; an empty push is refused"


class SchemaMismatch(SourceError):
    """The records' schema is not that of the dataset they are pushed to."""

    default_hint = "convert the columns, or push to a new dataset"


class RecordTooLarge(SourceError):
    """One record does not fit into a shard."""

    default_hint = "a record may have at most 64 MiB less its framing; split it"


class SourceChanged(SourceError):
    """What was pushed before stands in the source no more, or differently."""

    default_hint = (
        "`on_change=OnChange.PUSH` sends the changed file as new records (the old ones stay); "
        "`on_change=OnChange.SKIP` leaves it out"
    )


class CursorUnreadable(SealiftError):
    """What was pushed of a source before cannot be known."""

    exit_code = 7
    default_hint = (
        "restore the newest backup of the profile; or push with `from_start=True`, which sends "
        "everything again as new records"
    )


class DeadlineReached(SealiftError):
    """A push ended at its deadline; what is committed stays."""

    exit_code = 6
    default_hint = "run the same command again: it continues where this one stopped"


# --- the policy of de-identification ---------------------------------------------------------


class PolicyInvalid(SealiftError):
    """A policy file is not one.

    Attributes:
        path: the file, for the person at the terminal; not part of the message.
        line: line number, from 1, where it is known.
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
    """The records do not fit the policy; none of them was sealed.

    Attributes:
        columns: names of the columns that it is about, for the person at the terminal; not part
            of the message.
    """

    exit_code = 3
    default_hint = (
        "change the policy with the privacy officer, or the source; nothing was sealed"
    )

    def __init__(
        self, what: str, *, columns: tuple[str, ...] = (), hint: str | None = None
    ) -> None:
        super().__init__(what, hint=hint)
        self.columns = columns


class PolicyUnmet(SealiftError):
    """Records are not de-identified under a policy that is required."""

    exit_code = 4


# --- what was received is not what was sealed or signed --------------------------------------


class VerificationError(SealiftError):
    """Something received is not what its author sealed or signed; nothing of it was used."""

    exit_code = 4
    default_hint = (
        "do not trust this copy; tell the relay's operator and the dataset's owner"
    )


class CorruptShard(VerificationError):
    """A shard's bytes were changed, reordered, truncated or swapped."""

    reason = "CORRUPT_SHARD"
    status = "DATA_LOSS"


class MalformedObject(VerificationError):
    """A control object or header does not have its format."""

    reason = "MALFORMED_OBJECT"
    status = "INVALID_ARGUMENT"


class UnsupportedVersion(VerificationError):
    """A format version, suite or payload type that this release does not know."""

    reason = "UNSUPPORTED_VERSION"
    status = "FAILED_PRECONDITION"
    default_hint = "upgrade Sealift, or ask the sender which release wrote it"


class SignatureInvalid(VerificationError):
    """A signature does not verify."""

    reason = "SIGNATURE_INVALID"
    status = "INVALID_ARGUMENT"


class WrongSigner(VerificationError):
    """A valid signature of somebody who may not sign this."""

    reason = "WRONG_SIGNER"
    status = "PERMISSION_DENIED"


class HistoryInvalid(VerificationError):
    """A dataset's commits do not form the chain that their owner signed."""


class RollbackDetected(VerificationError):
    """The relay serves something older, or other, than it served this client before."""


class LogInvalid(VerificationError):
    """The relay's log, or a proof out of it, is not what its key signed or this client saw."""


class NotInLog(VerificationError):
    """An object that the relay serves, or should have logged, is not in its log."""


class WitnessesMissing(VerificationError):
    """Fewer witnesses than this profile requires have cosigned the relay's checkpoint."""

    default_hint = (
        "a witness may be down: try again later; if it stays, the relay may show its members "
        "different logs: ask the witnesses' operators"
    )


class DisclosureMissing(VerificationError):
    """A dataset's account has a gap, or a line that nobody signed."""


class ContextMismatch(VerificationError):
    """A valid object, but of another dataset, shard, key epoch or recipient."""

    reason = "CONTEXT_MISMATCH"
    status = "INVALID_ARGUMENT"


# --- trust and keys --------------------------------------------------------------------------


class TrustError(SealiftError):
    """A member is not who this machine was told to trust."""

    exit_code = 4


class NotTrusted(TrustError):
    """No fingerprint is pinned for the member."""

    default_hint = (
        "ask the member for the fingerprint that `sealift identity` shows, by a way that does not "
        "pass the relay, then pin it: `session.trust(name, fingerprint)`"
    )


class FingerprintMismatch(TrustError):
    """The relay's card for a member is not signed by the pinned identity."""

    default_hint = (
        "somebody may have substituted the key; compare fingerprints with the member by phone "
        "before anything else"
    )


class RelayUntrusted(TrustError):
    """The server is not the relay that this profile joined."""

    default_hint = "you may be talking to an impostor; compare the CA fingerprint with the operator"


class IdentityRevoked(TrustError):
    """The member has declared this identity void."""

    default_hint = (
        "ask the member for the fingerprint of a new identity, by phone or on paper"
    )


class CardExpired(TrustError):
    """The member's card, or every key on it, is past its date, or not valid yet."""

    default_hint = (
        "ask the member to run `sealift key rotate`, which publishes a new card"
    )


class EndorsementExpired(NotTrusted):
    """An organisation vouched for the member, but does not any more."""

    default_hint = (
        "ask the organisation to run `sealift endorse NAME` again, or pin the member"
    )


class AlreadyTrusted(TrustError):
    """Another fingerprint is pinned under that name already."""

    default_hint = (
        "if the member really has a new identity, run `sealift trust remove NAME` first"
    )


class ProbeUnanswered(SealiftError):
    """A recipient has not shown that it can open what is sealed to it."""

    exit_code = 6


class WrongKey(SealiftError):
    """The key does not open this; the data may be intact.

    Attributes:
        path: the file that it does not open, if it is one; not part of the message.
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
    """The passphrase does not open the keystore (or the file was changed)."""

    default_hint = "try again; a forgotten passphrase cannot be recovered"


class WrongPin(KeystoreError):
    """The token or the server does not take the PIN, the password or the token that it was given.

    It is not tried again: a few wrong ones lock a token.
    """

    default_hint = "check it before you try again: a few wrong ones lock a token"


class TokenLocked(KeystoreError):
    """Too many wrong PINs: the token opens for nobody."""

    default_hint = "ask whoever has the security officer's PIN to set a new one"


class KeyDenied(KeystoreError):
    """The keystore's own rules do not let this member use the key so."""

    default_hint = (
        "ask the keystore's administrator: Sealift has to list, use and create its keys"
    )


class KeyNotFound(KeystoreError):
    """The keystore does not have the key, or not any more."""

    default_hint = "check that the URL names the right token or server"


class KeyOperationUnsupported(KeystoreError):
    """The keystore has no such operation."""

    default_hint = "`sealift keystore test` shows what it can do"


class KeystoreUnavailable(KeystoreError):
    """The keystore cannot be used at the moment; trying again may help."""

    default_hint = (
        "check that the token is plugged in or the server runs, then try again"
    )


class KeystoreTimeout(KeystoreUnavailable):
    """The keystore did not answer in time."""


class KeystoreThrottled(KeystoreUnavailable):
    """The keystore takes no more calls for a moment."""

    default_hint = "try again in a minute, or have its limit raised"


class KeystoreInsecure(KeystoreError):
    """Others can read the keystore's file."""


class ProfileError(KeystoreError):
    """A profile is missing, incomplete, or in the way."""


# --- the relay says no -----------------------------------------------------------------------


class AccessDenied(SealiftError):
    """The relay refuses, or there is no such dataset: it does not say which."""

    exit_code = 5
    reason = "ACCESS_DENIED"
    status = "PERMISSION_DENIED"
    default_hint = "ask the owner to grant you access, and check owner and dataset name"


class RoleDenied(AccessDenied):
    """The member's role does not allow the call."""

    reason = "ROLE_DENIED"
    default_hint = "ask the relay's operator for an invitation with the right role"


class GrantExpired(AccessDenied):
    """The grant is not valid at this time."""

    reason = "GRANT_EXPIRED"
    default_hint = "ask the owner for a new grant"


class GrantRevoked(AccessDenied):
    """The dataset's history says that the grant has ended."""

    reason = "GRANT_REVOKED"
    default_hint = "ask the owner whether this was meant, and for a new grant"


class KeyRotated(AccessDenied):
    """A grant is for a key that its recipient has rotated away."""

    reason = "KEY_ROTATED"
    default_hint = "run the command again: it uses the recipient's newest card"


class DatasetDeleted(AccessDenied):
    """The owner has deleted the dataset."""

    reason = "DATASET_DELETED"
    default_hint = (
        "its records are gone from the relay; purge copies that you still have"
    )


class DisclosureRequired(SealiftError):
    """Shards were asked for without a disclosure that covers them."""

    exit_code = 5
    reason = "DISCLOSURE_REQUIRED"
    status = "FAILED_PRECONDITION"
    default_hint = "open the dataset again, which signs a new disclosure"


class ShardsGone(SealiftError):
    """What an older commit of a dataset held is not there any more."""

    exit_code = 5
    default_hint = (
        "records that were erased, removed or sealed again are in newer commits only"
    )


class QuotaExceeded(SealiftError):
    """The member stores, or asks for, more than the operator allows."""

    exit_code = 5
    reason = "QUOTA_EXCEEDED"
    status = "RESOURCE_EXHAUSTED"
    default_hint = (
        "ask the relay's operator for a larger quota; `sealift doctor` shows yours"
    )


class MemberSuspended(SealiftError):
    """The operator has suspended the member for now."""

    exit_code = 5
    reason = "MEMBER_SUSPENDED"
    status = "PERMISSION_DENIED"
    default_hint = "ask the relay's operator; nothing of yours was deleted"


class NotAuthenticated(SealiftError):
    """The relay does not accept this client's certificate."""

    exit_code = 5
    reason = "NOT_AUTHENTICATED"
    status = "UNAUTHENTICATED"
    default_hint = "ask the relay's operator for a new invitation and join again"


class TokenRefused(SealiftError):
    """An enrolment token is wrong, used up, or for somebody else."""

    exit_code = 5
    reason = "TOKEN_REFUSED"
    status = "PERMISSION_DENIED"
    default_hint = "ask the relay's operator for a new token; each works once"


class TokenExpired(TokenRefused):
    """An enrolment token was presented too late."""

    reason = "TOKEN_EXPIRED"


class UnknownMember(SealiftError):
    """The relay has no member of that name."""

    exit_code = 5
    reason = "UNKNOWN_MEMBER"
    status = "NOT_FOUND"
    default_hint = "check the spelling; the member has to join the relay first"


class Conflict(SealiftError):
    """Somebody else was there first."""

    exit_code = 8
    reason = "CONFLICT"
    status = "ABORTED"
    default_hint = "run the command again"


class KeyEpochMoved(Conflict):
    """The dataset was rotated to a new key epoch while records were sealed under the old one."""

    reason = "KEY_EPOCH_MOVED"
    default_hint = "run the command again; it seals under the new key epoch"


class MissingShard(SealiftError):
    """A commit names a shard that the relay does not hold."""

    exit_code = 8
    reason = "MISSING_SHARD"
    status = "FAILED_PRECONDITION"
    default_hint = "push again; the shard has to be stored before the commit"


class ClockSkew(SealiftError):
    """Two clocks disagree by more than the protocol tolerates."""

    exit_code = 6
    reason = "CLOCK_SKEW"
    status = "FAILED_PRECONDITION"
    default_hint = "set this machine's clock (NTP) and try again"


# --- the relay cannot ------------------------------------------------------------------------


class RelayError(SealiftError):
    """The relay failed; what it had acknowledged is kept."""

    exit_code = 6
    reason = "RELAY_FAILED"
    status = "INTERNAL"
    default_hint = "try again; if it stays, give the operator the request id"


class RelayUnavailable(RelayError):
    """The relay cannot be reached."""

    reason = "RELAY_UNAVAILABLE"
    status = "UNAVAILABLE"
    default_hint = (
        "check the network and that the relay runs, then run the command again"
    )


class RelayTimeout(RelayError):
    """The relay was too slow."""

    reason = "TIMEOUT"
    status = "DEADLINE_EXCEEDED"


class RelayBusy(RelayError):
    """The relay has as much to do as it allows."""

    reason = "RELAY_BUSY"
    status = "RESOURCE_EXHAUSTED"
    default_hint = "wait a little and try again"


class LogDamaged(RelayError):
    """The relay's log on disk is not the one that it signed."""

    reason = "LOG_DAMAGED"
    default_hint = (
        "restore the newest backup of the relay's database; do not serve from this one"
    )


class RelayStorageFull(RelayError):
    """The relay's disk is full."""

    reason = "STORAGE_FULL"
    status = "RESOURCE_EXHAUSTED"
    default_hint = "tell the relay's operator; run the command again when there is room"


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
"""Every error that crosses the wire, by its reason."""
