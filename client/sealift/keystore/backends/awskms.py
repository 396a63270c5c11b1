"""Keys in AWS Key Management Service.

::

    awskms:eu-central-1

Credentials are those of the AWS SDK: environment, profile, instance role. `profile` names one of
its profiles, and `endpoint` an address of the service in a private network.

Source: AWS KMS API reference 2014-11-01, with its common errors.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore import exceptions
from botocore.config import Config
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from sealift.crypto.suites.hpke import refused
from sealift.keystore.backend import Algorithm, AskSecret, HeldKey, SignatureAlgorithm
from sealift.keystore.backends.encodings import encoded, raw_signature
from sealift.keystore.backends.forks import PerProcess
from sealift.keystore.backends.urls import is_private_origin
from sealift.process.log import keep_debug_off
from sealift_protocol.errors import (
    InvalidArgument,
    KeyDenied,
    KeyNotFound,
    KeyOperationUnsupported,
    KeystoreError,
    KeystoreThrottled,
    KeystoreTimeout,
    KeystoreUnavailable,
    SealiftError,
)
from sealift_protocol.objects.cards import WrapSuite

_ALIAS = "alias/sealift-"
# The minimum that the service allows.
_DAYS_UNTIL_DELETION = 7
_SECONDS = 15
# The longest message that the service hashes itself; for a longer one it takes the digest.
_MAX_MESSAGE = 4096
_SPECS: dict[Algorithm, tuple[str, str]] = {
    SignatureAlgorithm.ECDSA_P256: ("SIGN_VERIFY", "ECC_NIST_P256"),
    WrapSuite.RSA_OAEP_SHA256: ("ENCRYPT_DECRYPT", "RSA_3072"),
}
_GONE = ("NotFoundException", "KMSInvalidStateException", "DisabledException")
_DENIED = (
    "AccessDeniedException",
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
)
_BUSY = ("ThrottlingException", "TooManyRequestsException")
_DOWN = (
    "KMSInternalException",
    "DependencyTimeoutException",
    "KeyUnavailableException",
)
_NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.TokenRetrievalError,
    exceptions.SSOError,
    exceptions.ProfileNotFound,
)


def open_awskms(url: str, ask: AskSecret) -> AwsKmsBackend:
    """Make a client for a region, without asking for a secret; see `OpenBackend`."""
    del ask
    region, _, query = url.partition(":")[2].partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if not region or options.keys() - {"endpoint", "profile"}:
        raise InvalidArgument(
            "the URL does not name an AWS region", hint="write awskms:eu-central-1"
        )
    if "endpoint" in options and not is_private_origin(urlsplit(options["endpoint"])):
        raise InvalidArgument(
            "the endpoint of AWS KMS is not an address reached over TLS",
            hint="write endpoint=https://HOST, or leave it out",
        )
    # At DEBUG the SDK logs responses, which contain decrypted secrets.
    keep_debug_off("botocore", "boto3")

    def client() -> Any:
        session = boto3.session.Session(
            profile_name=options.get("profile"), region_name=region
        )
        return session.client(
            "kms",
            endpoint_url=options.get("endpoint"),
            # `patiently` retries; a second layer of retries would multiply them.
            config=Config(
                connect_timeout=_SECONDS,
                read_timeout=_SECONDS,
                retries={"total_max_attempts": 1},
            ),
        )

    with _named():
        return AwsKmsBackend(url, client)


class AwsKmsBackend:
    """The keys of an account in a region."""

    signatures = (SignatureAlgorithm.ECDSA_P256,)
    suites = (WrapSuite.RSA_OAEP_SHA256,)

    def __init__(self, url: str, client: Callable[[], Any]) -> None:
        self.url = url
        self._clients = PerProcess(client)

    def held_keys(self) -> list[HeldKey]:
        """Return the keys with an alias of Sealift's, without those scheduled for deletion."""
        held = []
        with _named():
            client = self._clients.get()
            gone = [getattr(client.exceptions, name) for name in _GONE]
            for page in client.get_paginator("list_aliases").paginate():
                for alias in page["Aliases"]:
                    if alias["AliasName"].startswith(_ALIAS) and "TargetKeyId" in alias:
                        # A key that an administrator removed must not hide the others.
                        with suppress(*gone):
                            held.append(
                                self._read(alias["TargetKeyId"], alias["AliasName"])
                            )
        return held

    def create(self, algorithm: Algorithm, label: str) -> HeldKey:
        """Make a key, which never leaves the service."""
        if algorithm not in _SPECS:
            raise KeyOperationUnsupported(
                "AWS KMS does not support keys of this kind", hint="use rsa-oaep-sha256"
            )
        usage, spec = _SPECS[algorithm]
        alias = f"{_ALIAS}{label}-{secrets.token_hex(8)}"
        with _named():
            client = self._clients.get()
            key_id = client.create_key(KeyUsage=usage, KeySpec=spec)["KeyMetadata"][
                "KeyId"
            ]
            try:
                held = self._read(key_id, alias)
                client.create_alias(AliasName=alias, TargetKeyId=key_id)
            except BaseException:
                # Without an alias nothing would find the key, but it would still be billed.
                self._delete(key_id)
                raise
        return held

    def destroy(self, key: HeldKey) -> None:
        """Take a key out of use now; the service deletes it after seven days."""
        with _named():
            self._clients.get().delete_alias(AliasName=key.label)
            self._delete(key.reference)

    def sign(self, key: HeldKey, message: bytes) -> bytes:
        """Return a signature of 64 bytes."""
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
        """Not supported: recipient keys in AWS KMS are RSA keys."""
        del key, point
        raise KeyOperationUnsupported("recipient keys in AWS KMS must be RSA keys")

    def decrypt(self, key: HeldKey, block: bytes) -> bytes:
        """Decrypt an RSA-OAEP-SHA256 block."""
        with _named():
            answer = self._clients.get().decrypt(
                KeyId=key.reference,
                CiphertextBlob=block,
                EncryptionAlgorithm="RSAES_OAEP_SHA_256",
            )
        return bytes(answer["Plaintext"])

    def close(self) -> None:
        """Close the connections."""
        self._clients.get().close()

    def _delete(self, key_id: str) -> None:
        self._clients.get().schedule_key_deletion(
            KeyId=key_id, PendingWindowInDays=_DAYS_UNTIL_DELETION
        )

    def _read(self, key_id: str, alias: str) -> HeldKey:
        public = load_der_public_key(
            self._clients.get().get_public_key(KeyId=key_id)["PublicKey"]
        )
        algorithm: Algorithm = WrapSuite.RSA_OAEP_SHA256
        if isinstance(public, ec.EllipticCurvePublicKey):
            algorithm = SignatureAlgorithm.ECDSA_P256
        return HeldKey(key_id, alias, algorithm, encoded(public))


