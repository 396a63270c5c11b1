"""Keys in the transit engine of OpenBao or HashiCorp Vault.

::

    openbao:https://bao.hospital.example:8200?role-id=5b2c...&mount=transit&ca=/etc/ssl/hospital.pem

With `role-id` the member logs in by AppRole and is asked for the secret id; without, for a token.

Source: OpenBao API, "Transit secrets engine" and "AppRole auth method"; RFC 7518 section 3.4 (the
form of ECDSA signatures that is asked for).
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
# A server may rotate keys by itself; what was published is the first version.
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
    """What the URL of a server says.

    Attributes:
        address: scheme, host and port.
        mount: of the transit engine.
        role_id: of the AppRole; empty if a token is asked for.
        authority: file with the CA's certificate; empty for the system's.
        namespace: empty for none.
    """

    address: str
    mount: str = "transit"
    role_id: str = ""
    authority: str = ""
    namespace: str = ""


def parse_url(url: str) -> ServerUrl:
    """Reads a URL.

    Raises:
        InvalidArgument: it is none, has a secret in it, or would send one in the clear.
    """
    parts = urlsplit(url.partition(":")[2])
    options = dict(parse_qsl(parts.query))
    unknown = options.keys() - {"mount", "role-id", "ca", "namespace"}
    if unknown or parts.username or not is_private(parts):
        raise InvalidArgument(
            "this does not name a server, over TLS and without a secret in it",
            hint="write openbao:https://HOST:8200?role-id=ID; the secret id is asked for",
        )
    if "ca" in options and not Path(options["ca"]).is_file():
        raise InvalidArgument("the file of the server's CA cannot be read")
    return ServerUrl(
        f"{parts.scheme}://{parts.netloc}",
        options.get("mount", "transit"),
        options.get("role-id", ""),
        options.get("ca", ""),
        options.get("namespace", ""),
    )


def open_openbao(url: str, ask: AskSecret) -> OpenBaoBackend:
    """Logs in to a server; see `OpenBackend`."""
    where = parse_url(url)
    what = "secret id of the AppRole" if where.role_id else "token of the server"
    return OpenBaoBackend(url, where, ask(what))


@dataclass(slots=True)
class _Login:
    """A process's own.

    Attributes:
        client: has its token and its connections.
        renew_at: seconds of the backend's clock.
        lock: of both.
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
        """Logs in.

        Raises:
            WrongPin, KeystoreError: the server does not let the member in.
        """
        self.url = url
        self._where = where
        self._secret = secret
        self._clock = clock
        with _named():
            self._logins = PerProcess(self._log_in)

    def held_keys(self) -> list[HeldKey]:
        """The keys in the engine that Sealift made, and whose first version is there still."""

        def listed(transit: Any) -> list[HeldKey]:
            try:
                names = transit.list_keys(mount_point=self._where.mount)["data"]["keys"]
            except exceptions.InvalidPath:
                # That is how it says that there are none.
                return []
            found = (
                self._read(transit, name) for name in names if name.startswith(_PREFIX)
            )
            return [key for key in found if key is not None]

        return self._use(listed)

    def create(self, algorithm: Algorithm, label: str) -> HeldKey:
        """A fresh key that is not exportable."""
        kind = _KINDS.get(algorithm)
        if kind is None:
            raise KeyOperationUnsupported(
                "a transit engine has no keys of this kind", hint="use rsa-oaep-sha256"
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
                raise KeyNotFound("the server does not have the key that it made")
            return held

        return self._use(created)

    def destroy(self, key: HeldKey) -> None:
        """Destroys a key, which has to be allowed first."""

        def destroyed(transit: Any) -> None:
            transit.update_key_configuration(
                key.reference, deletion_allowed=True, mount_point=self._where.mount
            )
            transit.delete_key(key.reference, mount_point=self._where.mount)

        self._use(destroyed)

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        """A signature, 64 bytes."""
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
        """Is not to be had."""
        del key, point
        raise KeyOperationUnsupported("a transit engine has no Diffie-Hellman")

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        """What an RSA-OAEP-SHA256 block carries."""

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
                # What RSA cannot decrypt is the server's failure, to the server.
                if "decrypt" not in str(error):
                    raise
                raise refused() from None
            return base64.b64decode(answer["data"]["plaintext"])

        return self._use(decrypted)

    def close(self) -> None:
        """Ends the connections; the login ends by itself."""
        self._logins.get().client.adapter.close()

    # --- being logged in ---------------------------------------------------------------------

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
            # The login may have been ended from outside.
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
                "the server does not take what it was given to log in",
                hint="check role id and secret id, or the token, and whether it has expired",
            ) from None
        self._keep(login, data["ttl"])

    def _renew(self, login: _Login) -> None:
        try:
            answer = login.client.auth.token.renew_self()
        except (exceptions.Forbidden, exceptions.InvalidRequest):
            # It cannot be renewed, or has ended.
            self._give_secret(login)
            return
        self._keep(login, answer["auth"]["lease_duration"])

    def _keep(self, login: _Login, seconds: float) -> None:
        """Renews at half of a login's life; a root token lives for ever, and says 0."""
        login.renew_at = self._clock() + seconds / 2 if seconds else float("inf")

    def _read(self, transit: Any, name: str) -> HeldKey | None:
        """A key; None if it, or its first version, is gone, or of a kind that nobody made here."""
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
    """The server's errors by ours; none of them quotes what was sent."""
    try:
        yield
    except exceptions.Forbidden:
        raise KeyDenied("the server's policy does not allow it") from None
    except exceptions.InvalidPath:
        raise KeyNotFound(
            "the server does not have the key, or not this engine"
        ) from None
    except exceptions.RateLimitExceeded:
        raise KeystoreThrottled("the server takes no more calls for a moment") from None
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
            "the server refused the request", hint="its log says why"
        ) from None
    except exceptions.VaultError as error:
        raise KeystoreError(
            f"the server refused: {type(error).__name__}", hint="its log says why"
        ) from None
    except requests.Timeout:
        raise KeystoreTimeout("the server did not answer in time") from None
    except requests.exceptions.SSLError:
        raise KeystoreError(
            "the server's certificate is not from a CA that is trusted",
            hint="name the CA's certificate in the URL: ca=/path/to/ca.pem",
        ) from None
    except OSError:
        # requests' own errors are of this kind.
        raise KeystoreUnavailable("the server cannot be reached") from None
