"""Commands for members: pins, endorsements, witnesses, this profile's own identity."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

import click

from sealift.cli.options import (
    Options,
    as_json,
    confirm,
    parse_time,
    pass_options,
    show_time,
    suites,
    wrap_suites,
    yes,
)
from sealift.cli.output import count, show
from sealift.cli.rotation import every, set_policy
from sealift.cli.rules import excludes, needs, rules
from sealift.cli.shares import read_shares, shares, show_shares, threshold
from sealift.cli.sharing import sealing_again
from sealift_protocol.errors import InvalidArgument

if TYPE_CHECKING:
    from sealift.home.trust import Pin
    from sealift.people.compromise import Exposed


@click.command()
@rules(
    needs(
        "--tls-key-in-keystore",
        "--keystore",
        instead="name a token or KMS with --keystore URL",
    )
)
@click.argument("token")
@click.option(
    "--organisation",
    default="",
    help="Organisation on your card; the relay can read it.",
)
@click.option(
    "--trust-on-first-use",
    is_flag=True,
    help="Pin members when first met, without comparing; see `sealift trust first-use`.",
)
@suites
@click.option(
    "--keystore",
    metavar="URL",
    help="Keystore for your private keys (default: a file protected by a passphrase).",
)
@click.option(
    "--tls-key-in-keystore",
    is_flag=True,
    help="Create the TLS key there too: it signs every connection. Needs --keystore.",
)
@as_json
@pass_options
def join(
    options: Options,
    token: str,
    organisation: str,
    trust_on_first_use: bool,
    suites: tuple[str, ...],
    keystore: str | None,
    tls_key_in_keystore: bool,
    as_json: bool,
) -> None:
    """Join a relay with the TOKEN that its operator sent ("-" reads it from stdin).

    Creates your keys on this machine, protects them with a passphrase that you choose, and asks
    the relay for a certificate. Your private keys never leave this machine; with --keystore they
    never leave the token or KMS that it names.
    """
    from sealift.keystore.custody import Custody
    from sealift.keystore.registry import open_backend
    from sealift.people.joining import join as join_relay

    read = _read_token(token)
    if keystore is None:
        custody = Custody.of_passphrase(options.passphrase(confirm=True))
    else:
        custody = Custody.of_backend(open_backend(keystore, options.passphrase))
    with closing(custody):
        joined = join_relay(
            read,
            custody,
            profile_name=options.profile,
            organisation=organisation,
            suites=wrap_suites(suites),
            tls_key_in_keystore=tls_key_in_keystore,
        )
    if trust_on_first_use:
        joined.profile.write_settings(
            replace(joined.profile.settings, trust_on_first_use=True)
        )
    show(
        f"joined as {joined.name} ({joined.role}), profile {joined.profile.folder.name}\n"
        f"your fingerprint, for others to pin:\n  {joined.fingerprint}",
        {
            "name": joined.name,
            "role": joined.role,
            "profile": joined.profile.folder.name,
            "fingerprint": str(joined.fingerprint),
        },
        as_json,
    )


@click.command()
@click.argument("token")
@pass_options
def rejoin(options: Options, token: str) -> None:
    """Get a new certificate after yours has expired, with a TOKEN made with --again.

    Keys, pins and grants do not change.
    """
    from sealift.home.profile import find_profile
    from sealift.people.joining import rejoin as rejoin_relay

    joined = rejoin_relay(
        _read_token(token), find_profile(options.profile), options.keychain()
    )
    click.echo(f"{joined.name} has a new certificate")


@click.command()
@pass_options
def renew(options: Options) -> None:
    """Get a new certificate before yours expires.

    Every command does this automatically when less than a third of the certificate's lifetime is
    left.
    """
    with options.connect() as session:
        until = session.identity.renew()
    click.echo(f"the new certificate is valid until {until:%Y-%m-%d}")


@click.group(invoke_without_command=True)
@as_json
@pass_options
@click.pass_context
def identity(context: click.Context, options: Options, as_json: bool) -> None:
    """Show your name and your fingerprint, in groups and in words, for others to pin."""
    from sealift.home.profile import find_profile
    from sealift.home.words import word_lines
    from sealift_protocol.ids import Fingerprint

    if context.invoked_subcommand is not None:
        if as_json:
            raise InvalidArgument(
                f"--json has no effect before {context.invoked_subcommand}",
                hint="leave --json out",
            )
        return
    member = find_profile(options.profile).membership()
    fingerprint = Fingerprint.parse(member.fingerprint)
    words = word_lines(fingerprint)
    show(
        f"{member.name} ({member.role}) at {member.address}\n  {fingerprint}\n"
        "to read out on the phone:\n" + "\n".join(f"  {line}" for line in words),
        {
            "name": member.name,
            "role": member.role,
            "address": member.address,
            "fingerprint": member.fingerprint,
            "words": " ".join(words),
        },
        as_json,
    )


@identity.command("succeed")
@yes
@pass_options
def identity_succeed(options: Options, yes: bool) -> None:
    """Replace your signing key with a new one, which the old one vouches for.

    You keep your datasets and grants, and members who pinned you follow automatically. Use this on
    a schedule; if the old key may be stolen, use `sealift identity revoke`.
    """
    confirm("replace this identity with a new one?", yes=yes)
    with options.connect() as session:
        fingerprint = session.identity.succeed()
    click.echo(f"your new fingerprint:\n  {fingerprint}")


@identity.command("revoke")
@click.option("--reason", default="", help="Reason, readable by everyone.")
@yes
@pass_options
def identity_revoke(options: Options, reason: str, yes: bool) -> None:
    """Revoke your identity permanently, because its key may be stolen.

    Other members refuse it from the next time they ask the relay. Join again under a new name, and
    ask members to pin your new fingerprint.
    """
    confirm("revoke this identity permanently?", yes=yes)
    with options.connect() as session:
        session.identity.revoke(reason)
    click.echo("revoked this identity; tell the members who pinned it")


@click.group()
def key() -> None:
    """Manage your recipient keys, to which other members wrap what you may open."""


@key.command("compromise")
@click.option("--reseal", is_flag=True, help="Also seal again what you pushed before.")
@yes
@as_json
@pass_options
def key_compromise(options: Options, reseal: bool, yes: bool, as_json: bool) -> None:
    """Replace recipient keys that may have leaked, and list what they opened.

    New recipient keys are published. Each of your datasets begins a new key epoch, which everyone
    who has access is granted. With --reseal, the old keys open nothing that is left at the relay.
    Datasets of other owners must be rotated by those owners, whom the list names. What was already
    fetched cannot be taken back. For a stolen identity, see `sealift identity revoke`.
    """
    from sealift.cli.values import aligned

    confirm("replace your recipient keys, and begin new key epochs?", yes=yes)
    with options.connect() as session:
        own = session.identity.name
        with sealing_again(session, reseal, lambda info: info.owner == own) as progress:
            found = session.keys.replace_compromised(reseal=reseal, progress=progress)
    rows = [("dataset", "commits", "from", "until", "key epochs", "records", "now")]
    rows += [
        (
            f"{dataset.owner}/{dataset.name or '?'}",
            f"{dataset.first_commit}-{dataset.last_commit}",
            show_time(dataset.begin),
            show_time(dataset.end),
            ", ".join(map(str, dataset.key_epochs)) or "?",
            f"{dataset.records:,}",
            _what_now(dataset),
        )
        for dataset in found
    ]
    table, _ = aligned(rows, right=[False] * 5 + [True, False])
    machine: list[dict[str, object]] = [asdict(dataset) for dataset in found]
    show(
        "\n".join(["what the old keys opened, with the ciphertext:", *table]),
        machine,
        as_json,
    )


def _what_now(dataset: Exposed) -> str:
    if not dataset.own:
        return "its owner must rotate it"
    if dataset.resealed:
        return f"resealed under key epoch {dataset.new_key_epoch}"
    return f"key epoch {dataset.new_key_epoch} from now on; --reseal for older shards"


@key.command("rotate")
@rules(excludes("--every", "--suite"))
@suites
@every
@as_json
@pass_options
def key_rotate(
    options: Options, suites: tuple[str, ...], every: str | None, as_json: bool
) -> None:
    """Publish new recipient keys, and wrap your grants to them.

    No owner is involved, and no record is sent again. The old private keys are destroyed when
    every grant is wrapped to the new ones. With --every, a policy is set instead; see
    `sealift rotate`.
    """
    if every is not None:
        shown = set_policy(options, every, "recipient_keys")
        text = f"recipient keys are due after {shown}"
        show(text, {"recipient_keys_due_after": shown}, as_json)
        return
    with options.connect() as session:
        rotated = session.keys.rotate(wrap_suites(suites))
    lines = [
        f"published card version {rotated.card_version} with {count(rotated.keys, 'key')}",
        f"wrapped {count(rotated.rewrapped, 'grant')} to the new key, "
        f"destroyed {count(rotated.destroyed, 'old private key')}",
    ]
    if rotated.unopened:
        lines.append(
            f"{count(rotated.unopened, 'grant')} could not be opened; the old keys were kept"
        )
    show(
        "\n".join(lines),
        {
            "card_version": rotated.card_version,
            "keys": rotated.keys,
            "rewrapped": rotated.rewrapped,
            "destroyed": rotated.destroyed,
            "unopened": rotated.unopened,
        },
        as_json,
    )


@click.command()
@as_json
def profiles(as_json: bool) -> None:
    """List the profiles on this machine."""
    from sealift.home.profile import profile_names

    names = profile_names()
    machine: list[dict[str, object]] = [{"profile": name} for name in names]
    show("\n".join(names) or "there is no profile on this machine", machine, as_json)


@click.group()
def trust() -> None:
    """Manage the pinned fingerprints of members you exchange data with."""


@trust.command("add")
@click.argument("name")
@click.argument("fingerprint", nargs=-1, required=True)
@click.option(
    "--organisation",
    is_flag=True,
    help="Also trust the members that NAME endorses, while it endorses them.",
)
@pass_options
def trust_add(
    options: Options, name: str, fingerprint: tuple[str, ...], organisation: bool
) -> None:
    """Pin member NAME to FINGERPRINT, in groups or in words.

    Get the fingerprint from the member over a channel that bypasses the relay, such as by phone or
    on paper. `sealift identity` shows it on the member's machine.
    """
    from sealift.home.profile import find_profile
    from sealift.home.trust import Pin
    from sealift.home.words import parse_fingerprint

    parsed = parse_fingerprint(" ".join(fingerprint))
    now = int(datetime.now(UTC).timestamp())
    pin = Pin(parsed, since=now, endorses=organisation)
    find_profile(options.profile).trust.add(name, pin)
    also = "; the members that it endorses are trusted too" if organisation else ""
    click.echo(f"pinned {name} to {parsed}{also}")


@trust.command("ls")
@as_json
@pass_options
def trust_ls(options: Options, as_json: bool) -> None:
    """List the pinned members, and how each was pinned."""
    from sealift.home.profile import find_profile

    profile = find_profile(options.profile)
    pins = profile.trust.pins()
    lines = [
        f"{name}  {_describe_pin(pin)}\n  {pin.fingerprint}"
        for name, pin in pins.items()
    ]
    if profile.settings.trust_on_first_use:
        lines.append(
            "trust on first use is on: members are pinned when first met, without comparing"
        )
    machine: list[dict[str, object]] = [
        {
            "name": name,
            "fingerprint": str(pin.fingerprint),
            "how": pin.how,
            "since": pin.since,
            "organisation": pin.endorses,
            "former": [str(former) for former in pin.former],
        }
        for name, pin in pins.items()
    ]
    show("\n".join(lines) or "no member is pinned", machine, as_json)


@trust.command("show")
@click.argument("name")
@as_json
@pass_options
def trust_show(options: Options, name: str, as_json: bool) -> None:
    """Look up member NAME, and show why it is trusted: pin, endorsement, keys."""
    from sealift.home.words import word_lines

    with options.connect() as session:
        member = session.people.member(name)
    keys = [
        f"  {key.suite.name.lower().replace('_', '-')}  until {show_time(key.not_after)}"
        for key in member.card.recipient_keys
    ]
    until = f" until {show_time(member.until)}" if member.until else ""
    show(
        f"{name}  trusted: {member.how}{until}\n  {member.fingerprint}\n"
        + "\n".join(f"  {line}" for line in word_lines(member.fingerprint))
        + f"\ncard version {member.card.version}, {count(len(keys), 'key')}\n"
        + "\n".join(keys),
        {
            "name": name,
            "how": member.how,
            "until": member.until,
            "fingerprint": str(member.fingerprint),
            "card_version": member.card.version,
            "keys": [key.suite.name for key in member.card.recipient_keys],
        },
        as_json,
    )


@trust.command("remove")
@click.argument("name")
@pass_options
def trust_remove(options: Options, name: str) -> None:
    """Remove the pin of member NAME."""
    from sealift.home.profile import find_profile

    find_profile(options.profile).trust.remove(name)
    click.echo(f"removed {name}")


@trust.command("first-use")
@click.argument("choice", type=click.Choice(["on", "off"]))
@pass_options
def trust_first_use(options: Options, choice: str) -> None:
    """Pin members when first met, without comparing fingerprints ("on"), or never ("off").

    With "on", anyone who runs the relay can impersonate members you have not met yet. `sealift
    trust ls` shows the members pinned this way.
    """
    from sealift.home.profile import find_profile

    profile = find_profile(options.profile)
    profile.write_settings(replace(profile.settings, trust_on_first_use=choice == "on"))
    click.echo(f"trust on first use is {choice}")


@click.command()
@rules(excludes("--withdraw", "--until"))
@click.argument("name")
@click.option(
    "--until",
    default="90d",
    show_default=True,
    help="When the endorsement ends: a date, or a time from now.",
)
@click.option("--withdraw", is_flag=True, help="Withdraw the endorsement of NAME.")
@pass_options
def endorse(options: Options, name: str, until: str, withdraw: bool) -> None:
    """Endorse, as an organisation, member NAME, which you have pinned.

    Members who pinned your organisation with --organisation then trust NAME without pinning it.
    """
    not_after = 0 if withdraw else parse_time(until)
    with options.connect() as session:
        session.people.endorse(name, not_after=not_after)
    click.echo(
        f"withdrew the endorsement of {name}"
        if withdraw
        else f"endorsed {name} until {show_time(not_after)}"
    )


@click.group()
def witness() -> None:
    """Manage witnesses, who cosign the log so that the relay cannot show people different ones."""


@witness.command("add")
@click.argument("verifier_key")
@pass_options
def witness_add(options: Options, verifier_key: str) -> None:
    """Add a witness, by the VERIFIER_KEY that its operator publishes."""
    from sealift.home.profile import find_profile
    from sealift_protocol.notes import VerifierKey

    parsed = str(VerifierKey.parse(verifier_key))
    profile = find_profile(options.profile)
    known = tuple(dict.fromkeys([*profile.settings.witnesses, parsed]))
    profile.write_settings(replace(profile.settings, witnesses=known))
    click.echo(f"witnesses known: {len(known)}")


@witness.command("ls")
@as_json
@pass_options
def witness_ls(options: Options, as_json: bool) -> None:
    """List the witnesses, and how many of them must cosign."""
    from sealift.home.profile import find_profile

    settings = find_profile(options.profile).settings
    names = [f"  {key.name}" for key in settings.witness_keys()]
    show(
        "\n".join([f"{settings.quorum} of {len(names)} must cosign", *names]),
        {"quorum": settings.quorum, "witnesses": list(settings.witnesses)},
        as_json,
    )


@witness.command("require")
@click.argument("quorum", type=click.IntRange(min=0))
@pass_options
def witness_require(options: Options, quorum: int) -> None:
    """Refuse the relay's log unless QUORUM of the known witnesses have cosigned it."""
    from sealift.home.profile import find_profile

    profile = find_profile(options.profile)
    profile.write_settings(replace(profile.settings, quorum=quorum))
    click.echo(f"{quorum} of {len(profile.settings.witnesses)} must cosign")


