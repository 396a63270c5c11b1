"""Check a bill of materials against its trainer, the datasets' histories and the log.

docs/spec/bill.md sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from sealift.crypto.epochkeys import EpochKeys
from sealift.crypto.metadata import open_metadata
from sealift.history.contents import NO_POLICY, Contents, read_contents
from sealift.history.disclosures import account
from sealift.history.member import Member
from sealift.history.opened import history_at, open_grants, read_history
from sealift_protocol.bill import format as document
from sealift_protocol.bill.format import Bill, BilledDataset, BilledFile
from sealift_protocol.bill.rules import check_commit, check_fetches, check_shards
from sealift_protocol.errors import (
    AccessDenied,
    ContextMismatch,
    DatasetDeleted,
    HistoryInvalid,
    InvalidArgument,
    SealiftError,
    TrustError,
    UnknownMember,
    VerificationError,
    WrongKey,
    WrongSigner,
)
from sealift_protocol.history import History
from sealift_protocol.ids import Fingerprint
from sealift_protocol.logentry import Kind
from sealift_protocol.objects.accounting import Disclosure

NOT_YOURS = "not yours: cannot be checked here"


class Outcome(StrEnum):
    """The result of a check."""

    OK = "ok"
    FAILED = "failed"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class BillCheck:
    """One statement of a bill, checked against what is known here.

    Attributes:
        name: what was checked.
        outcome: whether it matches, or could not be checked here.
        detail: what was found.
        dataset_id: the dataset it is about (16 bytes); empty for the bill as a whole.
        error: the mismatch, if the check failed.
    """

    name: str
    outcome: Outcome
    detail: str
    dataset_id: bytes = b""
    error: SealiftError | None = None


@dataclass(frozen=True, slots=True)
class BillView:
    """What a connected member needs to check bills.

    Attributes:
        member: the member who checks.
        identities: returns all identities of the trusted member who has this one; raises
            TrustError or UnknownMember for others.
    """

    member: Member
    identities: Callable[[Fingerprint], Collection[Fingerprint]]


def verify_bill(
    text: str, *, trainers: Collection[Fingerprint] = (), view: BillView | None = None
) -> list[BillCheck]:
    """Verify a bill as far as its reader can; any mismatch is an error.

    Args:
        text: the document.
        trainers: fingerprints, one of which must have signed it; without them, the signer
            must be a member that `view` trusts.
        view: a connection, to check what the bill states about the datasets that its reader
            may open; without it, only the signature and signer are checked.

    Returns:
        What was checked, and what could not be checked here.

    Raises:
        MalformedObject, UnsupportedVersion, SignatureInvalid, WrongSigner: it is not a bill
            of that trainer.
        TrustError, UnknownMember: its signer is not trusted.
        HistoryInvalid: it names a commit that is not in the dataset's history.
        ContextMismatch: it contradicts the history about a commit.
        DisclosureMissing, NotInLog: it names a disclosure that was not logged.
        VerificationError: the relay's answers do not verify.
    """
    _, checks = check_bill(text, trainers=trainers, view=view)
    for check in checks:
        if check.error is not None:
            raise check.error
    return checks


def check_bill(
    text: str, *, trainers: Collection[Fingerprint] = (), view: BillView | None = None
) -> tuple[Bill, list[BillCheck]]:
    """Like `verify_bill`, but a mismatch with histories or the log is a failed check.

    Raises:
        SealiftError: it is not a bill of a trusted trainer, or the relay was unreachable.
    """
    bill = document.verify_bill(text)
    identities = _identities(bill.trainer, trainers, view)
    checks = [
        BillCheck("signature", Outcome.OK, "the bill is what its trainer signed"),
        BillCheck("trainer", Outcome.OK, f"signed by {bill.trainer}"),
    ]
    if view is not None:
        evidence = _Evidence(view)
        for part in bill.datasets:
            checks += _check_dataset(evidence, part, bill.time, identities)
    return bill, checks


def check_checkpoint(bill: Bill, measured: BilledFile) -> BillCheck:
    """Check that a checkpoint is the one that the bill was made for."""
    if bill.checkpoint == measured:
        return BillCheck("checkpoint", Outcome.OK, "the bill was made for this file")
    error = ContextMismatch(
        "the bill was made for another checkpoint, or for none",
        hint="look for the bill that was written with this file",
    )
    return BillCheck("checkpoint", Outcome.FAILED, error.what, error=error)


# --- one dataset at a time -------------------------------------------------------------------


class _Evidence:
    """What the relay has about datasets, verified and read once each."""

    def __init__(self, view: BillView) -> None:
        self.view = view
        self.owners = {
            s.dataset_id: Fingerprint(s.owner)
            for s in view.member.relay.list_datasets()
        }
        self._histories: dict[bytes, History] = {}
        self._accounts: dict[bytes, dict[bytes, Disclosure]] = {}

    def history(self, part: BilledDataset) -> History:
        """The history from commit 0; the owner that the relay names must be trusted."""
        found = self._histories.get(part.dataset_id)
        if found is None:
            trusted = self.view.identities(self.owners.get(part.dataset_id, part.owner))
            found = self._histories[part.dataset_id] = self._read(part, trusted)
        return found

    def _read(self, part: BilledDataset, trusted: Collection[Fingerprint]) -> History:
        member = self.view.member
        try:
            return read_history(member, part.dataset_id, trusted, whole=True)[0]
        except DatasetDeleted:
            raise
        except AccessDenied:
            if part.owner not in member.identities:
                raise
            raise HistoryInvalid(
                "the bill names a dataset of yours that the relay does not have"
            ) from None

    def is_author(self, history: History) -> bool:
        """Return whether the relay gives this member the dataset's account."""
        return history.is_author(self.view.member.identity.fingerprint)

    def account(self, dataset_id: bytes) -> dict[bytes, Disclosure]:
        """Return its disclosures by object digest; the request itself is logged."""
        found = self._accounts.get(dataset_id)
        if found is None:
            lines = account(self.view.member, dataset_id).lines
            found = {line.disclosure.digest: line.disclosure for line in lines}
            self._accounts[dataset_id] = found
        return found


