"""Commands about the place where private keys live."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass

import click

from sealift.cli.options import Options, as_json, confirm, pass_options, show_time, yes
from sealift.cli.output import count, show
from sealift.cli.values import aligned
from sealift.identities import KeyUsage
from sealift.keystore import Keys
from sealift.keystore.backend import Algorithm, HeldKey, SignatureAlgorithm
from sealift.keystore.custody import Custody
from sealift.keystore.keychain import Keychain
from sealift.keystore.registry import FILE, open_backend
from sealift_protocol.errors import InvalidArgument, KeyOperationUnsupported, SealiftError
from sealift_protocol.objects import WrapSuite

NEW_PASSPHRASE = "SEALIFT_NEW_PASSPHRASE"  # noqa: S105 - the variable's name
_ALGORITHMS: tuple[Algorithm, ...] = (*SignatureAlgorithm, *WrapSuite)


@dataclass(frozen=True, slots=True)
class _Proof:
    """What came of trying one algorithm."""

    algorithm: Algorithm
    works: bool
    detail: str


@click.group()
def keystore() -> None:
    """The place where your private keys live: a file, a token, a KMS."""


@keystore.command("ls")
@as_json
@pass_options
def keystore_ls(options: Options, as_json: bool) -> None:
    """Show your keys, and where they are.

    Keys that Sealift made in the same token but that this profile does not use are shown too: of
    another profile, or left over by a command that was interrupted.
    """
    with closing(options.keychain()) as keychain:
        rows, machine = _listed(keychain)
    table, _ = aligned(rows, right=[False] * len(rows[0]))
    url = _url(keychain.custody)
    show("\n".join([f"keystore {url}", *table]), {"url": url, "keys": machine}, as_json)


@keystore.command("test")
@click.argument("url", required=False)
@as_json
@pass_options
def keystore_test(options: Options, url: str | None, as_json: bool) -> None:
    """Prove that keys work: of this profile, or of a keystore that has a URL.

    With a URL a key of each kind is made, used and destroyed, which says what the keystore can do
    and what it cannot. Without, this profile's own keys are used, and none is made.
    """
    if url is None:
        with closing(options.keychain()) as keychain:
            keychain.custody.prove(keychain.keys)
        keys = count(_number(keychain.keys), "key")
        show(f"{keys} in {_url(keychain.custody)} sign and unwrap", {"ok": True}, as_json)
        return
    with closing(Custody.of_backend(open_backend(url, options.passphrase))) as custody:
        proofs = [_try(custody, algorithm) for algorithm in _ALGORITHMS]
    lines = [
        f"{'ok ' if proof.works else '-  '} {_name(proof.algorithm)}: {proof.detail}"
        for proof in proofs
    ]
    machine: dict[str, object] = {_name(proof.algorithm): proof.works for proof in proofs}
    show("\n".join(lines), machine, as_json)
    useful = {type(proof.algorithm) for proof in proofs if proof.works}
    if useful != {SignatureAlgorithm, WrapSuite}:
        raise KeyOperationUnsupported("the keystore lacks what a member needs: to sign, to unwrap")


@keystore.command("passphrase")
@pass_options
def keystore_passphrase(options: Options) -> None:
    """Change the passphrase, and bring its cost up to that of this release.

    The old one is asked for first; --passphrase-fd has both, a line each, and in the environment
    the new one is $SEALIFT_NEW_PASSPHRASE. Backups of the old file open with the old one still.
    """
    with closing(options.keychain()) as keychain:
        if keychain.custody.backend is not None:
            raise InvalidArgument(
                "this keystore is opened by a token or KMS, not by a passphrase",
                hint="change the PIN with the token's own tool",
            )
        fresh = options.passphrase(
            "new passphrase of the keystore", confirm=True, variable=NEW_PASSPHRASE
        )
        keychain.relock(Custody.of_passphrase(fresh))
    click.echo("the keystore has a new passphrase")


@keystore.command("usage")
@as_json
@pass_options
def keystore_usage(options: Options, as_json: bool) -> None:
    """Show which of your keys grants still depend on.

    "only" counts grants that no other key of this keystore opens: before those are 0, a key must
    not be lost. `sealift key rotate` wraps all of them to a new key.
    """
    with options.connect() as session:
        usages = session.key_usage()
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

    It may be another profile's: what was wrapped to it opens for nobody any more. This profile's
    own keys go with `sealift key rotate` and `sealift identity succeed`.
    """
    with closing(options.keychain()) as keychain:
        found = [held for held in _others(keychain) if held.reference == key]
        if not found:
            raise InvalidArgument("there is no such key among those that are not used here")
        confirm("destroy the key, for ever?", yes=yes)
        keychain.custody.destroy(*found)
    click.echo("destroyed 1 key")


def _others(keychain: Keychain) -> list[HeldKey]:
    """Keys of Sealift's in the same place that this profile does not use."""
    backend, used = keychain.custody.backend, keychain.keys.held
    return [] if backend is None else [held for held in backend.held_keys() if held not in used]


def _number(keys: Keys) -> int:
    """Of the keys that `prove` uses."""
    return 1 + len(keys.recipient_keys) + isinstance(keys.tls_private_key, HeldKey)


def _listed(keychain: Keychain) -> tuple[list[tuple[str, ...]], list[dict[str, object]]]:
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
        ("not used here", _name(held.algorithm), held.reference, "-") for held in _others(keychain)
    ]
    machine: list[dict[str, object]] = [
        {"use": use, "algorithm": algorithm, "key": key} for use, algorithm, key, _ in rows[1:]
    ]
    return rows, machine


def _try(custody: Custody, algorithm: Algorithm) -> _Proof:
    try:
        custody.try_out(algorithm)
    except KeyOperationUnsupported as error:
        return _Proof(algorithm, works=False, detail=error.what)
    except SealiftError as error:
        return _Proof(algorithm, works=False, detail=f"{error.what}; {error.hint}".rstrip("; "))
    return _Proof(algorithm, works=True, detail="made, used and destroyed a key")


def _name(algorithm: Algorithm) -> str:
    if isinstance(algorithm, WrapSuite):
        return algorithm.name.lower().replace("_", "-")
    return algorithm.value


def _url(custody: Custody) -> str:
    return f"{FILE}:" if custody.backend is None else custody.backend.url
