"""Keys in Azure Key Vault or Managed HSM.

::

    azurekeyvault:https://hospital.vault.azure.net?hsm=true

Credentials are those of azure-identity's DefaultAzureCredential. With `hsm=true` new keys are made
in an HSM, which needs a vault of the Premium tier; in a Managed HSM all keys are.

Source: Azure Key Vault REST API 2025-07-01; RFC 7518 section 3.4 (the form of its signatures).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from azure.core import exceptions
from azure.identity import DefaultAzureCredential
from azure.keyvault.keys import KeyClient, KeyProperties, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm
from azure.keyvault.keys.crypto import SignatureAlgorithm as VaultSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sealift.crypto.suites.hpke import refused
from sealift.keystore.backend import Algorithm, AskSecret, HeldKey, SignatureAlgorithm
from sealift.keystore.backends.encodings import encoded
from sealift.keystore.backends.forks import PerProcess
from sealift.process.log import keep_debug_off, log
from sealift_protocol.errors import (
    InvalidArgument,
    KeyDenied,
    KeyNotFound,
    KeyOperationUnsupported,
    KeystoreError,
    KeystoreThrottled,
    KeystoreTimeout,
    KeystoreUnavailable,
)
from sealift_protocol.objects.cards import WrapSuite

_PREFIX = "sealift-"
# Only keys with this tag are Sealift's.
_TAG = {"sealift": "key"}
_SECONDS = 15
_DELETED_WITHIN = 30
_RSA_BITS = 3072


@dataclass(frozen=True, slots=True)
class VaultUrl:
    """The parsed URL of a vault.

    Attributes:
        address: scheme, host and port.
        hsm: whether new keys are made in an HSM.
    """

    address: str
    hsm: bool = False


def parse_url(url: str) -> VaultUrl:
    """Parse a URL.

    Raises:
        InvalidArgument: it does not name a vault over TLS, or contains a secret.
    """
    parts = urlsplit(url.partition(":")[2])
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    hsm = options.get("hsm", "false")
    if (
        options.keys() - {"hsm"}
        or hsm not in ("true", "false")
        or parts.scheme != "https"
        or not parts.hostname
        or parts.username is not None
        or parts.path not in ("", "/")
    ):
        raise InvalidArgument(
            "the URL does not name a key vault over TLS, or has a secret in it",
            hint="write azurekeyvault:https://VAULT.vault.azure.net?hsm=true",
        )
    return VaultUrl(f"https://{parts.netloc}", hsm == "true")


def open_azurekeyvault(url: str, ask: AskSecret) -> AzureKeyVaultBackend:
    """Make a client for a vault, without asking for a secret; see `OpenBackend`."""
    del ask
    where = parse_url(url)
    # At DEBUG the SDK may log bodies, which contain decrypted secrets.
    keep_debug_off(
        "azure", "azure.core.pipeline.policies._universal", "azure.identity", "msal"
    )
    bounds = {"connection_timeout": _SECONDS, "read_timeout": _SECONDS}

    def clients() -> Clients:
        credential = DefaultAzureCredential(**bounds)
        # `patiently` retries; a second layer of retries would multiply them.
        return Clients(
            KeyClient(where.address, credential, retry_total=0, **bounds), credential
        )

    with _named():
        return AzureKeyVaultBackend(url, clients)


@dataclass(frozen=True, slots=True)
class Clients:
    """The SDK's clients for a vault.

    Attributes:
        keys: makes and lists keys.
        credential: logs in.
        users: clients that use a key, by key id; each fetches its key from the vault once.
    """

    keys: KeyClient
    credential: DefaultAzureCredential
    users: dict[str, CryptographyClient] = field(default_factory=dict)


class AzureKeyVaultBackend:
    """The keys of a vault."""

    signatures = (SignatureAlgorithm.ECDSA_P256,)
    suites = (WrapSuite.RSA_OAEP_SHA256,)

    def __init__(self, url: str, clients: Callable[[], Clients]) -> None:
        self.url = url
        self._hsm = parse_url(url).hsm
        self._clients = PerProcess(clients)

    def held_keys(self) -> list[HeldKey]:
        """Return the keys with Sealift's tag."""
        with _named():
            return [
                _read(self._first_version(key))
                for key in self._clients.get().keys.list_properties_of_keys()
                if (key.tags or {}).items() >= _TAG.items() and key.enabled
            ]

    def create(self, algorithm: Algorithm, label: str) -> HeldKey:
        """Make a key that is not exportable."""
        name = f"{_PREFIX}{label}-{secrets.token_hex(8)}"
        common: dict[str, Any] = {"hardware_protected": self._hsm, "tags": _TAG}
        with _named():
            keys = self._clients.get().keys
            if algorithm is SignatureAlgorithm.ECDSA_P256:
                uses = ["sign", "verify"]
                return _read(
                    keys.create_ec_key(
                        name, curve="P-256", key_operations=uses, **common
                    )
                )
            if algorithm is WrapSuite.RSA_OAEP_SHA256:
                uses = ["encrypt", "decrypt"]
                return _read(
                    keys.create_rsa_key(
                        name, size=_RSA_BITS, key_operations=uses, **common
                    )
                )
        raise KeyOperationUnsupported(
            "a key vault does not support keys of this kind", hint="use rsa-oaep-sha256"
        )

    def destroy(self, key: HeldKey) -> None:
        """Delete a key, and purge it if the vault allows that immediately."""
        with _named():
            poller = self._clients.get().keys.begin_delete_key(key.label)
        self._clients.get().users.pop(key.reference, None)
        if "Purgeable" not in (poller.result().properties.recovery_level or ""):
            return
        try:
            poller.wait(_DELETED_WITHIN)
            self._clients.get().keys.purge_deleted_key(key.label)
        except exceptions.AzureError as error:
            # Purging needs a separate permission. The key is out of use in any case, and the vault
            # destroys it when its retention period for deleted keys ends.
            log.info("leave_key_unpurged", error=type(error).__name__)

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        """Return a signature of 64 bytes."""
        if key.algorithm is not SignatureAlgorithm.ECDSA_P256:
            raise KeyOperationUnsupported("a recipient key does not sign")
        with _named():
            digest = hashlib.sha256(message).digest()
            return self._user(key).sign(VaultSignature.es256, digest).signature

    def agree(self, key: HeldKey, point: bytes) -> bytes:
        """Not supported: recipient keys in a key vault are RSA keys."""
        del key, point
        raise KeyOperationUnsupported("recipient keys in a key vault must be RSA keys")

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        """Decrypt an RSA-OAEP-SHA256 block."""
        if key.algorithm is not WrapSuite.RSA_OAEP_SHA256:
            raise KeyOperationUnsupported("a signing key does not unwrap")
        with _named():
            try:
                return (
                    self._user(key)
                    .decrypt(EncryptionAlgorithm.rsa_oaep_256, block)
                    .plaintext
                )
            except exceptions.HttpResponseError as error:
                if error.status_code != 400:
                    raise
                raise refused() from None

    def close(self) -> None:
        """Close the connections."""
        clients = self._clients.get()
        clients.keys.close()
        clients.credential.close()

    def _user(self, key: HeldKey) -> CryptographyClient:
        clients = self._clients.get()
        user = clients.users.get(key.reference)
        if user is None:
            version = key.reference.rpartition("/")[2]
            user = clients.keys.get_cryptography_client(key.label, key_version=version)
            clients.users[key.reference] = user
        return user

    def _first_version(self, key: KeyProperties) -> KeyVaultKey:
        """Return the version that Sealift made; a vault may add versions by rotating keys."""
        versions = self._clients.get().keys.list_properties_of_key_versions(key.name)
        first = min(versions, key=_created)
        return self._clients.get().keys.get_key(key.name, first.version)


