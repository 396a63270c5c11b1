"""Keys in an HSM, a smart card or a token, over PKCS#11.

::

    pkcs11:token=hospital?module-path=/usr/lib/softhsm/libsofthsm2.so

Source: OASIS PKCS#11 version 3.0; RFC 7512 (the URL); RFC 8410 (Edwards curves).
"""

from __future__ import annotations

import hashlib
import os
import queue
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import pkcs11
from asn1crypto.core import OctetString
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, exceptions
from pkcs11.util.ec import encode_named_curve_parameters
from pkcs11.util.rsa import encode_rsa_public_key

from sealift.crypto.suites.hpke import refused
from sealift.keystore.backend import (
    Algorithm,
    AskSecret,
    HeldKey,
    SignatureAlgorithm,
)
from sealift.keystore.backends.encodings import encoded
from sealift.process.secret import Secret
from sealift_protocol.errors import (
    InvalidArgument,
    KeyNotFound,
    KeyOperationUnsupported,
    KeystoreError,
    KeystoreUnavailable,
    TokenLocked,
    WrongPin,
)
from sealift_protocol.objects.cards import WrapSuite

_PREFIX = "sealift-"
_SESSIONS = 4
_ID_SIZE = 16
_RSA_BITS = 3072
_P256_CURVE, _ED25519_CURVE = "secp256r1", "1.3.101.112"
_OAEP = (Mechanism.SHA256, pkcs11.MGF.SHA256, None)
_WHERE = ("token", "serial", "manufacturer", "model", "slot-id")
# After these every session of the process is void: log in again, with the PIN.
_GONE = (
    exceptions.DeviceRemoved,
    exceptions.DeviceError,
    exceptions.SessionClosed,
    exceptions.SessionHandleInvalid,
    exceptions.TokenNotPresent,
    exceptions.NoSuchToken,
    exceptions.UserNotLoggedIn,
    exceptions.SlotIDInvalid,
)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TokenUrl:
    """A parsed PKCS#11 URL.

    Attributes:
        module: path of the vendor's library.
        where: attributes that select the token.
        pin_file: a file with the PIN; empty to ask for the PIN.
    """

    module: str
    where: dict[str, str]
    pin_file: str = ""


def parse_url(url: str) -> TokenUrl:
    """Parse a URL (RFC 7512).

    Raises:
        InvalidArgument: it does not name a token and a library, or contains the PIN.
    """
    path, _, query = url.partition(":")[2].partition("?")
    where = _attributes(path, ";")
    options = _attributes(query, "&")
    if "pin-value" in options:
        raise InvalidArgument(
            "a PIN must not be in a URL, which ends up in files and logs",
            hint="leave it out: you are asked for it, or pass it with `passphrase` or "
            "pin-source=file:",
        )
    unknown = (where.keys() - set(_WHERE)) | (
        options.keys() - {"module-path", "pin-source"}
    )
    module = options.get("module-path", "")
    if unknown or not where or not module:
        raise InvalidArgument(
            "the URL does not name a token and its library",
            hint="write pkcs11:token=LABEL?module-path=/path/to/the/vendors.so",
        )
    return TokenUrl(module, where, options.get("pin-source", "").removeprefix("file:"))


def open_pkcs11(url: str, ask: AskSecret) -> Pkcs11Backend:
    """Open a token; see `OpenBackend`."""
    parsed = parse_url(url)
    if parsed.pin_file:
        try:
            pin = Secret(Path(parsed.pin_file).read_bytes().strip())
        except OSError:
            raise InvalidArgument(
                "the file with the token's PIN cannot be read"
            ) from None
    else:
        pin = ask("PIN of the token")
    return Pkcs11Backend(url, parsed, pin)


