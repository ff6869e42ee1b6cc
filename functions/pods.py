"""What the endpoints for pods share: who may ask, whether it is too late, and how a failure becomes an answer.

`functions/movers/README.md` documents the protocol. A caller is one attempt of one job, by its job token (design 3.7);
it is answered while that attempt is the newest and the job has no `result`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from functions import records, tokens
from functions.errors import Permanent, Refused, Temporary
from functions.records import Listing, Records

log = logging.getLogger(__name__)

LARGEST_BODY = 16 * 1024 * 1024
"""Bytes of a request: a thousand paths of a thousand bytes, each byte escaped."""
Keys = Mapping[str, Ed25519PublicKey]
Clock = Callable[[], datetime]


class Emit(Protocol):
    """Sends an event; returns when it is accepted. Raises Temporary if it is not."""

    def __call__(self, kind: str, *, job: str, attempt: int, index: int | None = None, **details: Any) -> None: ...


class Late(Permanent):
    """The job or the attempt is decided: whoever still works for it shall stop."""


class Garbled(Permanent):
    """The request is not what the protocol says; the caller has a bug."""


@dataclass(frozen=True)
class Caller:
    """The attempt that asks, with the records that its job had when it asked."""

    job: str
    attempt: int
    listing: Listing


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Door:
    """Lets callers in by their token. `tenant` empty: the keys serve one tenant only."""

    records: Records
    keys: Keys
    tenant: str = ""

    def admit(self) -> Caller:
        """The caller of the present request. Raises Refused or Late."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refused("There is no job token in the request.")
        claims = tokens.verify(token.strip(), self.keys)
        if self.tenant and claims.tenant != self.tenant:
            raise Refused("The job token belongs to another tenant.")
        listing = self.records.list(claims.job)
        check_current(listing, claims.attempt)
        return Caller(claims.job, claims.attempt, listing)


def check_current(listing: Listing, attempt: int) -> None:
    """Raises Late unless the attempt is the newest and the job is undecided."""
    if listing.result:
        raise Late("The job has been decided already.")
    if listing.attempt != attempt:
        raise Late(f"Attempt {attempt} is over: the newest is {listing.attempt}.")


def is_closed(value: Mapping[str, Any]) -> bool:
    """Does an `outputs` record shut the door, instead of holding a manifest?"""
    return not isinstance(value.get("manifest"), Mapping)


def find_closed(store: Records, caller: Caller) -> bool:
    """Has any index of the attempt been closed, which gives the attempt up?"""
    prefix = records.outputs_name(caller.attempt, 0)[:-1]
    names = [name for name in caller.listing.names if name.startswith(prefix)]
    values = (store.find(caller.job, name) for name in names)
    return any(value is not None and is_closed(value) for value in values)


def read_body() -> Mapping[str, Any]:
    """The JSON object in the request. Raises Garbled."""
    value = request.get_json(force=True, silent=True)
    if not isinstance(value, dict):
        raise Garbled("The body must be a JSON object.")
    return value


def read_text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Garbled(f"{name!r} must be a text that is not empty.")
    return value


def read_number(body: Mapping[str, Any], name: str, *, default: int | None = None, least: int = 0) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Garbled(f"{name!r} must be a whole number of at least {least}.")
    return value


def make_app(name: str) -> Flask:
    """A Flask application that answers failures as the protocol says."""
    app = Flask(name)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.register_error_handler(Exception, answer_failure)
    return app


STATUS: tuple[tuple[type[Exception], int], ...] = (
    (Refused, 401),
    (Late, 409),
    (Garbled, 400),
    (Permanent, 422),
    (Temporary, 503),
)


def answer_failure(error: Exception) -> tuple[Response, int]:
    if isinstance(error, HTTPException):
        return jsonify(sentence=error.description), error.code or 500
    for kind, status in STATUS:
        if isinstance(error, kind):
            return jsonify(sentence=str(error)), status
    log.error("An endpoint for pods has failed.", exc_info=error, extra={"action": "pods.failed"})
    return jsonify(sentence="Something unexpected has happened here; try again."), 503
