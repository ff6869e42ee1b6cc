"""Job tokens: what a pod shows to read its inputs and to commit its outputs (design 3.7).

Only `run` holds the private key. `stage` and `publish` hold public keys by `kid`, two while rotating.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from functions.errors import Refused

PODS = "chrysalis-pods"
"""The audience of every job token. Events and internal calls carry signatures instead, so neither opens the other."""
CAP_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class Claims:
    """What a job token opens: one attempt of one job of one tenant."""

    tenant: str
    job: str
    attempt: int


@dataclass(frozen=True)
class Minter:
    """The private half, for `run` alone."""

    kid: str
    key: Ed25519PrivateKey

    @classmethod
    def from_pem(cls, kid: str, pem: bytes) -> Minter:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("The token key must be an Ed25519 private key in PEM form.")
        return cls(kid, key)

    def mint(self, claims: Claims, *, now: float | None = None) -> str:
        issued = int(time.time() if now is None else now)
        body = {
            "aud": PODS,
            "iat": issued,
            "exp": issued + CAP_SECONDS,
            "tenant": claims.tenant,
            "job": claims.job,
            "attempt": claims.attempt,
        }
        return jwt.encode(body, self.key, algorithm="EdDSA", headers={"kid": self.kid})

    def public(self) -> dict[str, Ed25519PublicKey]:
        return {self.kid: self.key.public_key()}

    def pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def verify(token: str, keys: Mapping[str, Ed25519PublicKey]) -> Claims:
    """The claims of a token. Raises Refused with a sentence that tells what is wrong with it, but not what is in it."""
    try:
        kid = jwt.get_unverified_header(token).get("kid", "")
        key = keys.get(kid)
        if key is None:
            raise Refused("The job token is signed with a key that is not known here.")
        body = jwt.decode(token, key, algorithms=["EdDSA"], audience=PODS, options={"require": ["exp", "aud"]})
        return Claims(str(body["tenant"]), str(body["job"]), int(body["attempt"]))
    except jwt.ExpiredSignatureError as error:
        raise Refused("The job token has expired.") from error
    except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
        raise Refused("The job token is not valid.") from error
