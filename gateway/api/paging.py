"""Pages of a list: `limit` and `offset`, and the links to the pages beside. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from gateway.catalog.lists.rows import Window

DEFAULT_LIMIT = 10
MAX_LIMIT = 10_000
"""A larger `limit` answers this many, and `next`: clients follow `next` until it is null."""

Pairs = Sequence[tuple[str, str]]


def read_page(query: Pairs) -> Window:
    """The page that a query string asks for; what makes no sense is the default, as in CUBE."""
    values = dict(query)
    limit = _positive(values.get("limit", ""), DEFAULT_LIMIT)
    return Window(min(limit, MAX_LIMIT), _positive(values.get("offset", ""), 0))


def neighbours(base: str, query: Pairs, page: Window, count: int) -> tuple[str | None, str | None]:
    """The absolute URLs of the next and the previous page. `base` is the URL of the list without its query."""
    following = page.offset + page.limit
    after = _url(base, query, page.limit, following) if following < count else None
    before = _url(base, query, page.limit, max(page.offset - page.limit, 0)) if page.offset > 0 else None
    return after, before


def _url(base: str, query: Pairs, limit: int, offset: int) -> str:
    kept = [(name, value) for name, value in query if name not in ("limit", "offset")]
    pairs = [("limit", str(limit)), *([("offset", str(offset))] if offset else []), *kept]
    return f"{base}?{urlencode(sorted(pairs))}"


def _positive(text: str, default: int) -> int:
    try:
        value = int(text)
    except ValueError:
        return default
    # Databases count rows of a window in 32 bits; nobody has more.
    return min(value, 2**31 - 1) if value > 0 else default
