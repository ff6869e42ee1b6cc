"""What run decides about an attempt, as data (design 3.3; the executable model calls it `decide` and `judge`). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from functions.jobs import CLOSED, FAILED, FINISHED, RETRY, End, Sight
from functions.records import Listing, Value, outputs_name

Step = Literal["create", "wait", "ask again", "judge"]


@dataclass(frozen=True)
class Known:
    """What the records tell of an attempt: read before the Job is looked at, never after."""

    started: bool
    closed: bool
    arrived: tuple[bool, ...]


def know(listing: Listing, attempt: int, outputs: Sequence[Value | None]) -> Known:
    """From one listing and the `outputs` records that it named, one per index."""
    return Known(
        started=listing.started(attempt),
        closed=any(value is not None and is_closed(value) for value in outputs),
        arrived=tuple(value is not None and not is_closed(value) for value in outputs),
    )


def is_closed(value: Value) -> bool:
    return bool(value.get(CLOSED))


def wanted_outputs(listing: Listing, attempt: int, workers: int) -> list[int]:
    """The indexes that have an `outputs` record."""
    return [index for index in range(workers) if listing.has(outputs_name(attempt, index))]


def choose(known: Known, sights: tuple[Sight, ...] | None) -> Step:
    """What to do now: create the Job, wait for its pods, or judge the attempt.

    A Job that is missing while nothing has started is created (again). To wait with all outputs in means to ask again
    at once: only the exit has not been reported yet.
    """
    if sights is None and not (known.started or known.closed):
        return "create"
    seen = sights or (Sight(),) * len(known.arrived)
    if not known.closed and is_busy(seen, known.arrived):
        return "ask again" if all(known.arrived) else "wait"
    return "judge"


def is_busy(sights: Sequence[Sight], arrived: Sequence[bool]) -> bool:
    """Is there a pod to wait for? One that is alive, until its outputs are in and its exit is reported."""
    return any(sight.alive and not (there and sight.end) for sight, there in zip(sights, arrived, strict=True))


@dataclass(frozen=True)
class Judgement:
    """What becomes of an attempt, and the end that explains it."""

    verdict: str
    end: End


LOST = End("killed", reason="lost", sentence="The pod was lost before its outputs were committed.")
UNKNOWN = End("fail", reason="exit-unknown", sentence="The outputs are in, but the exit code was lost with the pod.")
GIVEN_UP = "The job was given up after {count} attempts. The last one: {sentence}"


def judge(sights: tuple[Sight, ...] | None, arrived: Sequence[bool], attempt: int, attempts: int) -> Judgement:
    """By the exits that are known and by whose outputs are in; the plugin's own end is never tried again."""
    seen = sights or (Sight(),) * len(arrived)
    ends = [sight.end for sight in seen]
    known = [end for end in ends if end is not None]
    own = next((end for end in known if end.kind in ("fail", "stuck")), None)
    if own:
        return Judgement(FAILED, own)
    killed = next((end for end in known if end.kind == "killed"), None)
    if all(arrived) and not killed:
        return judge_arrived(ends)
    return give_up(killed or LOST, attempt, attempts)


def judge_arrived(ends: Sequence[End | None]) -> Judgement:
    """All outputs are in and nothing went wrong that is known: finished if every exit is known. Never run it again."""
    known = [end for end in ends if end is not None]
    if len(known) < len(ends):
        return Judgement(FAILED, UNKNOWN)
    return Judgement(FINISHED, max(known, key=lambda end: end.usage.wall_seconds))


def give_up(end: End, attempt: int, attempts: int) -> Judgement:
    if attempt < attempts:
        return Judgement(RETRY, end)
    sentence = GIVEN_UP.format(count=attempts, sentence=end.sentence)
    return Judgement(FAILED, End(end.kind, end.exit_code, end.reason, sentence, end.usage))
