"""Keys in the transit engine of OpenBao or HashiCorp Vault.

::

    openbao:https://bao.hospital.example:8200?role-id=5b2c...&mount=transit&ca=/etc/ssl/hospital.pem

With `role-id` the member logs in by AppRole and is asked for the secret id; otherwise for a token.

Source: OpenBao API, "Transit secrets engine" and "AppRole auth method"; RFC 7518 section 3.4 (the
requested form of ECDSA signatures).
"""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import hvac
import requests
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hvac import exceptions

from sealift.crypto.suites.hpke import refused
from sealift.keystore.backend import Algorithm, AskSecret, HeldKey, SignatureAlgorithm
from sealift.keystore.backends.encodings import encoded
from sealift.keystore.backends.forks import PerProcess
from sealift.keystore.backends.urls import is_private
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    InvalidArgument,
    KeyDenied,
    KeyNotFound,
    KeyOperationUnsupported,
    KeystoreError,
    KeystoreThrottled,
    KeystoreTimeout,
    KeystoreUnavailable,
    WrongPin,
)
from sealift_protocol.objects.cards import WrapSuite

_PREFIX = "sealift-"
# A server may rotate keys by itself; the published key is the first version.
_VERSION = 1
_SECONDS = 15.0
_KINDS: dict[Algorithm, str] = {
    SignatureAlgorithm.ED25519: "ed25519",
    SignatureAlgorithm.ECDSA_P256: "ecdsa-p256",
    WrapSuite.RSA_OAEP_SHA256: "rsa-3072",
}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """The parsed URL of a server.

    Attributes:
        address: scheme, host and port.
        mount: mount point of the transit engine.
        role_id: role id of the AppRole; empty for a login by token.
        authority: file with the CA's certificate; empty for the system's CAs.
        namespace: the namespace; empty for none.
    """

    address: str
    mount: str = "transit"
    role_id: str = ""
    authority: str = ""
    namespace: str = ""


def parse_url(url: str) -> ServerUrl:
    """Parse a URL.

    Raises:
        InvalidArgument: it is malformed, contains a secret, or would send one without TLS.
    """
    parts = urlsplit(url.partition(":")[2])
    options = dict(parse_qsl(parts.query))
    unknown = options.keys() - {"mount", "role-id", "ca", "namespace"}
    if unknown or parts.username or not is_private(parts):
        raise InvalidArgument(
            "the URL does not name a server over TLS, or has a secret in it",
            hint="write openbao:https://HOST:8200?role-id=ID; you are asked for the secret id",
        )
    if "ca" in options and not Path(options["ca"]).is_file():
        raise InvalidArgument(
            "the file with the server's CA certificate cannot be read"
        )
    return ServerUrl(
        f"{parts.scheme}://{parts.netloc}",
        options.get("mount", "transit"),
        options.get("role-id", ""),
        options.get("ca", ""),
        options.get("namespace", ""),
    )


def open_openbao(url: str, ask: AskSecret) -> OpenBaoBackend:
    """Log in to a server; see `OpenBackend`."""
    where = parse_url(url)
    what = "secret id of the AppRole" if where.role_id else "token of the server"
    return OpenBaoBackend(url, where, ask(what))