@click.group()
def recovery() -> None:
    """Manage a recovery identity that several people hold together on paper."""


@recovery.command("create")
@click.argument("token")
@shares
@threshold
@pass_options
def recovery_create(options: Options, token: str, shares: int, threshold: int) -> None:
    """Join with TOKEN as a recovery identity, whose key exists only as N paper shares.

    Any K of them restore it. The words are printed once and never stored.
    """
    from sealift.home.recovery import keys_of_master
    from sealift.home.shares import new_master, split_master
    from sealift.people.joining import join as join_relay

    master = new_master()
    words = split_master(master, threshold, shares)
    now = int(datetime.now(UTC).timestamp())
    passphrase = options.passphrase(confirm=True)
    joined = join_relay(
        _read_token(token),
        passphrase,
        profile_name=options.profile,
        keys=keys_of_master(master, now),
    )
    # The identity is on paper now; only its name and fingerprint stay here.
    joined.profile.keystore.unlink()
    click.echo(f"recovery identity {joined.name}:\n  {joined.fingerprint}")
    show_shares(words, threshold)


@recovery.command("require")
@click.argument("name")
@pass_options
def recovery_require(options: Options, name: str) -> None:
    """Give every grant of this profile to the recovery identity NAME too ("none" to stop)."""
    from sealift.home.profile import find_profile
    from sealift_protocol.ids import check_name

    profile = find_profile(options.profile)
    names = () if name == "none" else (check_name(name),)
    if names:
        profile.trust.find(name)
    profile.write_settings(replace(profile.settings, recovery=names))
    click.echo(
        f"every grant also goes to {name}"
        if names
        else "no recovery identity is required"
    )


@recovery.command("restore")
@click.argument("token")
@click.argument("file", type=click.File(), default="-")
@pass_options
def recovery_restore(options: Options, token: str, file: TextIO) -> None:
    """Restore a recovery identity from the shares in FILE, one per line.

    Without FILE, shares are read from stdin; at a terminal you are asked for each in turn. The
    operator makes TOKEN with `sealift-relay invite NAME --again`. Everything that the identity
    opens enters the log.
    """
    from sealift.home.recovery import keys_of_master
    from sealift.people.joining import join as join_relay

    master = read_shares(file)
    now = int(datetime.now(UTC).timestamp())
    joined = join_relay(
        _read_token(token),
        options.passphrase(confirm=True),
        profile_name=options.profile,
        keys=keys_of_master(master, now),
    )
    click.echo(f"restored {joined.name} as profile {joined.profile.folder.name}")


def _read_token(token: str) -> str:
    return sys.stdin.read() if token == "-" else token  # noqa: S105


def _describe_pin(pin: Pin) -> str:
    what = f"{pin.how} {show_time(pin.since)}"
    return what + ("  organisation" if pin.endorses else "")
