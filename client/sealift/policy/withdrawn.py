"""Ready policies that are withdrawn: they were found to let identifiers through.

Records that were pushed under them stay readable; new ones are refused. CHANGELOG.md says what each
let through.
"""

from __future__ import annotations

from sealift_protocol.errors import PolicyViolation

# SHA-256 of the file, and the ready policy that replaces it.
_WITHDRAWN = {
    "d7314f88e71d82e091b500d3a48fe87fae2ed696b454d5fca6efc12f815082ce": "av-frames",
    "f84ef5b11de48bcbce8dcba60cf1a1f70ff732b2183f8d0b753904d11d70260d": "dicom-basic",
    "2475f95e5fd2100afc82316ff02cb72344ae256de07f15b965e6010986e95fc7": "gdpr-pseudonymous",
    "d6c8ada1d61245916e07a840490a9bf560f5b7370d8bedc67be1ae2685702d80": "hipaa-safe-harbor",
    "30c9d55a1614544fa1c53f1e2f696e5713f9a7edbd48b726e0ee69b241c5391e": "pci-transactions",
}


def successor_of(digest: bytes) -> str:
    """Return the ready policy that replaces a withdrawn one; empty if it is not withdrawn."""
    return _WITHDRAWN.get(digest.hex(), "")


def refuse_withdrawn(digest: bytes) -> None:
    """Refuse a policy under which no record is to be pushed any more.

    Raises:
        PolicyViolation: it is a ready policy that was withdrawn.
    """
    successor = successor_of(digest)
    if successor:
        raise PolicyViolation(
            "this version of the policy was withdrawn: it lets identifiers through",
            hint=f"push under the version of {successor} that comes with this release; a dataset "
            "that requires the withdrawn one is brought over with "
            "`session.dataset(dataset).upgrade_policy()`",
        )