@dataclass(slots=True)
class _Login:
    """A login of one process.

    Attributes:
        client: has the login's token and connections.
        renew_at: when to renew the login, seconds of the backend's clock.
        lock: protects both.
    """

    client: hvac.Client
    renew_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class OpenBaoBackend:
    """A transit engine, with the member logged in."""

    signatures = (SignatureAlgorithm.ED25519, SignatureAlgorithm.ECDSA_P256)
    suites = (WrapSuite.RSA_OAEP_SHA256,)

    def __init__(
        self,
        url: str,
        where: ServerUrl,
        secret: Secret,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Log in.

        Raises:
            WrongPin, KeystoreError: the server refused the login.
        """
        self.url = url
        self._where = where
        self._secret = secret
        self._clock = clock
        with _named():
            self._logins = PerProcess(self._log_in)

    def held_keys(self) -> list[HeldKey]:
        """Return the keys that Sealift made in the engine and whose first version still exists."""

        def listed(transit: Any) -> list[HeldKey]:
            try:
                names = transit.list_keys(mount_point=self._where.mount)["data"]["keys"]
            except exceptions.InvalidPath:
                # The server reports an empty list this way.
                return []
            found = (
                self._read(transit, name) for name in names if name.startswith(_PREFIX)
            )
            return [key for key in found if key is not None]

        return self._use(listed)

    def create(self, algorithm: Algorithm, label: str) -> HeldKey:
        """Make a key that is not exportable."""
        kind = _KINDS.get(algorithm)
        if kind is None:
            raise KeyOperationUnsupported(
                "a transit engine does not support keys of this kind",
                hint="use rsa-oaep-sha256",
            )
        name = f"{_PREFIX}{label}-{secrets.token_hex(8)}"

        def created(transit: Any) -> HeldKey:
            transit.create_key(
                name,
                key_type=kind,
                exportable=False,
                allow_plaintext_backup=False,
                mount_point=self._where.mount,
            )
            held = self._read(transit, name)
            if held is None:
                raise KeyNotFound("the server does not have the key that it just made")
            return held

        return self._use(created)

    def destroy(self, key: HeldKey) -> None:
        """Destroy a key, after allowing its deletion."""

        def destroyed(transit: Any) -> None:
            transit.update_key_configuration(
                key.reference, deletion_allowed=True, mount_point=self._where.mount
            )
            transit.delete_key(key.reference, mount_point=self._where.mount)

        self._use(destroyed)

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        """Return a signature of 64 bytes."""
        if not isinstance(key.algorithm, SignatureAlgorithm):
            raise KeyOperationUnsupported("a recipient key does not sign")
        raw = key.algorithm is SignatureAlgorithm.ECDSA_P256
        form = (
            {"hash_algorithm": "sha2-256", "marshaling_algorithm": "jws"} if raw else {}
        )

        def signed(transit: Any) -> bytes:
            answer = transit.sign_data(
                key.reference,
                hash_input=base64.b64encode(message).decode(),
                key_version=_VERSION,
                mount_point=self._where.mount,
                **form,
            )
            text = answer["data"]["signature"].rpartition(":")[2]
            return (
                base64.urlsafe_b64decode(text + "==") if raw else base64.b64decode(text)
            )

        return self._use(signed)

    def agree(self, key: HeldKey, point: bytes) -> bytes:
        """Not supported: a transit engine has no Diffie-Hellman."""
        del key, point
        raise KeyOperationUnsupported("a transit engine has no Diffie-Hellman")

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        """Decrypt an RSA-OAEP-SHA256 block."""

        def decrypted(transit: Any) -> bytes:
            try:
                answer = transit.decrypt_data(
                    key.reference,
                    ciphertext=f"vault:v{_VERSION}:{base64.b64encode(block).decode()}",
                    mount_point=self._where.mount,
                )
            except exceptions.InvalidRequest as error:
                if "not found" in str(error):
                    raise
                raise refused() from None
            except exceptions.InternalServerError as error:
                # The server reports a failed RSA decryption as its own internal error.
                if "decrypt" not in str(error):
                    raise
                raise refused() from None
            return base64.b64decode(answer["data"]["plaintext"])

        return self._use(decrypted)

    def close(self) -> None:
        """Close the connections; the login expires by itself."""
        self._logins.get().client.adapter.close()

    # --- login -------------------------------------------------------------------------------

    def _use(self, work: Callable[[Any], _T]) -> _T:
        with _named():
            login = self._logins.get()
            with login.lock:
                if self._clock() >= login.renew_at:
                    self._renew(login)
            try:
                return work(login.client.secrets.transit)
            except exceptions.Forbidden:
                if not self._where.role_id:
                    raise
            # An administrator may have revoked the login.
            with login.lock:
                self._give_secret(login)
            return work(login.client.secrets.transit)

    def _log_in(self) -> _Login:
        client = hvac.Client(
            url=self._where.address,
            verify=self._where.authority or True,
            timeout=_SECONDS,
            namespace=self._where.namespace or None,
        )
        login = _Login(client)
        self._give_secret(login)
        return login

    def _give_secret(self, login: _Login) -> None:
        text = self._secret.reveal().decode(errors="replace")
        try:
            if self._where.role_id:
                answer = login.client.auth.approle.login(
                    self._where.role_id, secret_id=text
                )
                self._keep(login, answer["auth"]["lease_duration"])
                return
            login.client.token = text
            data = login.client.auth.token.lookup_self()["data"]
        except (
            exceptions.InvalidRequest,
            exceptions.Forbidden,
            exceptions.Unauthorized,
        ):
            raise WrongPin(
                "the server refused the login",
                hint="check the role id and secret id, or the token, and whether it has expired",
            ) from None
        self._keep(login, data["ttl"])

    def _renew(self, login: _Login) -> None:
        try:
            answer = login.client.auth.token.renew_self()
        except (exceptions.Forbidden, exceptions.InvalidRequest):
            # The login cannot be renewed, or has expired.
            self._give_secret(login)
            return
        self._keep(login, answer["auth"]["lease_duration"])

    def _keep(self, login: _Login, seconds: float) -> None:
        """Schedule renewal at half of a login's life; a root token, with 0, never expires."""
        login.renew_at = self._clock() + seconds / 2 if seconds else float("inf")

    def _read(self, transit: Any, name: str) -> HeldKey | None:
        """Return a key; None if it or its first version is gone, or its kind is not Sealift's."""
        try:
            data = transit.read_key(name, mount_point=self._where.mount)["data"]
        except exceptions.InvalidPath:
            return None
        algorithm = next(
            (a for a, kind in _KINDS.items() if kind == data["type"]), None
        )
        first = data["keys"].get(str(_VERSION))
        if algorithm is None or first is None:
            return None
        if algorithm is SignatureAlgorithm.ED25519:
            return HeldKey(name, name, algorithm, base64.b64decode(first["public_key"]))
        public = load_pem_public_key(first["public_key"].encode())
        return HeldKey(name, name, algorithm, encoded(public))


@contextmanager
def _named() -> Iterator[None]:
    """Turn the server's errors into ours, none of which quotes what was sent."""
    try:
        yield
    except exceptions.Forbidden:
        raise KeyDenied("the server's policy denied the operation") from None
    except exceptions.InvalidPath:
        raise KeyNotFound(
            "the server does not have the key, or does not have this engine"
        ) from None
    except exceptions.RateLimitExceeded:
        raise KeystoreThrottled(
            "the server is throttling calls at the moment"
        ) from None
    except (
        exceptions.VaultDown,
        exceptions.InternalServerError,
        exceptions.BadGateway,
    ):
        raise KeystoreUnavailable(
            "the server is sealed, starting, or has failed"
        ) from None
    except exceptions.InvalidRequest as error:
        if "not found" in str(error):
            raise KeyNotFound("the server does not have the key") from None
        raise KeystoreError(
            "the server refused the request", hint="see the server's log for the reason"
        ) from None
    except exceptions.VaultError as error:
        raise KeystoreError(
            f"the server refused: {type(error).__name__}",
            hint="see the server's log for the reason",
        ) from None
    except requests.Timeout:
        raise KeystoreTimeout("the server did not answer in time") from None
    except requests.exceptions.SSLError:
        raise KeystoreError(
            "the server's certificate is not from a trusted CA",
            hint="name the CA's certificate in the URL: ca=/path/to/ca.pem",
        ) from None
    except OSError:
        # Errors of requests are subclasses of OSError.
        raise KeystoreUnavailable("the server cannot be reached") from None
