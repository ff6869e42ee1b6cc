"""The endpoints of stage and publish, as a mover calls them: JSON over HTTP with a job token (README.md)."""

from __future__ import annotations

import json
from typing import Any

from functions.errors import Permanent, Refused
from functions.movers.courier import TRANSIENT, Courier, Stopped, read_wish
from functions.movers.patience import Passing

Value = dict[str, Any]
PASSING = TRANSIENT | {404}
"""404 too: an ingress answers it while a function is being deployed."""


class Endpoint:
    """One function's endpoints. Each call may be repeated, so each is insisted on."""

    def __init__(self, courier: Courier, url: str, token: str) -> None:
        self.courier, self.url = courier, url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def get(self, path: str) -> Value:
        return self.courier.patience.insist(lambda: self.ask("GET", path))

    def post(self, path: str, value: Value) -> Value:
        body = json.dumps(value, separators=(",", ":")).encode()
        return self.courier.patience.insist(lambda: self.ask("POST", path, body))

    def ask(self, method: str, path: str, body: bytes = b"") -> Value:
        headers = {**self.headers, "Content-Type": "application/json"} if body else self.headers
        with self.courier.open(method, self.url + path, headers=headers, body=body) as response:
            status, answer = response.status, read_answer(response.read())
        sentence = answer.get("sentence") or f"{self.url}{path.partition('?')[0]} answers {status}."
        if status == 409:
            raise Stopped(sentence)
        if status in PASSING:
            raise Passing(sentence, read_wish(response.headers))
        if status == 401:
            raise Refused(sentence)
        if not 200 <= status < 300:
            raise Permanent(sentence)
        return answer


def read_answer(body: bytes) -> Value:
    """The JSON object of an answer; a page of a proxy between us counts as an answer without a word."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
