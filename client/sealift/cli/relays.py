"""Commands for the addresses of this profile's relay."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from sealift.cli.options import Options, as_json, pass_options
from sealift.cli.output import show
from sealift_protocol.errors import InvalidArgument

if TYPE_CHECKING:
    from sealift.home.profile import Profile
    from sealift.keystore.keychain import Keychain


@click.group()
def relay() -> None:
    """Manage the addresses of your relay: if one is unreachable, the next is used."""


@relay.command("ls")
@as_json
@pass_options
def relay_ls(options: Options, as_json: bool) -> None:
    """List the addresses, in the order they are tried."""
    from sealift.home.profile import find_profile

    addresses = _addresses(find_profile(options.profile))
    show("\n".join(addresses), {"relays": addresses}, as_json)


@relay.command("add")
@click.argument("address", metavar="HOST:PORT")
@as_json
@pass_options
def relay_add(options: Options, address: str, as_json: bool) -> None:
    """Add HOST:PORT, another address of the same relay.

    The address must answer now. It is added only if its certificate is from your relay's CA and
    its log is consistent with the log that you have seen.
    """
    from sealift.home.profile import find_profile

    profile = find_profile(options.profile)
    entries = _check_same_relay(profile, options.keychain(), address)
    settings = profile.settings
    if address not in _addresses(profile):
        profile.write_settings(replace(settings, relays=(*settings.relays, address)))
    known = _addresses(profile)
    show(
        f"{address} is the same relay: its log has {entries:,} entries; "
        f"addresses known: {len(known)}",
        {"relays": known, "log_entries": entries},
        as_json,
    )


@relay.command("remove")
@click.argument("address", metavar="HOST:PORT")
@as_json
@pass_options
def relay_remove(options: Options, address: str, as_json: bool) -> None:
    """Stop using HOST:PORT. Calls continue at the addresses that are left."""
    from sealift.home.profile import find_profile

    profile = find_profile(options.profile)
    settings = profile.settings
    if address not in settings.relays:
        raise InvalidArgument(
            "this address was not added",
            hint="`sealift relay ls` lists the addresses",
        )
    remaining = tuple(known for known in settings.relays if known != address)
    profile.write_settings(replace(settings, relays=remaining))
    known = _addresses(profile)
    show(f"removed {address}", {"relays": known}, as_json)


def _addresses(profile: Profile) -> list[str]:
    return list(dict.fromkeys([profile.membership().address, *profile.settings.relays]))


def _check_same_relay(profile: Profile, keychain: Keychain, address: str) -> int:
    """Check that a server is a host of the profile's relay; return the size of its log.

    Raises:
        InvalidArgument: the address is not host:port.
        RelayUntrusted: its certificate is not from the relay's CA.
        LogInvalid: its log is not signed with the relay's log key, or is not the one seen before.
        RollbackDetected: its log is shorter than the one seen before.
    """
    from sealift.history.logview import LogView
    from sealift.home.lastseen import last_seen_key
    from sealift.keystore.tlskeys import channel_key
    from sealift.process.clock import utc_now
    from sealift.relay.transport import Relay
    from sealift_protocol.notes import VerifierKey

    keys = keychain.keys
    with Relay(
        address,
        authority_pem=profile.authority.read_bytes(),
        certificate_pem=profile.certificate.read_bytes(),
        tls_key=channel_key(keychain.custody.tls_key(keys)),
    ) as there:
        view = LogView(
            there,
            VerifierKey.parse(profile.membership().log_key),
            profile.settings,
            profile.last_seen(last_seen_key(keys)),
            utc_now,
        )
        _, checkpoint = view.advance()
    return checkpoint.size
