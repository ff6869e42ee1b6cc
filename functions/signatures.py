"""Signatures of events and internal calls: an HMAC with the tenant's key (design 3.1).

On a cluster any pod can reach a broker; so nothing is believed that is not signed. Two keys are valid while rotating.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

SHORTEST_KEY = 32


@dataclass(frozen=True)
class SigningKeys:
    """The keys of a tenant by id; `current` signs, all verify. A key has at least 32 bytes."""

    current: str
    keys: Mapping[str, bytes]

    def __post_init__(self) -> None:
        if self.current not in self.keys:
            raise ValueError(f"The current signing key {self.current!r} is not among the keys.")
        short = [kid for kid, key in self.keys.items() if len(key) < SHORTEST_KEY or "=" in kid]
        if short:
            raise ValueError(f"These signing keys are shorter than {SHORTEST_KEY} bytes or oddly named: {short}.")

    def sign(self, *parts: str, data: bytes) -> str:
        return f"{self.current}={self.digest(self.current, parts, data)}"

    def verify(self, signature: str, *parts: str, data: bytes) -> bool:
        """Whether the signature is by one of the keys, in constant time for a known key id."""
        kid, _, digest = signature.partition("=")
        if kid not in self.keys:
            return False
        return hmac.compare_digest(digest.encode(), self.digest(kid, parts, data).encode())

    def digest(self, kid: str, parts: tuple[str, ...], data: bytes) -> str:
        """JSON keeps the parts apart: no text in one can look like the border to the next."""
        text = json.dumps([*parts, hashlib.sha256(data).hexdigest()]).encode()
        return hmac.new(self.keys[kid], text, hashlib.sha256).hexdigest()