def _created(version: KeyProperties) -> float:
    # The service always sends the time, but the SDK's type allows None.
    return version.created_on.timestamp() if version.created_on else 0.0


def _read(key: KeyVaultKey) -> HeldKey:
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    material: Any = key.key
    algorithm: Algorithm
    if material.kty.startswith("EC") and material.crv == "P-256":
        x, y = (int.from_bytes(part) for part in (material.x, material.y))
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        algorithm = SignatureAlgorithm.ECDSA_P256
    elif material.kty.startswith("RSA"):
        e, n = (int.from_bytes(part) for part in (material.e, material.n))
        public = rsa.RSAPublicNumbers(e, n).public_key()
        algorithm = WrapSuite.RSA_OAEP_SHA256
    else:
        raise KeystoreError(
            "a key with Sealift's tag is of a kind that Sealift does not use",
            hint="remove the tag `sealift` from it in the Azure portal",
        )
    return HeldKey(key.id, key.name, algorithm, encoded(public))


@contextmanager
def _named() -> Iterator[None]:
    """Turn the SDK's errors into ours, none of which quotes what was sent."""
    try:
        yield
    except exceptions.ClientAuthenticationError:
        raise KeyDenied(
            "there are no Azure credentials, or the vault does not accept them",
            hint="run `az login`, or check this machine's managed identity",
        ) from None
    except exceptions.HttpResponseError as error:
        raise _by_code(error.status_code or 0) from None
    except (
        exceptions.ServiceRequestTimeoutError,
        exceptions.ServiceResponseTimeoutError,
    ):
        raise KeystoreTimeout("the key vault did not answer in time") from None
    except exceptions.AzureError:
        raise KeystoreUnavailable("the key vault cannot be reached") from None
    except ValueError:
        # An authentication challenge for another resource, or an answer that is not JSON.
        raise KeystoreError(
            "the server at that address is not a key vault",
            hint="check the URL of the keystore",
        ) from None


def _by_code(code: int) -> KeystoreError:
    if code == 404:
        return KeyNotFound("the key vault does not have the key, or has deleted it")
    if code == 403:
        return KeyDenied("the key vault denied the operation to these credentials")
    if code == 429:
        return KeystoreThrottled("the key vault is throttling calls at the moment")
    if code in (408, 504):
        return KeystoreTimeout("the key vault did not answer in time")
    if code >= 500:
        return KeystoreUnavailable("the key vault failed temporarily")
    return KeystoreError(
        f"the key vault refused: HTTP {code}",
        hint="see its REST reference for the meaning",
    )