def _check_dataset(
    evidence: _Evidence,
    part: BilledDataset,
    time: int,
    identities: Collection[Fingerprint],
) -> Iterator[BillCheck]:
    claimed = part.owner in evidence.view.member.identities
    if part.dataset_id not in evidence.owners and not claimed:
        yield BillCheck("dataset", Outcome.UNCHECKED, NOT_YOURS, part.dataset_id)
        return

    def look(name: str, find: Callable[[], str]) -> BillCheck:
        return _look(name, part.dataset_id, find)

    first = look("commit", lambda: _look_at_commit(evidence, part, time))
    yield first
    if first.outcome is not Outcome.OK:
        return
    history = evidence.history(part)
    then = history_at(history, part.commit)
    shards = look(
        "shards", lambda: f"{len(check_shards(then, part)):,} live, as the bill says"
    )
    yield shards
    if shards.outcome is not Outcome.OK:
        return
    yield look("contents", lambda: _look_at_contents(evidence, then, part))
    if part.disclosures or not part.shards:
        yield look(
            "disclosures",
            lambda: _look_at_fetches(evidence, then, part, time, identities),
        )
    else:
        detail = "the bill names none"
        yield BillCheck("disclosures", Outcome.UNCHECKED, detail, part.dataset_id)


def _look(name: str, dataset_id: bytes, find: Callable[[], str]) -> BillCheck:
    try:
        return BillCheck(name, Outcome.OK, find(), dataset_id)
    except VerificationError as error:
        return BillCheck(name, Outcome.FAILED, error.what, dataset_id, error)
    except (AccessDenied, WrongKey, TrustError, UnknownMember) as error:
        return BillCheck(name, Outcome.UNCHECKED, error.what, dataset_id)


def _look_at_commit(evidence: _Evidence, part: BilledDataset, time: int) -> str:
    history = evidence.history(part)
    commit = check_commit(history, part, time)
    evidence.view.member.log.check([(Kind.COMMIT, commit.digest, part.dataset_id)])
    newest = history.head.number
    return f"{part.commit:,}, in the verified history and in the log; the newest is {newest:,}"


def _look_at_contents(evidence: _Evidence, then: History, part: BilledDataset) -> str:
    view = evidence.view
    keys = open_grants(view.member, evidence.history(part)).keys
    _check_contents(then, part, read_contents(then, (), keys), keys)
    return f"{part.records:,} records and their policies, as the bill says"


def _look_at_fetches(
    evidence: _Evidence,
    then: History,
    part: BilledDataset,
    time: int,
    identities: Collection[Fingerprint],
) -> str:
    history = evidence.history(part)
    if not evidence.is_author(history):
        logged = [
            (Kind.DISCLOSURE, digest, part.dataset_id) for digest in part.disclosures
        ]
        evidence.view.member.log.check(logged)
        return f"{len(logged):,} in the log; whose they are only the owner can see"
    account = evidence.account(part.dataset_id)
    live = check_shards(then, part)
    covered = check_fetches(history, part, live, account, identities, time)
    return (
        f"{len(part.disclosures):,} of this trainer in the account; they cover "
        f"{len(covered):,} of {part.shards:,} shards"
    )


def _identities(
    trainer: Fingerprint, trainers: Collection[Fingerprint], view: BillView | None
) -> Collection[Fingerprint]:
    if trainers:
        if trainer not in trainers:
            raise WrongSigner("the bill is signed by another trainer")
        return trainers
    if view is None:
        raise InvalidArgument(
            "the trainer to expect is not known",
            hint="give the trainer's fingerprint",
        )
    return view.identities(trainer)


def _check_contents(
    then: History, part: BilledDataset, contents: Contents, keys: EpochKeys
) -> None:
    """Check records and policies.

    Raises:
        ContextMismatch: they differ from those in the bill.
        WrongKey: a key epoch that is needed is not available.
    """
    live = check_shards(then, part)
    if sum(contents.record_counts[entry.shard_id] for entry in live) != part.records:
        raise ContextMismatch(
            "the number of records in the live shards differs from the bill"
        )
    # A trainer who opens a snapshot also sees the policies of records removed after it.
    named = set(part.policies)
    if not contents.policies <= named <= _ever(then, keys):
        raise ContextMismatch("the policies of the records differ from the bill")


def _ever(then: History, keys: EpochKeys) -> set[bytes]:
    """Return the policies of all records that existed up to a commit."""
    found: set[bytes] = set()
    for commit in then.commits:
        if not commit.added:
            continue
        metadata = open_metadata(commit, keys[commit.key_epoch])
        found |= set(metadata.policies) or {NO_POLICY}
    return found
