"""The server's REST (CUBE's shapes, as JSON) over connections that stay open, one a thread.

Redirects are not followed and links of answers are not trusted: the token goes to the address that the user gave, and
nowhere else.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

from gateway.cli.credentials import Credentials
from gateway.cli.faults import Refused, Unreachable

Value = dict[str, Any]
API = "/api/v1/"
PAGE = 1000
SECONDS = 60.0
Body = bytes | Iterable[bytes]


class Client:
    def __init__(self, credentials: Credentials, *, seconds: float = SECONDS) -> None:
        self.credentials = credentials
        self._seconds = seconds
        self._local = threading.local()

    def get(self, path: str, /, **query: object) -> Value:
        return self._json("GET", path + (f"?{urlencode(query)}" if query else ""))

    def post(self, path: str, value: Value) -> Value:
        return self._json("POST", path, value)

    def put(self, path: str, value: Value) -> Value:
        return self._json("PUT", path, value)

    def pages(self, path: str, /, **query: object) -> Iterator[Value]:
        """Every item of a list, a page at a time."""
        offset = 0
        while True:
            page = self.get(path, **query, limit=PAGE, offset=offset)
            yield from page["results"]
            offset += len(page["results"])
            if not page.get("next") or not page["results"]:
                return

    def send(self, path: str, body: Iterable[bytes], *, length: int, media: str) -> Value:
        """POST a long body as it is read."""
        headers = {"Content-Type": media, "Content-Length": str(length)}
        with self._answer("POST", path, body=body, headers=headers, fresh=False) as answer:
            return decode(answer)

    @contextmanager
    def stream(self, path: str, *, start: int = 0) -> Iterator[http.client.HTTPResponse]:
        """GET bytes, from `start` on."""
        headers = {"Accept": "*/*"} | ({"Range": f"bytes={start}-"} if start else {})
        with self._answer("GET", path, headers=headers) as answer:
            yield answer

    def close(self) -> None:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def _json(self, method: str, path: str, value: Value | None = None) -> Value:
        body = None if value is None else json.dumps(value).encode()
        headers = {} if value is None else {"Content-Type": "application/json"}
        # A kept connection may have died unseen; what must not happen twice goes over a new one and is not repeated.
        with self._answer(method, path, body=body, headers=headers, fresh=method == "POST") as answer:
            return decode(answer)

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> Iterator[http.client.HTTPResponse]:
        try:
            answer = self._request(method, path, body, dict(headers or {}), fresh)
            if answer.status >= 300:
                raise Refused(explain(answer, answer.read()), answer.status)
            yield answer
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(self._unreachable(error)) from error
        except BaseException:
            self.close()  # an answer that was not read to its end would be taken for the next one's
            raise

    def _request(
        self, method: str, path: str, body: Body | None, headers: dict[str, str], fresh: bool
    ) -> http.client.HTTPResponse:
        if fresh:
            self.close()
        kept = getattr(self._local, "connection", None) is not None
        try:
            return self._exchange(method, path, body, headers)
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            if not kept or not (body is None or isinstance(body, bytes)):
                raise
            return self._exchange(method, path, body, headers)

    def _exchange(self, method: str, path: str, body: Body | None, headers: dict[str, str]) -> http.client.HTTPResponse:
        connection = self._connection()
        if self.credentials.token:
            headers = headers | {"Authorization": f"Token {self.credentials.token}"}
        prefix = urlsplit(self.credentials.url).path
        connection.request(method, prefix + API + path, body=body, headers={"Accept": "application/json"} | headers)
        return connection.getresponse()

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            address = urlsplit(self.credentials.url)
            kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
            connection = kind(address.hostname or "", address.port, timeout=self._seconds)
            self._local.connection = connection
        return connection

    def _unreachable(self, error: Exception) -> str:
        reason = str(error) or type(error).__name__
        return f"{self.credentials.url} cannot be reached ({reason}): is it running? Start it with `chrysalis serve`."


def decode(answer: http.client.HTTPResponse) -> Value:
    body = answer.read()
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError as error:
        raise Refused("The server's answer is no JSON: is CHRYSALIS_URL the address of a Chrysalis?") from error
    return value if isinstance(value, dict) else {"value": value}


def explain(answer: http.client.HTTPResponse, body: bytes) -> str:
    """The server's own words, and what to do about them."""
    words = reason(body) or f"{answer.status} {answer.reason}"
    if answer.status == 401:
        return (
            f"The server does not know you ({words}): set CHRYSALIS_TOKEN, or use the home folder of `chrysalis serve`."
        )
    if answer.status == 403:
        return f"You may not do that ({words}): ask the owner of the feed or an administrator."
    if answer.status == 404:
        return f"The server has no such thing ({words}): check the number or the path."
    if answer.status >= 500:
        return f"The server failed ({words}): its own log, in the logs folder of its home, says why."
    return f"The server refuses: {words}"


def reason(body: bytes) -> str:
    """CUBE's error shapes as one sentence: {"detail": ...}, {"field": [...]}, or plain text where files are sent."""
    try:
        value = json.loads(body)
    except ValueError:
        text = body.decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else text[:300]
    if not isinstance(value, dict):
        return ""
    parts = [f"{name}: {words(entry)}" if name not in GENERAL else words(entry) for name, entry in value.items()]
    return " ".join(parts)


GENERAL = ("detail", "non_field_errors", "error", "sentence")


def words(entry: object) -> str:
    return " ".join(map(str, entry)) if isinstance(entry, list) else str(entry)
