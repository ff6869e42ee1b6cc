"""Which form of an answer a client wants. Pure.

As in Django REST framework, quality values are ignored: the most specific range that names one of our forms wins, and
of two equally specific ones the form that stands first here. No `Accept` means Collection+JSON: python-chrisclient
sends none with tokens and uploads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.api.errors import NotAcceptable, NotFound


@dataclass(frozen=True)
class Media:
    """A form of an answer; `formats` are its names in `?format=` and as a suffix."""

    type: str
    formats: tuple[str, ...]

    @property
    def content_type(self) -> str:
        return f"{self.type}; charset=utf-8" if self.type == "text/html" else self.type


COLLECTION = Media("application/vnd.collection+json", ("collection+json",))
JSON = Media("application/json", ("json",))
HTML = Media("text/html", ("html", "api"))
FORMS = (COLLECTION, JSON, HTML)


def choose(accept: str, *, wanted: str = "", forms: Sequence[Media] = FORMS) -> Media:
    """The form to answer in. `wanted` is the name in `?format=` or the suffix, and goes before `accept`.

    Raises NotAcceptable, or NotFound when `wanted` names no form.
    """
    if wanted:
        named = [form for form in forms if wanted in form.formats]
        if not named:
            raise NotFound
        return named[0]
    ranges = [part.split(";")[0].strip().lower() for part in accept.split(",")] if accept.strip() else ["*/*"]
    for rank in (2, 1, 0):
        for form in forms:
            if any(_specificity(pattern) == rank and _covers(pattern, form.type) for pattern in ranges):
                return form
    raise NotAcceptable


def _specificity(pattern: str) -> int:
    return 0 if pattern == "*/*" else 1 if pattern.endswith("/*") else 2


def _covers(pattern: str, media: str) -> bool:
    return pattern in ("*/*", media) or (pattern.endswith("/*") and media.startswith(pattern[:-1]))
