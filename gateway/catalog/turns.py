"""Whose job is next: users in turn, so that a thousand jobs of one delay another's by at most one slot. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import TypeVar

Job = TypeVar("Job")


def pick(
    free: int, queues: Mapping[int, Sequence[Job]], *, out: Mapping[int, int], turns: Mapping[int, int]
) -> list[Job]:
    """The next `free` jobs of the users' `queues` (each in its order).

    The user with the fewest jobs out is first; among equals the one whose last job (`turns`: when) is longest ago.
    """
    heap = [(out.get(user, 0), turns.get(user, 0), user, 0) for user, queue in queues.items() if queue]
    heapq.heapify(heap)
    picked: list[Job] = []
    latest = max(turns.values(), default=0)
    while heap and len(picked) < free:
        busy, _, user, place = heap[0]
        picked.append(queues[user][place])
        latest += 1
        if place + 1 < len(queues[user]):
            heapq.heapreplace(heap, (busy + 1, latest, user, place + 1))
        else:
            heapq.heappop(heap)
    return picked
