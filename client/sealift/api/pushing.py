"""`Session.push`, `writer` and `follow`: the checks before a record is read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pyarrow as pa

from sealift.api.connection import Connection
from sealift.owner.push.appending import Author, PushTerms
from sealift.owner.push.follow import follow_folder
from sealift.owner.push.options import (
    PushOptions,
    Records,
    job_of,
    reading_of,
    terms_of,
    transform_of,
)
from sealift.owner.push.push import Pushed
from sealift.owner.push.push import find as find_pushed
from sealift.owner.push.push import push as push_source
from sealift.owner.push.writer import Writer
from sealift.people.health import refuse_skew
from sealift.policy.file import Policy


def push(
    connection: Connection, records: Records, dataset: str, options: PushOptions
) -> Pushed:
    """See `Session.push`."""
    options = options.with_policy()
    policy = options.loaded_policy()
    with connection.member.together():
        author, terms = _prepare(connection, dataset, options, policy)
        job = job_of(records, author, terms, policy, options, connection.keychain)
        with connection.patience(options.retry_seconds):
            found = find_pushed(author, job)
    with connection.patience(options.retry_seconds):
        return push_source(author, job, found)


def writer(
    connection: Connection,
    dataset: str,
    schema: pa.Schema | None,
    options: PushOptions,
) -> Writer:
    """See `Session.writer`."""
    options = options.with_policy()
    policy = options.loaded_policy()
    with connection.member.together():
        author, terms = _prepare(connection, dataset, options, policy)
        connection.relay.patience = options.retry_seconds
        return Writer(
            author,
            terms,
            schema,
            transform=transform_of(policy, options, connection.keychain),
            reading=reading_of(policy, author),
            limits=options.limits,
            progress=options.progress,
        )


def follow(
    connection: Connection,
    folder: Path,
    dataset: str,
    options: PushOptions,
    *,
    pushed: Callable[[Pushed], None],
    settle_seconds: float,
    between: Callable[[], None],
) -> int:
    """See `Session.follow`; `between` is called between scans of the folder."""
    stop = options.stop or threading.Event()
    options = options.with_policy()
    policy = options.loaded_policy()
    with connection.member.together():
        author, terms = _prepare(connection, dataset, options, policy)
    waiting = replace(options.source_options(), settle_seconds=settle_seconds)
    options = replace(options, stop=stop, reading=waiting, types=None)
    with connection.patience(options.retry_seconds):
        return follow_folder(
            folder,
            lambda: push_source(
                author,
                job_of(folder, author, terms, policy, options, connection.keychain),
            ),
            limits=options.limits,
            stop=stop,
            settle_seconds=settle_seconds,
            pushed=pushed,
            between=between,
        )


def _prepare(
    connection: Connection, dataset: str, options: PushOptions, policy: Policy | None
) -> tuple[Author, PushTerms]:
    """Check clock, recipients and dataset before records are read."""
    refuse_skew(connection.relay, connection.time)
    names = [options.to] if isinstance(options.to, str) else list(options.to)
    recipients = connection.recipients(names)
    trusted, name = connection.find_owner(dataset)
    own_card = cache(connection.contacts.own_card)
    author = Author(connection.member, own_card, trusted, name)
    return author, terms_of(options, recipients, policy)
