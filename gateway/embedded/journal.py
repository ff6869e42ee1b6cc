"""broker.db: the messages that the embedded broker has accepted and not yet delivered, and its dead letters.

SQLite in WAL mode with synchronous=NORMAL: a commit has reached the operating system before `write` returns, so the
process may be killed at any moment and loses nothing. A power cut may lose the last commits (never older ones, and
never the file): what they carried is sent again by the sweep.

One row is one delivery: a message for one subscriber. There is no thread here. Callers that come while a commit is
under way wait, and the first of them commits for all (group commit).
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from functions.errors import Temporary

HOPS = 255
"""How often a message may lead to a reply, as in Knative (`knativebrokerttl`): it ends loops."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY, subscriber TEXT NOT NULL, attempt INTEGER NOT NULL, hops INTEGER NOT NULL,
    headers TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY, subscriber TEXT NOT NULL, attempt INTEGER NOT NULL, hops INTEGER NOT NULL,
    headers TEXT NOT NULL, body BLOB NOT NULL, buried REAL NOT NULL, code INTEGER, data BLOB NOT NULL);
"""
DELIVERY = "id, subscriber, attempt, hops, headers, body"
INSERT = f"INSERT INTO deliveries ({DELIVERY}) VALUES (?, ?, ?, ?, ?, ?)"
BURY = f"INSERT OR IGNORE INTO dead_letters ({DELIVERY}, buried, code, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Delivery:
    """A message for one subscriber; `attempt` counts the deliveries that have failed so far."""

    id: int
    subscriber: str
    headers: Mapping[str, str]
    body: bytes
    attempt: int = 0
    hops: int = HOPS

    @property
    def type(self) -> str:
        return self.headers.get("ce-type", "")

    @property
    def event_id(self) -> str:
        return self.headers.get("ce-id", "")

    def row(self) -> tuple[object, ...]:
        return (self.id, self.subscriber, self.attempt, self.hops, json.dumps(self.headers), self.body)


@dataclass(frozen=True)
class DeadLetter:
    """A delivery that was given up, with Knative's three facts: error code, destination (the subscriber) and data.

    `code` is the status of the last answer, None if there was no answer or one that is no CloudEvent; `data` the body
    of that answer, or a sentence; `buried` seconds since 1970.
    """

    delivery: Delivery
    code: int | None
    data: bytes
    buried: float = field(default_factory=time.time)

    @property
    def id(self) -> int:
        return self.delivery.id

    def row(self) -> tuple[object, ...]:
        return (*self.delivery.row(), self.buried, self.code, self.data)


@dataclass(frozen=True)
class Change:
    """What one transaction does, whole or not at all. `remove`, `forget`: ids of deliveries, of dead letters."""

    add: tuple[Delivery, ...] = ()
    remove: tuple[int, ...] = ()
    again: tuple[Delivery, ...] = ()
    bury: tuple[DeadLetter, ...] = ()
    forget: tuple[int, ...] = ()

    def statements(self) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
        yield INSERT, [delivery.row() for delivery in self.add]
        yield BURY, [letter.row() for letter in self.bury]
        gone = (*self.remove, *(letter.id for letter in self.bury))
        yield "DELETE FROM deliveries WHERE id = ?", [(id,) for id in gone]
        yield (
            "UPDATE deliveries SET attempt = ? WHERE id = ?",
            [(delivery.attempt, delivery.id) for delivery in self.again],
        )
        yield "DELETE FROM dead_letters WHERE id = ?", [(id,) for id in self.forget]


class Ticket:
    """A change that waits for its commit. It is rendered here, so that one that cannot be spoils no other."""

    def __init__(self, change: Change) -> None:
        self.statements = [(statement, rows) for statement, rows in change.statements() if rows]
        self.done = False
        self.error: Exception | None = None


class Journal:
    """The one writer of broker.db; any thread may call it. Raises Temporary if the database cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._mutex = threading.Lock()
        self._waiting: list[Ticket] = []
        with translated(path):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("PRAGMA wal_autocheckpoint=4000")  # pages: a flush every few thousand messages
            self._database.executescript(SCHEMA)

    def write(self, change: Change) -> None:
        """Commit a change; with the changes of others that wait, in one transaction."""
        ticket = Ticket(change)
        with self._mutex:
            self._waiting.append(ticket)
        with self._turn:
            if not ticket.done:
                with self._mutex:
                    batch, self._waiting = self._waiting, []
                self._commit(batch)
        if ticket.error is not None:
            raise unwritable(self.path, ticket.error) from ticket.error

    def _commit(self, batch: list[Ticket]) -> None:
        error: Exception | None = InterruptedError("the commit was broken off")
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for ticket in batch:
                for statement, rows in ticket.statements:
                    self._database.executemany(statement, rows)
            self._database.execute("COMMIT")
            error = None
        except Exception as failure:  # noqa: BLE001 (each of those who wait must hear of it)
            error = failure
        finally:
            if error is not None:
                self._roll_back()
            for ticket in batch:
                ticket.error, ticket.done = error, True

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # no transaction has begun, or the database is closed
            self._database.execute("ROLLBACK")

    def load(self) -> list[Delivery]:
        """The deliveries that are not settled, oldest first."""
        with self._turn, translated(self.path):
            rows = self._database.execute(f"SELECT {DELIVERY} FROM deliveries ORDER BY id").fetchall()
        return [read_delivery(row) for row in rows]

    def newest(self) -> int:
        """The largest id of a delivery or dead letter; 0 if there is none."""
        query = "SELECT max(id) FROM (SELECT id FROM deliveries UNION ALL SELECT id FROM dead_letters)"
        with self._turn, translated(self.path):
            return int(self._database.execute(query).fetchone()[0] or 0)

    def dead_letters(self, ids: Iterable[int] | None = None) -> list[DeadLetter]:
        """The dead letters, oldest first; with `ids`, those of them."""
        with self._turn, translated(self.path):
            return select_dead_letters(self._database, ids)

    def close(self) -> None:
        with self._turn:
            self._database.close()


def read_dead_letters(path: Path) -> list[DeadLetter]:
    """The dead letters in broker.db, oldest first, also while a server runs. It changes nothing."""
    if not path.exists():
        return []
    with translated(path):
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            return select_dead_letters(database, None)
        finally:
            database.close()


def select_dead_letters(database: sqlite3.Connection, ids: Iterable[int] | None) -> list[DeadLetter]:
    rows = database.execute(f"SELECT {DELIVERY}, buried, code, data FROM dead_letters ORDER BY id").fetchall()
    letters = [DeadLetter(read_delivery(row[:6]), buried=row[6], code=row[7], data=bytes(row[8])) for row in rows]
    wanted = None if ids is None else set(ids)
    return [letter for letter in letters if wanted is None or letter.id in wanted]


def read_delivery(row: tuple[Any, ...]) -> Delivery:
    id, subscriber, attempt, hops, headers, body = row
    return Delivery(id, subscriber, json.loads(headers), bytes(body), attempt, hops)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: Exception) -> Temporary:
    return Temporary(f"The broker's database {path} cannot be used ({error}). Look at the disk's space and its rights.")
