"""The options of a push: everything but the records and the dataset's name."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, TypedDict, get_args

import pyarrow as pa

from sealift.history.contents import NO_POLICY
from sealift.history.opened import OpenedDataset
from sealift.history.schemas import with_widened
from sealift.home.trust import TrustedMember
from sealift.keystore.keychain import Keychain
from sealift.owner.push.appending import Author, PushTerms
from sealift.owner.push.begun import begun_reading, numbers_plain, reading_for
from sealift.owner.push.push import Found, PushJob, PushLimits, PushProgress
from sealift.owner.push.quarantine import SUFFIX, Quarantine
from sealift.owner.push.transforming import Transform, Unchanged
from sealift.owner.sources import (
    Rejects,
    SkipRejects,
    Source,
    SourceOptions,
    StopAtRejects,
    check_source,
    open_source,
)
from sealift.owner.sources.fhir_modifiers import modifier_patterns
from sealift.owner.sources.memory import MemorySource
from sealift.policy.file import Policy, load_policy
from sealift.policy.reading import ReadAs, Reading, ReadLeaf, as_plain
from sealift_protocol.errors import InvalidArgument

Records: TypeAlias = str | os.PathLike[str] | pa.Table | pa.RecordBatchReader | Source
DEFAULT_RETRY_SECONDS = 600.0
OnError = Literal["stop", "skip", "quarantine"]
ON_ERROR: tuple[OnError, ...] = get_args(OnError)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOptions:
    """How records are read, de-identified, committed and granted.

    Attributes:
        to: names of trusted members who may open the dataset.
        purpose: why they may open it; the relay can read it.
        until: Unix seconds at which their grants end; 0 for never.
        description: describes a new dataset, in the owner's words.
        retain_seconds: how long the relay keeps the records; forever by default.
        subject_column: for a new dataset, the column that names the person a record is
            about (after de-identification), so that `erase_subject` finds it.
        reading: how a source is read.
        types: Arrow type names by column, for text formats.
        policy: de-identifies the records before they are sealed: a policy file, or the name
            of a ready policy. A dataset created under a policy accepts only records under it.
        accept_policy: adds this policy to those that the owner's dataset requires.
        text_workers: processes that scrub free text; 0 to use only this process.
        describe: adds labels, units and descriptions to a source's columns, as field
            metadata.
        on_error: what to do with a record that cannot be read: `stop` the push, `skip` it,
            or `quarantine` it in the owner's separate dataset NAME.quarantine.
        limits: concurrent uploads, bytes per second, when to commit, the deadline.
        retry_seconds: how long to keep retrying while the relay is unreachable.
        show_schema: called with the schema that is sealed, and whether the dataset is new,
            before anything is sent; an exception ends the push.
        progress: called often.
        stop: once it is set, the push commits what it has read and ends.
    """

    to: str | Sequence[str] = ()
    purpose: str = ""
    until: int = 0
    description: str = field(default="", repr=False)
    retain_seconds: int | None = None
    subject_column: str | None = field(default=None, repr=False)
    reading: SourceOptions = field(default_factory=SourceOptions)
    types: Mapping[str, str] | None = field(default=None, repr=False)
    policy: str | os.PathLike[str] | Policy | None = None
    accept_policy: bool = False
    text_workers: int = 0
    describe: Callable[[pa.Schema], pa.Schema] = lambda schema: schema
    on_error: OnError = "stop"
    limits: PushLimits = field(default_factory=PushLimits)
    retry_seconds: float = DEFAULT_RETRY_SECONDS
    show_schema: Callable[[pa.Schema, bool], None] = lambda _schema, _new: None
    progress: Callable[[PushProgress], None] = lambda _: None
    stop: threading.Event | None = None

    def loaded_policy(self) -> Policy | None:
        """Read the policy.

        Raises:
            PolicyInvalid: it is not a valid policy.
        """
        if self.policy is None or isinstance(self.policy, Policy):
            return self.policy
        return load_policy(self.policy)

    def with_policy(self) -> PushOptions:
        """Return the same options with the policy read, so that a push goes by one reading of it.

        Raises:
            PolicyInvalid: it is not a valid policy.
        """
        return replace(self, policy=self.loaded_policy())

    def source_options(self) -> SourceOptions:
        """Return how a source is read.

        Raises:
            PolicyInvalid: the policy is not a valid one.
        """
        policy = self.loaded_policy()
        return replace(
            self.reading,
            types=self.types or self.reading.types,
            modifiers=modifier_patterns(policy) if policy else self.reading.modifiers,
        )


class PushKeywords(TypedDict, total=False):
    """The fields of `PushOptions`, as keywords."""

    to: str | Sequence[str]
    purpose: str
    until: int
    description: str
    retain_seconds: int | None
    subject_column: str | None
    reading: SourceOptions
    types: Mapping[str, str] | None
    policy: str | os.PathLike[str] | Policy | None
    accept_policy: bool
    text_workers: int
    describe: Callable[[pa.Schema], pa.Schema]
    on_error: OnError
    limits: PushLimits
    retry_seconds: float
    show_schema: Callable[[pa.Schema, bool], None]
    progress: Callable[[PushProgress], None]
    stop: threading.Event | None


def terms_of(
    options: PushOptions, recipients: Sequence[TrustedMember], policy: Policy | None
) -> PushTerms:
    """Return the terms of a push."""
    return PushTerms(
        recipients=[member.card for member in recipients],
        purpose=options.purpose,
        not_after=options.until,
        description=options.description,
        retain_seconds=options.retain_seconds,
        subject_column=options.subject_column,
        policy=NO_POLICY if policy is None else policy.digest,
        accept_policy=options.accept_policy,
    )


def transform_of(
    policy: Policy | None, options: PushOptions, keychain: Keychain
) -> Callable[[Source, Reading], Transform]:
    """Return what turns the source's batches into what is sealed."""
    if policy is None:
        return lambda source, _: Unchanged(source)
    from sealift.owner.push.deidentifying import Deidentifying

    return lambda source, reading: Deidentifying(
        source,
        policy,
        owner_secret=keychain.owner_secret(),
        workers=options.text_workers,
        describe=options.describe,
        reading=reading,
    )