class Pkcs11Backend:
    """A token, with the member logged in."""

    def __init__(self, url: str, where: TokenUrl, pin: Secret) -> None:
        """Log in.

        Raises:
            WrongPin, TokenLocked, KeystoreError: the token refused the login.
        """
        self.url = url
        self._where = where
        self._pin = pin
        self._lock = threading.Lock()
        self._sessions: queue.LifoQueue[Any] = queue.LifoQueue()
        self._process = os.getpid()
        self._logged_in = self._refused = self._closed = False
        with _named(), self._session() as session:
            mechanisms = session.token.slot.get_mechanisms()
        ed25519 = {Mechanism.EDDSA, Mechanism.EC_EDWARDS_KEY_PAIR_GEN} <= mechanisms
        self.signatures = (
            *((SignatureAlgorithm.ED25519,) if ed25519 else ()),
            *(
                (SignatureAlgorithm.ECDSA_P256,)
                if Mechanism.ECDSA in mechanisms
                else ()
            ),
        )
        self.suites = (
            *((WrapSuite.P256,) if Mechanism.ECDH1_DERIVE in mechanisms else ()),
            *(
                (WrapSuite.RSA_OAEP_SHA256,)
                if Mechanism.RSA_PKCS_OAEP in mechanisms
                else ()
            ),
        )

    def held_keys(self) -> list[HeldKey]:
        """Return the keys that Sealift made on the token."""

        def listed(session: Any) -> list[HeldKey]:
            found = session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY})
            # A key without an id is another application's, and a search for it finds others too.
            return [
                _held(key) for key in found if key.label.startswith(_PREFIX) and key.id
            ]

        return self._use(listed)

    def create(self, algorithm: Algorithm, label: str) -> HeldKey:
        """Make a key pair, sensitive and not extractable."""

        def created(session: Any) -> HeldKey:
            public, _ = _generate(session, algorithm, f"{_PREFIX}{label}")
            return _held(public)

        return self._use(created)

    def destroy(self, key: HeldKey) -> None:
        """Destroy both halves of a key."""

        def destroyed(session: Any) -> None:
            for half in session.get_objects(
                {Attribute.ID: bytes.fromhex(key.reference)}
            ):
                half.destroy()

        self._use(destroyed)

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        """Return a signature of 64 bytes."""
        if key.algorithm is SignatureAlgorithm.ED25519:
            signed, mechanism = message, Mechanism.EDDSA
        elif key.algorithm is SignatureAlgorithm.ECDSA_P256:
            signed, mechanism = hashlib.sha256(message).digest(), Mechanism.ECDSA
        else:
            raise KeyOperationUnsupported("a recipient key does not sign")
        return self._use(
            lambda s: bytes(_private(s, key).sign(signed, mechanism=mechanism))
        )

    def agree(self, key: HeldKey, point: bytes) -> bytes:
        """Return the x-coordinate of the private key times a point."""
        if key.algorithm is not WrapSuite.P256:
            raise KeyOperationUnsupported(
                "only a P-256 recipient key can derive a shared secret"
            )

        def agreed(session: Any) -> bytes:
            shared = _private(session, key).derive_key(
                KeyType.GENERIC_SECRET,
                256,
                mechanism_param=(pkcs11.KDF.NULL, None, point),
                template={
                    Attribute.TOKEN: False,
                    Attribute.SENSITIVE: False,
                    Attribute.EXTRACTABLE: True,
                },
            )
            try:
                return bytes(shared[Attribute.VALUE])
            finally:
                shared.destroy()

        return self._use(agreed)

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        """Decrypt an RSA-OAEP-SHA256 block."""
        if key.algorithm is not WrapSuite.RSA_OAEP_SHA256:
            raise KeyOperationUnsupported("only an RSA recipient key can decrypt")

        def decrypted(session: Any) -> bytes:
            private = _private(session, key)
            try:
                return bytes(
                    private.decrypt(
                        block, mechanism=Mechanism.RSA_PKCS_OAEP, mechanism_param=_OAEP
                    )
                )
            except (exceptions.EncryptedDataInvalid, exceptions.EncryptedDataLenRange):
                raise refused() from None
            except exceptions.ArgumentsBad:
                raise KeyOperationUnsupported(
                    "the token supports RSA-OAEP only with SHA-1",
                    hint="use a P-256 key: `suites=[WrapSuite.P256]`",
                ) from None

        return self._use(decrypted)

    def close(self) -> None:
        """Log out."""
        self._closed = True
        self._drop_sessions()

    # --- sessions ----------------------------------------------------------------------------

    def _use(self, work: Callable[[Any], _T]) -> _T:
        with _named():
            try:
                with self._session() as session:
                    return work(session)
            except _GONE:
                self._drop_sessions()
                raise

    @contextmanager
    def _session(self) -> Iterator[Any]:
        if self._closed:
            raise KeystoreError("the session with the token was closed")
        if os.getpid() != self._process:
            # The library's state of the token stayed in the parent of the fork.
            self._process = os.getpid()
            self._lock = threading.Lock()
            self._sessions = queue.LifoQueue()
            self._logged_in = False
            pkcs11.lib(self._where.module).reinitialize()
        try:
            session = self._sessions.get_nowait()
        except queue.Empty:
            session = self._log_in()
        try:
            yield session
        except BaseException:
            # A session that failed is not used again.
            _end(session)
            raise
        if self._closed or self._sessions.qsize() >= _SESSIONS:
            session.close()
        else:
            self._sessions.put(session)

    def _log_in(self) -> Any:
        with self._lock:
            token = self._token()
            # A login belongs to the process, not to the session.
            if self._logged_in:
                return token.open(rw=True)
            if self._refused:
                # Another try would use up one of the few that a token allows.
                raise exceptions.PinIncorrect
            try:
                session = token.open(rw=True, user_pin=self._pin.reveal().decode())
            except (
                exceptions.PinIncorrect,
                exceptions.PinInvalid,
                exceptions.PinLenRange,
            ):
                self._refused = True
                raise
            except exceptions.UserAlreadyLoggedIn:
                # Another profile with keys on the same token has logged in.
                session = token.open(rw=True)
            self._logged_in = True
            return session

    def _token(self) -> Any:
        where = self._where.where
        library = pkcs11.lib(self._where.module)
        tokens = [token for token in library.get_tokens() if _fits(token, where)]
        if not tokens:
            # The library lists slots when it starts, so a token added later is missing.
            library.reinitialize()
            raise exceptions.TokenNotPresent
        if len(tokens) > 1:
            raise InvalidArgument(
                "several tokens match the URL",
                hint="add serial=, which `pkcs11-tool -L` shows",
            )
        return tokens[0]

    def _drop_sessions(self) -> None:
        self._logged_in = False
        while True:
            try:
                session = self._sessions.get_nowait()
            except queue.Empty:
                return
            _end(session)


