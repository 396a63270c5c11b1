"""Commands for keystores, which hold private keys."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from sealift.cli.options import (
    Options,
    as_json,
    confirm,
    pass_options,
    show_time,
    suites,
    wrap_suites,
    yes,
)
from sealift.cli.output import count, show, size, tell
from sealift.cli.people import key_rotate
from sealift.cli.shares import read_shares, shares, show_shares, threshold
from sealift_protocol.errors import (
    InvalidArgument,
    KeyOperationUnsupported,
    SealiftError,
)

if TYPE_CHECKING:
    from sealift.home.profile import Profile
    from sealift.keystore import Keys
    from sealift.keystore.backend import Algorithm, HeldKey
    from sealift.keystore.custody import Custody
    from sealift.keystore.keychain import Keychain
    from sealift.people.identities import KeyUsage

NEW_PASSPHRASE = "SEALIFT_NEW_PASSPHRASE"  # noqa: S105 - the variable's name


@dataclass(frozen=True, slots=True)
class _Proof:
    """The result of trying one algorithm."""

    algorithm: Algorithm
    works: bool
    detail: str


@click.group()
def keystore() -> None:
    """Manage your keystore: the file, token or KMS that holds your private keys."""


@keystore.command("ls")
@as_json
@pass_options
def keystore_ls(options: Options, as_json: bool) -> None:
    """List your keys, and the keystore that holds them.

    Keys that Sealift created in the same token but that this profile does not use are listed too:
    they belong to another profile, or are left over from an interrupted command.
    """
    from sealift.cli.values import aligned

    with closing(options.keychain()) as keychain:
        rows, machine = _listed(keychain)
    table, _ = aligned(rows, right=[False] * len(rows[0]))
    url = keychain.custody.url
    show("\n".join([f"keystore {url}", *table]), {"url": url, "keys": machine}, as_json)


@keystore.command("test")
@click.argument("url", required=False)
@as_json
@pass_options
def keystore_test(options: Options, url: str | None, as_json: bool) -> None:
    """Test that this profile's keys work, or what the keystore at URL supports.

    With a URL, a key of each kind is created, used and destroyed, which shows what the keystore
    supports. Without one, this profile's own keys are used, and none is created.
    """
    from sealift.keystore.backend import SignatureAlgorithm
    from sealift.keystore.custody import Custody
    from sealift.keystore.registry import open_backend
    from sealift_protocol.objects.cards import WrapSuite

    if url is None:
        with closing(options.keychain()) as keychain:
            keychain.custody.prove(keychain.keys)
        keys = count(_number(keychain.keys), "key")
        show(f"{keys} in {keychain.custody.url} sign and unwrap", {"ok": True}, as_json)
        return
    with closing(Custody.of_backend(open_backend(url, options.passphrase))) as custody:
        proofs = [
            _try(custody, algorithm) for algorithm in (*SignatureAlgorithm, *WrapSuite)
        ]
    lines = [
        f"{'ok ' if proof.works else '-  '} {_name(proof.algorithm)}: {proof.detail}"
        for proof in proofs
    ]
    machine: dict[str, object] = {
        _name(proof.algorithm): proof.works for proof in proofs
    }
    useful = {type(proof.algorithm) for proof in proofs if proof.works}
    error = (
        None
        if useful == {SignatureAlgorithm, WrapSuite}
        else KeyOperationUnsupported(
            "the keystore cannot both sign and unwrap, which a member needs"
        )
    )
    show(
        "\n".join(lines), machine, as_json, error=None if error is None else tell(error)
    )
    if error is not None:
        raise error


@keystore.command("create")
@click.argument("url")
@suites
@yes
@pass_options
def keystore_create(
    options: Options, url: str, suites: tuple[str, ...], yes: bool
) -> None:
    """Create new keys in the token or KMS at URL, to replace those in your keystore file.

    Your grants are wrapped to the new recipient key. The old identity vouches for the new one, so
    members who pinned you follow automatically. You are asked for the passphrase first, then for
    the secret of the token. --passphrase-fd reads both, one per line; in the environment, the
    second is $SEALIFT_NEW_PASSPHRASE. Your first keys are created by `sealift join`.
    """
    from sealift.keystore.custody import Custody
    from sealift.keystore.registry import open_backend

    confirm("create new keys there, and a new identity?", yes=yes)
    profile = options.found()
    with options.connect() as session:
        ask = partial(options.passphrase, variable=NEW_PASSPHRASE)
        with closing(Custody.of_backend(open_backend(url, ask))) as custody:
            fingerprint = session.keys.move_to(custody, wrap_suites(suites))
    if options.account:
        # Otherwise it would be sent to the token as a PIN.
        _forget(profile)
    click.echo(f"your keys are in {url}\nyour new fingerprint:\n  {fingerprint}")


@keystore.command("passphrase")
@pass_options
def keystore_passphrase(options: Options) -> None:
    """Change the passphrase, and raise its derivation cost to that of this release.

    You are asked for the old passphrase first. --passphrase-fd reads both, one per line; in the
    environment, the new one is $SEALIFT_NEW_PASSPHRASE. Backups of the old file still open with the
    old passphrase.
    """
    from sealift.home import desktop
    from sealift.keystore.custody import Custody

    with closing(options.keychain()) as keychain:
        if keychain.custody.backend is not None:
            raise InvalidArgument(
                "this keystore is a token or KMS, which has no passphrase",
                hint="change the PIN with the token's own tool",
            )
        fresh = options.passphrase(
            "new passphrase of the keystore", confirm=True, variable=NEW_PASSPHRASE
        )
        keychain.relock(Custody.of_passphrase(fresh))
        if options.account:
            desktop.remember(options.account, fresh)
    click.echo("changed the passphrase of the keystore")


@keystore.command("remember")
@pass_options
def keystore_remember(options: Options) -> None:
    """Store the passphrase in your desktop's keyring, which your login unlocks.

    You are asked for it once more. Anyone who uses your desktop session can then use your keys.
    """
    from sealift.home import desktop
    from sealift.keystore.keychain import unlock

    profile = options.found()
    passphrase = options.passphrase()
    unlock(profile.keystore, lambda _: passphrase, profile.identities).close()
    account = options.account or desktop.new_account()
    desktop.remember(account, passphrase)
    profile.write_settings(replace(profile.settings, keyring=account))
    click.echo("stored the passphrase in this desktop's keyring")


@keystore.command("forget")
@pass_options
def keystore_forget(options: Options) -> None:
    """Remove the passphrase from your desktop's keyring."""
    profile = options.found()
    if not options.account:
        raise InvalidArgument("the passphrase of this profile is not in the keyring")
    _forget(profile)
    click.echo("removed the passphrase from this desktop's keyring")