@contextmanager
def _named() -> Iterator[None]:
    """Turn the SDK's errors into ours, none of which quotes what was sent."""
    try:
        yield
    except exceptions.ClientError as error:
        raise _by_code(error) from None
    except _NO_CREDENTIALS:
        raise KeyDenied(
            "there are no AWS credentials, or they have expired",
            hint="run `aws sso login` or `aws configure`, or set AWS_PROFILE",
        ) from None
    except (exceptions.ReadTimeoutError, exceptions.ConnectTimeoutError):
        raise KeystoreTimeout("AWS KMS did not answer in time") from None
    except exceptions.SSLError:
        raise KeystoreError(
            "the certificate of AWS KMS is not from a trusted CA",
            hint="if a proxy intercepts TLS, name its CA in AWS_CA_BUNDLE",
        ) from None
    except (exceptions.ConnectionError, exceptions.HTTPClientError):
        raise KeystoreUnavailable("AWS KMS cannot be reached") from None
    except exceptions.BotoCoreError as error:
        raise KeystoreError(
            f"the AWS SDK refused: {type(error).__name__}",
            hint="check the URL of the keystore, and the configuration of the AWS SDK",
        ) from None


def _by_code(error: exceptions.ClientError) -> SealiftError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "InvalidCiphertextException":
        return refused()
    if code in _GONE:
        return KeyNotFound("AWS KMS does not have the key, or its deletion is pending")
    if code in _DENIED:
        return KeyDenied("AWS KMS denied the operation to these credentials")
    if code in _BUSY:
        return KeystoreThrottled("AWS KMS is throttling calls at the moment")
    if code in _DOWN or status >= 500:
        return KeystoreUnavailable("AWS KMS failed temporarily")
    if code == "LimitExceededException":
        return KeystoreError(
            "the account has reached its quota of keys or aliases in this region",
            hint="delete some, or ask AWS for a higher quota",
        )
    # The answer may come from something other than AWS.
    return KeystoreError(
        f"AWS KMS refused: {code if code.isidentifier() else status}",
        hint="see its API reference for the meaning",
    )
