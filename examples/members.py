"""Members of a relay: the setup that the owners' examples share, and what they compare with."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from commands import SCRIPTS, run, serving, step
from traces import Needles

import sealift
from sealift.home.profile import find_profile
from sealift.keystore.custody import Custody
from sealift.keystore.keychain import Keychain
from sealift.owner.deidentify import Deidentifier, load_policy
from sealift.owner.sources import BEGINNING, SourceOptions, open_source
from sealift.process.secret import Secret

PASSPHRASE = "a passphrase of the example only"

_PSEUDONYM = "^[0-9a-f]{32}$"


@contextmanager
def relay_with(folder: Path, members: Mapping[str, str]) -> Iterator[Path]:
    """Runs a relay until the block ends; each member joins and pins all the others.

    Args:
        folder: where the relay and the members' profiles are created.
        members: roles by name.
    """
    os.environ["SEALIFT_HOME"] = str(folder / "profiles")
    os.environ["SEALIFT_PASSPHRASE"] = PASSPHRASE
    relay = folder / "relay"
    step("an operator makes a relay and starts it")
    run("sealift-relay", "init", relay, "--port", 0, "--enrolment-port", 0)
    with serving("sealift-relay", "serve", relay, log=relay / "relay.log") as ready:
        print(" ", ready)
        step("members join with one-time tokens; their keys stay with them")
        fingerprints = {}
        for member, role in members.items():
            invitation = ("invite", member, "--role", role, "--dir", relay)
            token = run("sealift-relay", *invitation, quiet=True)
            fingerprints[member] = sealift.join(
                token, Secret(PASSPHRASE.encode())
            ).fingerprint
            print(f"  {member}: {fingerprints[member]}")
        step("each pins the others' fingerprints, which they compared by phone")
        for member in members:
            others = {
                name: str(f) for name, f in fingerprints.items() if name != member
            }
            with sealift.connect(member) as session:
                for other, fingerprint in others.items():
                    session.trust(other, fingerprint)
            print(f"  {member} trusts {', '.join(others)}")
        yield relay


def as_(member: str, *command: object, **options: bool) -> str:
    """Runs a member's command, shown as it is typed and with its output."""
    if not options.get("quiet"):
        print(f"  {member}$ {shown(command)}", flush=True)
    return run("sealift", "--profile", member, *command, **options)


def refused(member: str, *command: object) -> None:
    """Runs a command that must fail, shown with its error alone.

    Raises:
        SystemExit: it did not fail.
    """
    print(f"  {member}$ {shown(command)}", flush=True)
    words = [str(SCRIPTS / "sealift"), "--profile", member, *map(str, command)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        sys.exit("the command should have been refused")
    print(f"  {done.stderr.strip().splitlines()[-1]}")


def shown(command: Iterable[object]) -> str:
    """A command as it is typed."""
    words = (word.name if isinstance(word, Path) else str(word) for word in command)
    return shlex.join(["sealift", *words])


def push(member: str, source: Path, *options: object, brief: bool = False) -> int:
    """Pushes with the real command, and prints its speed; returns how many records.

    The time is that of the whole command: it starts, opens the keystore, connects, reads,
    de-identifies, seals, uploads, commits and checks the relay's log.

    Args:
        member: the member that pushes.
        source: the file or folder to push.
        options: options of the command.
        brief: leaves out the new dataset's columns.
    """
    command = ("push", source, *options)
    begin = time.perf_counter()
    if brief:
        print(f"  {member}$ {shown(command)}", flush=True)
        told = as_(member, *command, quiet=True)
        print(f"  {told}")
    else:
        told = as_(member, *command)
    seconds = time.perf_counter() - begin
    records = int(told.split()[1].replace(",", ""))
    print(f"  {rate(records, source_size(source), seconds)}")
    return records


def source_size(source: Path) -> int:
    """Bytes of a file, or of the files of a folder."""
    files = source.rglob("*") if source.is_dir() else [source]
    return sum(path.stat().st_size for path in files if path.is_file())


def rate(records: int, size: int, seconds: float) -> str:
    """The speed, as text."""

    def told(value: float) -> str:
        return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"

    speed = size / seconds
    return (
        f"{records:,} records, {told(size / 1e6)} MB in {seconds:.1f} s: "
        f"{told(records / seconds)} records/s, "
        + (f"{speed / 1e9:.2f} GB/s" if speed >= 1e8 else f"{told(speed / 1e6)} MB/s")
    )


def deidentified(
    member: str, records: Path | pa.Table, policy: str | Path, **options: object
) -> pa.Table:
    """An owner's records as a policy de-identifies them, computed on the owner's own machine.

    None of it goes through a relay: the opened records are compared with it.

    Args:
        member: the owner, whose secret keys pseudonyms and tokens.
        records: a source, or a table.
        policy: its name or file.
        options: attributes of `SourceOptions`.
    """
    secret = owner_secret(member)
    if isinstance(records, pa.Table):
        batches: Iterator[pa.RecordBatch] = iter(records.to_batches())
        schema = records.schema
    else:
        source = open_source(records, SourceOptions(**options))
        schema = source.schema
        parts = source.parts()
        batches = (
            chunk.batch for part in parts for chunk in source.read(part, BEGINNING)
        )
    with Deidentifier(load_policy(policy), schema, secret=secret) as deidentifier:
        changed = [deidentifier.apply(batch) for batch in batches]
        return pa.Table.from_batches(changed, schema=deidentifier.schema)


@cache
def owner_secret(member: str) -> Secret:
    """The secret that keys an owner's pseudonyms; it never leaves the owner's keystore."""
    return Keychain(
        find_profile(member).keystore,
        Custody.of_passphrase(Secret(PASSPHRASE.encode())),
    ).owner_secret()


def compare(what: str, opened: float, plain: float) -> list[str]:
    """Prints a model's score on both sides; returns the problems found."""
    print(f"  {what} on the opened records:          {opened!r}")
    print(f"  {what} on the de-identified plaintext: {plain!r}")
    return [] if opened == plain else [what]


def same_records(name: str, opened: pa.Table, plain: pa.Table) -> list[str]:
    """Prints whether the opened records equal the plaintext; returns the problems found."""
    same = opened.equals(plain)
    verdict = "equal" if same else "NOT EQUAL"
    print(
        f"  {name}: {opened.num_rows:,} opened records and the plaintext's: {verdict}"
    )
    return [] if same else [f"records of {name}"]


def left_in(values: Iterable[str], *opened: pa.Table) -> list[str]:
    """Returns and prints which values occur in the texts of the records that a trainer opened.

    Pseudonyms themselves are left out: millions of random hexadecimal digits contain some of
    thousands of eight-digit numbers by chance.
    """
    needles = Needles(values)
    found: set[str | bytes] = set()
    for column in (
        column.combine_chunks() for table in opened for column in table.columns
    ):
        while pa.types.is_list(column.type):
            column = column.flatten()
        if pa.types.is_string(column.type):
            texts = column.unique()
            texts = texts.filter(pc.invert(pc.match_substring_regex(texts, _PSEUDONYM)))
            found |= needles.found_in(in_memory(pa.table({"": texts})))
    print(f"  of {len(needles):,} names and numbers, {len(found)} are left")
    return sorted(map(str, found))


def in_memory(table: pa.Table) -> bytes:
    """A table's bytes as Arrow lays them out, uncompressed."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content