def _forget(profile: Profile) -> None:
    from sealift.home import desktop

    desktop.forget(profile.settings.keyring)
    profile.write_settings(replace(profile.settings, keyring=""))


@keystore.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@shares
@threshold
@pass_options
def keystore_backup(options: Options, file: Path, shares: int, threshold: int) -> None:
    """Back this profile up to FILE, sealed under a secret that exists only as N paper shares.

    FILE is useless without K of the shares, so copies of it may be kept anywhere. The shares are
    printed once and never stored. `sealift keystore restore` restores the profile.
    """
    from sealift.home.backup import note_backup, seal_backup
    from sealift.home.shares import new_master, split_master
    from sealift.process.clock import unix, utc_now
    from sealift.process.files import write_atomically

    if file.exists():
        raise InvalidArgument("the file already exists, and is not overwritten")
    master = new_master()
    words = split_master(master, threshold, shares)
    profile = options.found()
    with closing(options.keychain()) as keychain:
        content = seal_backup(profile, keychain.keys, master)
        write_atomically(file, content)
        note_backup(profile, keychain.keys, unix(utc_now))
    click.echo(f"backed up profile {profile.folder.name} ({size(len(content))})")
    show_shares(words, threshold)


@keystore.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.argument("shares", type=click.File(), default="-")
@click.option(
    "--check", is_flag=True, help="Show what is in the backup, and write nothing."
)
@pass_options
def keystore_restore(options: Options, file: Path, shares: TextIO, check: bool) -> None:
    """Restore a profile from the backup FILE and SHARES, one share per line.

    Without SHARES, shares are read from stdin; at a terminal you are asked for each in turn. You
    choose a new passphrase. An existing profile of the same name is not overwritten; --profile
    restores under another name.
    """
    from sealift.home.backup import note_backup, open_backup, restore
    from sealift.process.clock import unix, utc_now

    backup = open_backup(file.read_bytes(), read_shares(shares))
    member = backup.membership
    if check:
        keys = count(len(backup.keys.recipient_keys), "recipient key")
        click.echo(f"the shares open the backup: {member.name} ({member.role}), {keys}")
        return
    profile = restore(
        backup, options.profile or member.name, options.passphrase(confirm=True)
    )
    note_backup(profile, backup.keys, unix(utc_now))
    click.echo(f"restored {member.name} as profile {profile.folder.name}")


