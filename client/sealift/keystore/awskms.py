"""Keys in AWS Key Management Service.

::

    awskms:eu-central-1

Credentials are those of the AWS SDK: environment, profile, instance role.

Source: AWS KMS API reference 2014-11-01.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

import boto3
from botocore import exceptions
from botocore.config import Config
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from sealift.keystore.backend import Algorithm, AskSecret, HeldKey, SignatureAlgorithm
from sealift.keystore.forks import PerProcess
from sealift.keystore.publickeys import encoded
from sealift.keystore.signatures import raw_signature
from sealift.log import keep_debug_off
from sealift.suites.hpke import refused
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
from sealift_protocol.objects import WrapSuite

_ALIAS = "alias/sealift-"
# The least that the service allows.
_DAYS_UNTIL_DELETION = 7
_SECONDS = 15
# What the service hashes itself; of a longer message it takes the digest.
_MAX_MESSAGE = 4096
_SPECS: dict[Algorithm, tuple[str, str]] = {
    SignatureAlgorithm.ECDSA_P256: ("SIGN_VERIFY", "ECC_NIST_P256"),
    WrapSuite.RSA_OAEP_SHA256: ("ENCRYPT_DECRYPT", "RSA_3072"),
}
_GONE = ("NotFoundException", "KMSInvalidStateException", "DisabledException")
_DENIED = ("AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException")
_BUSY = ("ThrottlingException", "LimitExceededException", "TooManyRequestsException")
_DOWN = ("KMSInternalException", "DependencyTimeoutException", "ServiceUnavailable")


def open_awskms(url: str, ask: AskSecret) -> AwsKmsBackend:
    """Makes a client for a region; see `OpenBackend`. Nothing is asked for."""
    del ask
    region, _, query = url.partition(":")[2].partition("?")
    options = dict(parse_qsl(query))
    if not region or options.keys() - {"endpoint", "profile"}:
        raise InvalidArgument(
            "this does not name a region of AWS", hint="write awskms:eu-central-1"
        )
    # At DEBUG it writes answers into the log, and with them what was decrypted.
    keep_debug_off("botocore", "boto3")

    def client() -> Any:
        session = boto3.session.Session(profile_name=options.get("profile"), region_name=region)
        return session.client(
            "kms",
            endpoint_url=options.get("endpoint"),
            # Trying again is `patiently`'s business, or it would be done twice.
            config=Config(
                connect_timeout=_SECONDS,
                read_timeout=_SECONDS,
                retries={"total_max_attempts": 1},
            ),
        )

    with _named():
        return AwsKmsBackend(url, client)


class AwsKmsBackend:
    """The keys of one account and region."""

    signatures = (SignatureAlgorithm.ECDSA_P256,)
    suites = (WrapSuite.RSA_OAEP_SHA256,)

    def __init__(self, url: str, client: Callable[[], Any]) -> None:
        self.url = url
        self._clients = PerProcess(client)

    def held_keys(self) -> list[HeldKey]:
        """The keys with an alias of Sealift's."""
        held = []
        with _named():
            for page in self._clients.get().get_paginator("list_aliases").paginate():
                held += [
                    self._read(alias["TargetKeyId"], alias["AliasName"])
                    for alias in page["Aliases"]
                    if alias["AliasName"].startswith(_ALIAS) and "TargetKeyId" in alias
                ]
        return held

    def create(self, algorithm: Algorithm, label: str) -> HeldKey:
        """A fresh key; no key leaves the service."""
        if algorithm not in _SPECS:
            raise KeyOperationUnsupported(
                "AWS KMS has no keys of this kind", hint="use rsa-oaep-sha256"
            )
        usage, spec = _SPECS[algorithm]
        alias = f"{_ALIAS}{label}-{secrets.token_hex(8)}"
        with _named():
            made = self._clients.get().create_key(KeyUsage=usage, KeySpec=spec)["KeyMetadata"]
            self._clients.get().create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
            return self._read(made["KeyId"], alias)

    def destroy(self, key: HeldKey) -> None:
        """Takes a key out of use now; the service deletes it after seven days."""
        with _named():
            self._clients.get().delete_alias(AliasName=key.label)
            self._clients.get().schedule_key_deletion(
                KeyId=key.reference, PendingWindowInDays=_DAYS_UNTIL_DELETION
            )

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        """A signature, 64 bytes."""
        if key.algorithm is not SignatureAlgorithm.ECDSA_P256:
            raise KeyOperationUnsupported("a recipient key does not sign")
        signed, kind = message, "RAW"
        if len(message) > _MAX_MESSAGE:
            signed, kind = hashlib.sha256(message).digest(), "DIGEST"
        with _named():
            answer = self._clients.get().sign(
                KeyId=key.reference,
                Message=signed,
                MessageType=kind,
                SigningAlgorithm="ECDSA_SHA_256",
            )
        return raw_signature(answer["Signature"])

    def agree(self, key: HeldKey, point: bytes) -> bytes:
        """Is not used here."""
        del key, point
        raise KeyOperationUnsupported("AWS KMS is used with RSA keys")

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        """What an RSA-OAEP-SHA256 block carries."""
        with _named():
            answer = self._clients.get().decrypt(
                KeyId=key.reference,
                CiphertextBlob=block,
                EncryptionAlgorithm="RSAES_OAEP_SHA_256",
            )
        return bytes(answer["Plaintext"])

    def close(self) -> None:
        """Ends the connections."""
        self._clients.get().close()

    def _read(self, key_id: str, alias: str) -> HeldKey:
        public = load_der_public_key(self._clients.get().get_public_key(KeyId=key_id)["PublicKey"])
        algorithm: Algorithm = WrapSuite.RSA_OAEP_SHA256
        if isinstance(public, ec.EllipticCurvePublicKey):
            algorithm = SignatureAlgorithm.ECDSA_P256
        return HeldKey(key_id, alias, algorithm, encoded(public))


@contextmanager
def _named() -> Iterator[None]:
    """The SDK's errors by ours; none of them quotes what was sent."""
    try:
        yield
    except exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "InvalidCiphertextException":
            raise refused() from None
        if code in _GONE:
            raise KeyNotFound("AWS KMS does not have the key, or it waits for deletion") from None
        if code in _DENIED:
            raise KeyDenied("AWS does not allow it with these credentials") from None
        if code in _BUSY:
            raise KeystoreThrottled("AWS KMS takes no more calls for a moment") from None
        if code in _DOWN:
            raise KeystoreUnavailable("AWS KMS has failed for a moment") from None
        raise KeystoreError(
            f"AWS KMS refused: {code}", hint="its API reference says what that means"
        ) from None
    except (exceptions.NoCredentialsError, exceptions.ProfileNotFound):
        raise KeyDenied(
            "there are no AWS credentials", hint="set AWS_PROFILE, or run `aws configure`"
        ) from None
    except (exceptions.ReadTimeoutError, exceptions.ConnectTimeoutError):
        raise KeystoreTimeout("AWS KMS did not answer in time") from None
    except exceptions.BotoCoreError:
        raise KeystoreUnavailable("AWS KMS cannot be reached") from None
