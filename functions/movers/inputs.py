"""The inputs of a job as stage lists them: pages of rows with signed URLs, asked for again when the URLs expire."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from functions.errors import Permanent
from functions.movers.endpoint import Endpoint, Value

PAGE = 1000


@dataclass(frozen=True)
class Row:
    """One input. `number` counts from 0 over all inputs; `size` in bytes; `digest` (SHA-256 in hex) may be empty."""

    number: int
    path: str
    size: int
    etag: str
    digest: str
    url: str


def read_rows(page: Value, start: int) -> list[Row]:
    try:
        return [
            Row(number, row["path"], int(row["size"]), row["etag"], row["digest"], row["url"])
            for number, row in enumerate(page["rows"], start)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise Permanent(f"stage answers with a page of inputs that cannot be read: {error!r}.") from error


class Pages:
    """All inputs, one page in memory at a time."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.lock = threading.Lock()
        self.renewed: dict[int, Row] = {}

    def ask(self, start: int) -> Value:
        return self.endpoint.get(f"/inputs?from={start}&limit={PAGE}")

    def __iter__(self) -> Iterator[Row]:
        start: int | None = 0
        while start is not None:
            page = self.ask(start)
            yield from read_rows(page, start)
            start = page.get("next")

    def renew(self, row: Row) -> Row:
        """The row with another URL. One request renews a page: the rows after an expired one are expired as well."""
        with self.lock:
            found = self.renewed.get(row.number)
            if found is None or found.url == row.url:
                rows = read_rows(self.ask(row.number), row.number)
                self.renewed = {fresh.number: fresh for fresh in rows}
                found = self.renewed.get(row.number)
        if found is None or (found.path, found.etag, found.size) != (row.path, row.etag, row.size):
            raise Permanent(f"stage lists another input than before at the place of {row.path!r}.")
        return found
