"""What a subscriber answers, and what becomes of the message then: the answer table of Knative's dispatcher.

    no answer (an exception), 404, 408, 409, 429, 5xx      tried again, in the end a dead letter
    any other 1xx, 3xx, 4xx (400, 422, ...)                a dead letter at once
    2xx without a body                                     done
    2xx whose body is a CloudEvent                         done, and the event goes back into the broker
    2xx with any other body                                tried again, in the end a dead letter

Sources: knative/eventing, pkg/kncloudevents (SelectiveRetry, and the dispatcher that parses the reply), and runs
against a real one. A reply counts as an event in binary mode (`ce-` headers) only: every handler here answers in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

REQUIRED = ("ce-specversion", "ce-id", "ce-source", "ce-type")
RETRIED = frozenset({404, 408, 409, 429})


@dataclass(frozen=True)
class Answer:
    """An HTTP answer to a delivered message."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Fate(Enum):
    """What becomes of a message after an answer."""

    DONE = "done"
    REPLIED = "replied"
    RETRIED = "retried"
    BURIED = "buried"


def judge(answer: Answer | None) -> Fate:
    """The fate of a message by its answer; None: there was no answer."""
    if answer is None or answer.status >= 500 or answer.status in RETRIED:
        return Fate.RETRIED
    if not 200 <= answer.status < 300:
        return Fate.BURIED
    headers = lowered(answer.headers)
    if not missing(headers):
        return Fate.REPLIED
    return Fate.RETRIED if answer.body or "ce-specversion" in headers else Fate.DONE


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case names, since HTTP does not tell `Ce-Id` from `ce-id`."""
    return {name.lower(): value for name, value in headers.items()}


def missing(headers: Mapping[str, str]) -> list[str]:
    """The headers that a CloudEvent in binary mode must have and that are absent or empty. Takes lower-case names."""
    return [name for name in REQUIRED if not headers.get(name)]