def _end(session: Any) -> None:
    # The session may be gone already.
    with suppress(exceptions.PKCS11Error):
        session.close()


def _generate(session: Any, algorithm: Algorithm, label: str) -> tuple[Any, Any]:
    key_id = secrets.token_bytes(_ID_SIZE)
    common: dict[str, Any] = {"id": key_id, "label": label, "store": True}
    kept = {
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.PRIVATE: True,
    }
    if algorithm is WrapSuite.RSA_OAEP_SHA256:
        pair: tuple[Any, Any] = session.generate_keypair(
            KeyType.RSA,
            _RSA_BITS,
            **common,
            capabilities=pkcs11.MechanismFlag.DECRYPT | pkcs11.MechanismFlag.ENCRYPT,
            private_template=kept,
        )
        return pair
    kind, curve, flag, mechanism = {
        SignatureAlgorithm.ED25519: (
            KeyType.EC_EDWARDS,
            _ED25519_CURVE,
            pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
            Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        ),
        SignatureAlgorithm.ECDSA_P256: (
            KeyType.EC,
            _P256_CURVE,
            pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
            Mechanism.EC_KEY_PAIR_GEN,
        ),
        WrapSuite.P256: (
            KeyType.EC,
            _P256_CURVE,
            pkcs11.MechanismFlag.DERIVE,
            Mechanism.EC_KEY_PAIR_GEN,
        ),
    }.get(algorithm) or _unsupported()
    parameters = session.create_domain_parameters(
        kind, {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
    )
    made: tuple[Any, Any] = parameters.generate_keypair(
        **common, mechanism=mechanism, capabilities=flag, private_template=kept
    )
    return made


def _unsupported() -> Any:
    raise KeyOperationUnsupported(
        "a token does not support keys of this kind",
        hint="use P-256, or RSA-OAEP-SHA256 if the token supports it",
    )


def _private(session: Any, key: HeldKey) -> Any:
    return session.get_key(
        object_class=ObjectClass.PRIVATE_KEY, id=bytes.fromhex(key.reference)
    )


def _held(public: Any) -> HeldKey:
    label = str(public.label)
    algorithm: Algorithm
    if public.key_type is KeyType.RSA:
        algorithm = WrapSuite.RSA_OAEP_SHA256
        public_key = encoded(load_der_public_key(encode_rsa_public_key(public)))
    else:
        # DER of an OCTET STRING (PKCS#11 3.0 section 6.3.3).
        public_key = bytes(OctetString.load(public[Attribute.EC_POINT]))
        if public.key_type is KeyType.EC_EDWARDS:
            algorithm = SignatureAlgorithm.ED25519
        elif public[Attribute.VERIFY]:
            algorithm = SignatureAlgorithm.ECDSA_P256
        else:
            algorithm = WrapSuite.P256
    return HeldKey(public.id.hex(), label, algorithm, public_key)


def _attributes(text: str, separator: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(separator) if pair)
    return {name: unquote(value) for name, _, value in pairs}


def _fits(token: Any, where: dict[str, str]) -> bool:
    found = {
        "token": token.label,
        "serial": token.serial.decode(errors="replace"),
        "manufacturer": token.manufacturer_id,
        "model": token.model,
        "slot-id": str(token.slot.slot_id),
    }
    return all(where.get(name, value) == value for name, value in found.items())


@contextmanager
def _named() -> Iterator[None]:
    """Turn PKCS#11's errors into ours, none of which quotes an argument."""
    try:
        yield
    except (exceptions.PinIncorrect, exceptions.PinInvalid, exceptions.PinLenRange):
        raise WrongPin("the token refused the PIN") from None
    except exceptions.PinLocked:
        raise TokenLocked("the token is locked after too many wrong PINs") from None
    except exceptions.NoSuchKey:
        raise KeyNotFound("the token does not have the key") from None
    except (exceptions.MechanismInvalid, exceptions.FunctionNotSupported):
        raise KeyOperationUnsupported(
            "the token does not support the operation"
        ) from None
    except _GONE:
        raise KeystoreUnavailable(
            "the token is not present, or its session has ended"
        ) from None
    except exceptions.PKCS11Error as error:
        raise KeystoreError(
            f"the token refused: {type(error).__name__}",
            hint="see the vendor's manual for the meaning",
        ) from None
    except RuntimeError:
        raise KeystoreError(
            "the token's library cannot be loaded", hint="check module-path in the URL"
        ) from None
