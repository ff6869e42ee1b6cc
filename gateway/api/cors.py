"""Cross-origin requests: the ChRIS user interface is served from another origin than the API. Pure.

Every origin may ask: credentials are only ever a header that a page must hold itself, never a cookie.
"""

from __future__ import annotations

EXPOSED = "Allow, Location, Content-Disposition, Content-Range, ETag"
"""ChRIS_ui reads `Allow` of `users/` to learn whether people may sign up."""
WELCOME = "accept, authorization, content-type, if-none-match, if-range, range, user-agent, x-requested-with"
PREFLIGHT = {
    "Access-Control-Allow-Headers": WELCOME,
    "Access-Control-Allow-Methods": "DELETE, GET, OPTIONS, PATCH, POST, PUT",
    "Access-Control-Max-Age": "86400",
}


def is_preflight(method: str, asked: str | None) -> bool:
    """`asked`: the header Access-Control-Request-Method."""
    return method == "OPTIONS" and asked is not None


def answer_headers(origin: str | None) -> dict[str, str]:
    """The headers of an answer to a request from `origin` (None: it came from no page)."""
    if origin is None:
        return {}
    return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED}
