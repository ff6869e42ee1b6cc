"""URLs that carry their own permission: AWS Signature Version 4 in the query string. Pure, and microseconds a URL.

Source: "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)" of the Amazon S3 API reference. The
tests compare every signature with botocore's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
LONGEST_SECONDS = 7 * 24 * 3600
"""S3 refuses a URL that would work for longer."""


@dataclass(frozen=True)
class Credentials:
    """Keys of the store; `token` is that of a temporary session."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Place:
    """Where a bucket is: `http(s)://host[:port][/path]`, with the bucket in the path or in front of the host."""

    endpoint: str
    bucket: str
    region: str = "us-east-1"
    path_style: bool = True

    @property
    def base(self) -> tuple[str, str, str]:
        """Scheme, host as it is signed, and path before the key (begins and ends with "/")."""
        return split(self.endpoint, self.bucket, self.path_style)


@lru_cache(maxsize=64)
def split(endpoint: str, bucket: str, path_style: bool) -> tuple[str, str, str]:
    """See `Place.base`. Clients leave the usual port out of the Host header, so it is not signed either."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"The endpoint {endpoint!r} must look like https://host or http://host:port.")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    host = name if parts.port in (None, usual) else f"{name}:{parts.port}"
    path = parts.path.rstrip("/") + "/"
    return (parts.scheme, host, f"{path}{bucket}/") if path_style else (parts.scheme, f"{bucket}.{host}", path)


@lru_cache(maxsize=64)
def signing_key(secret_key: str, date: str, region: str) -> bytes:
    """The key of a day: four HMACs, made once a day."""
    key = b"AWS4" + secret_key.encode()
    for part in (date, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key


def presign(
    method: str,
    place: Place,
    key: str,
    credentials: Credentials,
    *,
    seconds: int,
    now: datetime | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> str:
    """A URL that lets whoever holds it do `method` on one object for `seconds`.

    `query` names what is asked besides the key (`versionId`, `partNumber`, `response-content-disposition`); `headers`
    must be sent exactly so with the request. Raises ValueError if `seconds` is not between 1 and seven days.
    """
    if not 1 <= seconds <= LONGEST_SECONDS:
        raise ValueError(f"A URL works between 1 second and {LONGEST_SECONDS} seconds, not {seconds}.")
    moment = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{place.region}/s3/aws4_request"
    scheme, host, base = place.base
    signed = {"host": host, **{name.lower(): " ".join(value.split()) for name, value in (headers or {}).items()}}
    names = ";".join(sorted(signed))
    asked = {
        **(query or {}),
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": names,
    }
    if credentials.token:
        asked["X-Amz-Security-Token"] = credentials.token
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in asked.items())
    text = "&".join(f"{name}={value}" for name, value in pairs)
    path = quote(base + key, safe="/-_.~")
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = f"{method}\n{path}\n{text}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(request.encode()).hexdigest()
    to_sign = f"{ALGORITHM}\n{moment}\n{scope}\n{digest}"
    signature = hmac.digest(signing_key(credentials.secret_key, moment[:8], place.region), to_sign.encode(), "sha256")
    return f"{scheme}://{host}{path}?{text}&X-Amz-Signature={signature.hex()}"


def attachment(filename: str) -> str:
    """The Content-Disposition that has a browser save an object under this name (RFC 6266, RFC 8187)."""
    plain = "".join(character if " " <= character <= "~" and character not in '"\\%' else "_" for character in filename)
    exact = quote(filename, safe="!#$&+-.^_`|~")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"
