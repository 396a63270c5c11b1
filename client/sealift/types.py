"""The types that public functions take and return, for annotations.

Functions to call are in `sealift`; these are the objects that `Session` hands out, and results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealift.api.dataset import RemoteDataset, Revoked
    from sealift.api.identity import OwnIdentity
    from sealift.api.keys import OwnKeys
    from sealift.api.log import RelayLog
    from sealift.api.people import People
    from sealift.crypto.epochkeys import EpochKeys
    from sealift.history.auditing import Audit
    from sealift.history.bills import BillCheck, Outcome
    from sealift.history.disclosures import Account, DisclosureLine
    from sealift.history.opened import OpenedDataset, StoredPage
    from sealift.history.overview import Overview, Terms
    from sealift.home.backup import BackedUp
    from sealift.home.journal import Reversal
    from sealift.home.profile import Membership, Profile
    from sealift.home.settings import RotationPolicy, Settings
    from sealift.home.trust import TrustedMember
    from sealift.keystore import Keys, StoredKey
    from sealift.keystore.backend import Backend, HeldKey, SignatureAlgorithm
    from sealift.keystore.custody import Custody
    from sealift.keystore.locks import Lock
    from sealift.keystore.unwrapped import Unwrapped
    from sealift.owner.manage.access import AccessLine, AccessReport, EpochLine
    from sealift.owner.manage.erasing import Erased
    from sealift.owner.manage.policies import PolicyUpgrade
    from sealift.owner.manage.widening import Widening
    from sealift.owner.push.committing import Committed
    from sealift.owner.push.options import PushKeywords
    from sealift.owner.sources.interface import Rejects, Source, Written
    from sealift.people.compromise import Exposed
    from sealift.people.health import Check
    from sealift.people.identities import KeyUsage, Moved, RotatedKeys
    from sealift.people.probes import ProbeResult
    from sealift.people.rotation import Rotation, RotationKind
    from sealift.people.status import Status
    from sealift.policy.model import (
        FrameRules,
        Guard,
        KnownRules,
        PixelRules,
        Privacy,
        Rule,
    )
    from sealift.policy.reading import ReadAs
    from sealift.policy.texts import TextRules
    from sealift.session import OpenKeywords
    from sealift.trainer.dataset import Reading
    from sealift.trainer.engine.feed import Feed
    from sealift.trainer.engine.plan import Plan, Run
    from sealift.trainer.exports.interface import Exportable
    from sealift.trainer.frameworks.pytorch import (
        RecordsByNumber,
        TorchBatches,
        TorchLoader,
    )
    from sealift.trainer.frameworks.torchoptions import IterableOptions, LoaderOptions
    from sealift.trainer.options import ReadKeywords
    from sealift_protocol.bill.format import Bill, BilledDataset, BilledFile, BilledRun
    from sealift_protocol.history import History
    from sealift_protocol.logentry import Kind, LogEntry
    from sealift_protocol.notes import KeyKind, VerifierKey
    from sealift_protocol.objects.accounting import (
        DeletionReceipt,
        Disclosure,
        PurgeReceipt,
    )
    from sealift_protocol.objects.cards import Card, RecipientKey, WrapSuite
    from sealift_protocol.objects.commits import (
        Commit,
        CoOwners,
        Genesis,
        GrantEntry,
        ShardEntry,
        Snapshot,
    )
    from sealift_protocol.v1.objects_pb2 import Signed

__all__ = [
    "AccessLine",
    "AccessReport",
    "Account",
    "Audit",
    "BackedUp",
    "Backend",
    "Bill",
    "BillCheck",
    "BilledDataset",
    "BilledFile",
    "BilledRun",
    "Card",
    "Check",
    "CoOwners",
    "Commit",
    "Committed",
    "Custody",
    "DeletionReceipt",
    "Disclosure",
    "DisclosureLine",
    "EpochKeys",
    "EpochLine",
    "Erased",
    "Exportable",
    "Exposed",
    "Feed",
    "FrameRules",
    "Genesis",
    "GrantEntry",
    "Guard",
    "HeldKey",
    "History",
    "IterableOptions",
    "KeyKind",
    "KeyUsage",
    "Keys",
    "Kind",
    "KnownRules",
    "LoaderOptions",
    "Lock",
    "LogEntry",
    "Membership",
    "Moved",
    "OpenKeywords",
    "OpenedDataset",
    "Outcome",
    "Overview",
    "OwnIdentity",
    "OwnKeys",
    "People",
    "PixelRules",
    "Plan",
    "PolicyUpgrade",
    "Privacy",
    "ProbeResult",
    "Profile",
    "PurgeReceipt",
    "PushKeywords",
    "ReadAs",
    "ReadKeywords",
    "Reading",
    "RecipientKey",
    "RecordsByNumber",
    "Rejects",
    "RelayLog",
    "RemoteDataset",
    "Reversal",
    "Revoked",
    "RotatedKeys",
    "Rotation",
    "RotationKind",
    "RotationPolicy",
    "Rule",
    "Run",
    "Settings",
    "ShardEntry",
    "SignatureAlgorithm",
    "Signed",
    "Snapshot",
    "Source",
    "Status",
    "StoredKey",
    "StoredPage",
    "Terms",
    "TextRules",
    "TorchBatches",
    "TorchLoader",
    "TrustedMember",
    "Unwrapped",
    "VerifierKey",
    "Widening",
    "WrapSuite",
    "Written",
]

# Where each name is. A name is imported when it is first used.
_HOMES = {
    "AccessLine": "sealift.owner.manage.access",
    "AccessReport": "sealift.owner.manage.access",
    "Account": "sealift.history.disclosures",
    "Audit": "sealift.history.auditing",
    "BackedUp": "sealift.home.backup",
    "Backend": "sealift.keystore.backend",
    "Bill": "sealift_protocol.bill.format",
    "BillCheck": "sealift.history.bills",
    "BilledDataset": "sealift_protocol.bill.format",
    "BilledFile": "sealift_protocol.bill.format",
    "BilledRun": "sealift_protocol.bill.format",
    "Card": "sealift_protocol.objects.cards",
    "Check": "sealift.people.health",
    "CoOwners": "sealift_protocol.objects.commits",
    "Commit": "sealift_protocol.objects.commits",
    "Committed": "sealift.owner.push.committing",
    "Custody": "sealift.keystore.custody",
    "DeletionReceipt": "sealift_protocol.objects.accounting",
    "Disclosure": "sealift_protocol.objects.accounting",
    "DisclosureLine": "sealift.history.disclosures",
    "EpochKeys": "sealift.crypto.epochkeys",
    "EpochLine": "sealift.owner.manage.access",
    "Erased": "sealift.owner.manage.erasing",
    "Exportable": "sealift.trainer.exports.interface",
    "Exposed": "sealift.people.compromise",
    "Feed": "sealift.trainer.engine.feed",
    "FrameRules": "sealift.policy.model",
    "Guard": "sealift.policy.model",
    "Genesis": "sealift_protocol.objects.commits",
    "GrantEntry": "sealift_protocol.objects.commits",
    "HeldKey": "sealift.keystore.backend",
    "History": "sealift_protocol.history",
    "IterableOptions": "sealift.trainer.frameworks.torchoptions",
    "KeyKind": "sealift_protocol.notes",
    "KeyUsage": "sealift.people.identities",
    "Keys": "sealift.keystore",
    "Kind": "sealift_protocol.logentry",
    "KnownRules": "sealift.policy.model",
    "LoaderOptions": "sealift.trainer.frameworks.torchoptions",
    "Lock": "sealift.keystore.locks",
    "LogEntry": "sealift_protocol.logentry",
    "Membership": "sealift.home.profile",
    "Moved": "sealift.people.identities",
    "OpenKeywords": "sealift.session",
    "OpenedDataset": "sealift.history.opened",
    "Outcome": "sealift.history.bills",
    "Overview": "sealift.history.overview",
    "OwnIdentity": "sealift.api.identity",
    "OwnKeys": "sealift.api.keys",
    "People": "sealift.api.people",
    "PixelRules": "sealift.policy.model",
    "PolicyUpgrade": "sealift.owner.manage.policies",
    "Plan": "sealift.trainer.engine.plan",
    "Privacy": "sealift.policy.model",
    "ProbeResult": "sealift.people.probes",
    "Profile": "sealift.home.profile",
    "PurgeReceipt": "sealift_protocol.objects.accounting",
    "PushKeywords": "sealift.owner.push.options",
    "ReadAs": "sealift.policy.reading",
    "ReadKeywords": "sealift.trainer.options",
    "Reading": "sealift.trainer.dataset",
    "RecipientKey": "sealift_protocol.objects.cards",
    "RecordsByNumber": "sealift.trainer.frameworks.pytorch",
    "Rejects": "sealift.owner.sources.interface",
    "RelayLog": "sealift.api.log",
    "RemoteDataset": "sealift.api.dataset",
    "Reversal": "sealift.home.journal",
    "Revoked": "sealift.api.dataset",
    "RotatedKeys": "sealift.people.identities",
    "Rotation": "sealift.people.rotation",
    "RotationKind": "sealift.people.rotation",
    "RotationPolicy": "sealift.home.settings",
    "Rule": "sealift.policy.model",
    "Run": "sealift.trainer.engine.plan",
    "Settings": "sealift.home.settings",
    "ShardEntry": "sealift_protocol.objects.commits",
    "SignatureAlgorithm": "sealift.keystore.backend",
    "Signed": "sealift_protocol.v1.objects_pb2",
    "Snapshot": "sealift_protocol.objects.commits",
    "Source": "sealift.owner.sources.interface",
    "Status": "sealift.people.status",
    "StoredKey": "sealift.keystore",
    "StoredPage": "sealift.history.opened",
    "Terms": "sealift.history.overview",
    "TextRules": "sealift.policy.texts",
    "TorchBatches": "sealift.trainer.frameworks.pytorch",
    "TorchLoader": "sealift.trainer.frameworks.pytorch",
    "TrustedMember": "sealift.home.trust",
    "Unwrapped": "sealift.keystore.unwrapped",
    "VerifierKey": "sealift_protocol.notes",
    "Widening": "sealift.owner.manage.widening",
    "WrapSuite": "sealift_protocol.objects.cards",
    "Written": "sealift.owner.sources.interface",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