def reading_of(
    policy: Policy | None, author: Author
) -> Callable[[OpenedDataset | None, pa.Schema | None], Reading]:
    """Return what decides how identifiers are read.

    It takes the dataset, None if there is none, and the schema of the source at earlier pushes,
    and raises PolicyUnmet if pseudonyms of earlier records would change.
    """
    if policy is None:
        return lambda _opened, _schema: Reading.TEXT

    def decide(opened: OpenedDataset | None, schema: pa.Schema | None) -> Reading:
        if opened is None:
            return reading_for(policy, None, accepted=False)
        begun = begun_reading(author.member, opened, schema, policy)
        accepted = policy.digest in opened.required_policies
        return reading_for(policy, begun, accepted=accepted)

    return decide


def _read_leaf(
    policy: Policy | None,
    options: PushOptions,
    reading: Reading,
    opened: OpenedDataset | None,
) -> ReadLeaf:
    """Return how leaves of text formats are read."""
    if reading is Reading.NUMBERS:
        return as_plain
    if policy is None and opened is not None:
        # The dataset's columns keep their types.
        return numbers_plain(opened.schema)
    from sealift.owner.deidentify.reading import read_as

    leaf = read_as(policy, options.subject_column or "")
    for name, kind in options.source_options().column_types().items():
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if number and leaf(name) is ReadAs.TEXT:
            raise InvalidArgument(
                "a type of numbers is given for a column that identifies people: digits would be "
                "lost",
                hint="leave the column out of `types`",
            )
    return leaf


def job_of(
    records: Records,
    author: Author,
    terms: PushTerms,
    policy: Policy | None,
    options: PushOptions,
    keychain: Keychain,
) -> PushJob:
    """Return the job that pushes some records.

    Raises:
        SourceError, InvalidArgument: no source reads them.
    """
    rejects = _rejects(options.on_error, author)
    how = replace(options.source_options(), rejects=rejects, recognise=policy is None)
    if isinstance(records, str | os.PathLike):
        # Refuse what cannot be read at all before contacting anyone.
        check_source(os.fspath(records), how.kind, how)

    def open_records(found: Found, reading: Reading) -> Source:
        if isinstance(records, str | os.PathLike):
            leaf = _read_leaf(policy, options, reading, found.opened)
            expected = _expected(found, policy)
            source = open_source(
                os.fspath(records), replace(how, expected=expected, read_as=leaf)
            )
            source.schema = options.describe(source.schema)
            return source
        if isinstance(records, pa.Table | pa.RecordBatchReader):
            return MemorySource(records)
        return records

    return PushJob(
        open_source=open_records,
        transform=transform_of(policy, options, keychain),
        reading=reading_of(policy, author),
        terms=terms,
        limits=options.limits,
        owner_secret=keychain.owner_secret,
        rejects=rejects,
        show_schema=options.show_schema,
        progress=options.progress,
        stop=options.stop,
    )


def _expected(found: Found, policy: Policy | None) -> pa.Schema | None:
    """Return the schema of earlier pushes, with the columns that were widened since.

    Under a policy, the types of other columns than those it keeps are no types of the source.
    """
    schema = found.before.schema
    if schema is None or found.opened is None:
        return schema
    wide = with_widened(schema, found.opened.schema)
    if policy is None or wide.equals(schema):
        return wide
    from sealift.owner.manage.naming import rule_of

    return pa.schema(
        [
            wider
            if (rule := rule_of(policy, field)) and rule.action == "keep"
            else field
            for field, wider in zip(schema, wide, strict=True)
        ],
        metadata=schema.metadata,
    )


def _rejects(on_error: str, author: Author) -> Rejects:
    match on_error:
        case "stop":
            return StopAtRejects()
        case "skip":
            return SkipRejects()
        case "quarantine":
            own = author.member.identities
            return Quarantine(
                replace(author, dataset=author.dataset + SUFFIX, trusted=own)
            )
        case _:
            raise InvalidArgument("on_error must be one of " + ", ".join(ON_ERROR))
