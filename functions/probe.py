"""The probe of a store at start (design 3.3): does it keep what the job protocol stands on?

Records are created once by whoever comes first. Some S3 servers accept the header that asks for it and ignore it, and
some look first and write then; on these a job would be decided twice. So a store is raced before it is used.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from functions.errors import Permanent, Temporary
from functions.objects import Missing, ObjectStore

ROOT = ".chrysalis/probe"
RACERS = 16
ROUNDS = 1
"""More rounds find a store that is wrong only now and then; SeaweedFS takes up to eight seconds for one."""


class Unfit(Permanent):
    """The store cannot hold records; the sentence names it and what is missing."""


@dataclass(frozen=True)
class Finish:
    """What one racer saw: did it win, and what could it read right after (None: nothing)?"""

    body: bytes
    won: bool
    read: bytes | None


def probe(store: ObjectStore, *, racers: int = RACERS, rounds: int = ROUNDS) -> None:
    """Returns if the store is fit. Raises Unfit if it is not, Temporary if it cannot be told now."""
    try:
        for _ in range(rounds):
            judge(store.name, race(store, racers))
        check_listing(store)
    except Unfit:
        raise
    except Permanent as error:
        raise Unfit(f"The {store.name} cannot be used: {error}") from error


def race(store: ObjectStore, racers: int) -> list[Finish]:
    """Let `racers` threads create one object at the same moment."""
    key = f"{ROOT}/{secrets.token_hex(8)}"
    gate = threading.Barrier(racers)

    def run(number: int) -> Finish:
        body = f"racer {number}".encode()
        look(lambda: store.get(key).read())  # opens the connection, so that none has to do it in the race
        gate.wait()
        won = store.create(key, body) is not None
        return Finish(body, won, look(lambda: store.get(key).read()))

    try:
        with ThreadPoolExecutor(racers) as pool:
            return list(pool.map(run, range(racers)))
    finally:
        store.delete(key)


def look(read: Callable[[], bytes]) -> bytes | None:
    try:
        return read()
    except Missing:
        return None


def judge(name: str, finishes: list[Finish]) -> None:
    """Raises Unfit, or Temporary if nobody won: then the winner's answer was lost on the way."""
    winners = [finish for finish in finishes if finish.won]
    if not winners:
        raise Temporary(f"The {name} lost an answer while it was probed; it is probed again at the next start.")
    if len(winners) > 1:
        raise Unfit(
            f"The {name} is missing conditional create: of {len(finishes)} simultaneous writes with "
            f"'If-None-Match: *' {len(winners)} succeeded, where one must. Use a store or a version that honours it."
        )
    blind = [finish for finish in finishes if finish.read != winners[0].body]
    if blind:
        raise Unfit(
            f"The {name} is missing read-after-write: {len(blind)} of {len(finishes)} readers did not find an object "
            "right after it was created. Use a store that is strongly consistent."
        )


def check_listing(store: ObjectStore) -> None:
    """An object must be listed as soon as it is stored, and no longer once it is deleted: repair lists records."""
    folder = f"{ROOT}/{secrets.token_hex(8)}/"
    key = f"{folder}a"
    store.put(key, b"")
    try:
        listed = [info.key for info in store.list(folder).objects]
        again = store.create(key, b"again")
    finally:
        store.delete(key)
    if again is not None:
        raise Unfit(f"The {store.name} is missing conditional create: it replaced an object that was there.")
    if listed != [key] or store.list(folder).objects:
        raise Unfit(f"The {store.name} is missing list-after-write: it does not list what has just been stored.")
