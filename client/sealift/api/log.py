"""`Session.log`: audits of the relay's log, and bills of materials that rest on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from sealift.api.connection import Connection
from sealift.history import bills
from sealift.history.auditing import Audit, audit_entries, audit_hashes
from sealift.history.opened import open_history, opened_at
from sealift.trainer.bill import bill_dataset, make_bill
from sealift.trainer.engine.plan import Run
from sealift_protocol.bill.format import Bill
from sealift_protocol.errors import (
    AccessDenied,
    TrustError,
    UnknownMember,
    VerificationError,
    WrongKey,
)
from sealift_protocol.ids import Fingerprint
from sealift_protocol.logentry import Kind
from sealift_protocol.notes import VerifierKey
from sealift_protocol.roles import LOG_READERS


class RelayLog:
    """The relay's append-only log, as this member sees it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def key(self) -> VerifierKey:
        """The key that verifies the log's checkpoints."""
        return self._connection.log_key

    def verify(self, progress: Callable[[int], None] = lambda _: None) -> Audit:
        """Audit the whole log: every object as an auditor, every hash as any other member."""
        if self._connection.membership.role in LOG_READERS:
            return audit_entries(self._connection.member, progress)
        return audit_hashes(self._connection.member, progress)

    def verify_bill(
        self, text: str, trainers: Collection[Fingerprint] = ()
    ) -> list[bills.BillCheck]:
        """Verify a bill of materials as far as this member can (docs/spec/bill.md).

        Args:
            text: the document.
            trainers: fingerprints, one of which must be the signer's; any trusted one if empty.

        Raises:
            VerificationError: it is not a bill, or does not match its dataset or the log.
            TrustError, UnknownMember: its signer is not trusted.
        """
        return bills.verify_bill(text, trainers=trainers, view=self._view())

    def check_bill(
        self, text: str, trainers: Collection[Fingerprint] = ()
    ) -> tuple[Bill, list[bills.BillCheck]]:
        """Check like `verify_bill`, but report a mismatch as a failed check and continue."""
        return bills.check_bill(text, trainers=trainers, view=self._view())

    def make_bill(
        self,
        path: str,
        runs: Sequence[Run],
        *,
        commit: int | None = None,
        disclosures: Collection[bytes] = (),
        checkpoint: Path | None = None,
        note: str = "",
    ) -> str:
        """Sign a bill of materials of a dataset for a training loop that Sealift did not feed.

        Args:
            path: "OWNER/DATASET".
            runs: the training epochs.
            commit: the one that was read; the newest by default.
            disclosures: digests, 32 bytes each, of the disclosures that back it; they must be in
                the log.
            checkpoint: a file whose digest the bill names.
            note: free text.
        """
        member = self._connection.member
        opened = self._connection.open(path, whole=commit is not None)
        if commit is not None:
            opened = opened_at(opened, commit, self._connection.time)
        member.log.check(
            (Kind.DISCLOSURE, digest, opened.dataset_id) for digest in disclosures
        )
        part = bill_dataset(opened, disclosures=list(disclosures))
        return make_bill(
            member.identity, member.now, [part], runs, checkpoint=checkpoint, note=note
        )

    def names_in(self, bill: Bill) -> tuple[dict[Fingerprint, str], dict[bytes, str]]:
        """Find the names that this member knows of the members and datasets in a bill.

        Returns:
            Members by fingerprint, and datasets by id.
        """
        contacts = self._connection.contacts
        people, datasets = {}, {}
        for who in {bill.trainer, *(part.owner for part in bill.datasets)}:
            label = contacts.label(who)
            if label != str(who):
                people[who] = label
        for part in bill.datasets:
            try:
                trusted = contacts.by_fingerprint(part.owner).identities
                opened = open_history(self._connection.member, part.dataset_id, trusted)
            except (
                AccessDenied,
                TrustError,
                UnknownMember,
                VerificationError,
                WrongKey,
            ):
                # Names are for display only; the checks report what is wrong with a dataset.
                continue
            datasets[part.dataset_id] = opened.name
        return people, datasets

    def _view(self) -> bills.BillView:
        contacts = self._connection.contacts
        return bills.BillView(
            self._connection.member,
            lambda who: contacts.by_fingerprint(who).identities,
        )