@keystore.command("usage")
@as_json
@pass_options
def keystore_usage(options: Options, as_json: bool) -> None:
    """Show how many grants depend on each of your keys.

    "only" counts the grants that no other key of this keystore opens: until it is 0, the key must
    not be lost. `sealift key rotate` wraps all of them to a new key.
    """
    from sealift.cli.values import aligned

    with options.connect() as session:
        usages = session.keys.usage()
    rows = [("key", "state", "until", "grants", "only", "datasets")]
    rows += [
        (
            usage.key_id.hex(),
            _state(usage),
            show_time(usage.not_after),
            f"{usage.grants:,}",
            f"{usage.only:,}",
            f"{usage.datasets:,}",
        )
        for usage in usages
    ]
    table, _ = aligned(rows, right=[False, False, False, True, True, True])
    machine: list[dict[str, object]] = [
        {**asdict(usage), "key_id": usage.key_id.hex()} for usage in usages
    ]
    show("\n".join(table), machine, as_json)


def _state(usage: KeyUsage) -> str:
    if not usage.held:
        return "not held"
    return "current" if usage.published else "old"


@keystore.command("destroy")
@click.argument("key")
@yes
@pass_options
def keystore_destroy(options: Options, key: str, yes: bool) -> None:
    """Destroy a KEY that `sealift keystore ls` shows as not used here.

    The key may belong to another profile; anything wrapped to it can then no longer be opened. To
    replace this profile's own keys, use `sealift key rotate` and `sealift identity succeed`.
    """
    with closing(options.keychain()) as keychain:
        found = [held for held in _others(keychain) if held.reference == key]
        if not found:
            raise InvalidArgument("this is not one of the keys that are not used here")
        confirm("destroy this key permanently?", yes=yes)
        keychain.custody.destroy(*found)
    click.echo("destroyed 1 key")


def _others(keychain: Keychain) -> list[HeldKey]:
    """Return Sealift's keys in the same keystore that this profile does not use."""
    backend, used = keychain.custody.backend, keychain.keys.held
    return (
        []
        if backend is None
        else [held for held in backend.held_keys() if held not in used]
    )


def _number(keys: Keys) -> int:
    """Return the number of keys that `prove` uses."""
    from sealift.keystore.backend import HeldKey

    return 1 + len(keys.recipient_keys) + isinstance(keys.tls_private_key, HeldKey)


def _listed(
    keychain: Keychain,
) -> tuple[list[tuple[str, ...]], list[dict[str, object]]]:
    from sealift.keystore.backend import HeldKey, SignatureAlgorithm

    keys, custody = keychain.keys, keychain.custody
    signs: Algorithm = SignatureAlgorithm.ED25519
    if isinstance(keys.identity, HeldKey):
        signs = keys.identity.algorithm
    fingerprint = custody.identity(keys).fingerprint
    rows: list[tuple[str, ...]] = [
        ("use", "algorithm", "key", "until"),
        ("identity", _name(signs), str(fingerprint)[:24], "-"),
    ]
    rows += [
        ("recipient", _name(key.suite), key.key_id.hex(), show_time(key.not_after))
        for key in keys.recipient_keys
    ]
    if isinstance(keys.tls_private_key, HeldKey):
        tls = keys.tls_private_key
        rows.append(("tls", _name(tls.algorithm), tls.reference, "-"))
    rows += [
        ("not used here", _name(held.algorithm), held.reference, "-")
        for held in _others(keychain)
    ]
    machine: list[dict[str, object]] = [
        {"use": use, "algorithm": algorithm, "key": key}
        for use, algorithm, key, _ in rows[1:]
    ]
    return rows, machine


def _try(custody: Custody, algorithm: Algorithm) -> _Proof:
    try:
        custody.try_out(algorithm)
    except KeyOperationUnsupported as error:
        return _Proof(algorithm, works=False, detail=error.what)
    except SealiftError as error:
        return _Proof(
            algorithm, works=False, detail=f"{error.what}; {error.hint}".rstrip("; ")
        )
    return _Proof(algorithm, works=True, detail="created, used and destroyed a key")


def _name(algorithm: Algorithm) -> str:
    from sealift_protocol.objects.cards import WrapSuite

    if isinstance(algorithm, WrapSuite):
        return algorithm.name.lower().replace("_", "-")
    return algorithm.value


# An alias, since people look for it under `keystore` too.
keystore.add_command(key_rotate, "rotate")
