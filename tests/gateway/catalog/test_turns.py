"""Users take turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.catalog.turns import pick

QUEUES = st.dictionaries(st.integers(1, 6), st.lists(st.integers(), max_size=8), max_size=6)


def labelled(queues: dict[int, list[int]]) -> dict[int, list[tuple[int, int]]]:
    return {user: [(user, place) for place in range(len(queue))] for user, queue in queues.items()}


@given(st.integers(0, 20), QUEUES)
def test_as_many_go_as_there_are_slots_and_none_twice(free: int, queues: dict[int, list[int]]) -> None:
    jobs = labelled(queues)
    picked = pick(free, jobs, out={}, turns={})
    assert len(picked) == min(free, sum(map(len, jobs.values())))
    assert len(set(picked)) == len(picked)


@given(st.integers(0, 20), QUEUES)
def test_the_jobs_of_a_user_keep_their_order(free: int, queues: dict[int, list[int]]) -> None:
    picked = pick(free, labelled(queues), out={}, turns={})
    for user in queues:
        places = [place for who, place in picked if who == user]
        assert places == list(range(len(places)))


@given(st.integers(0, 30), QUEUES, st.dictionaries(st.integers(1, 6), st.integers(0, 5)))
def test_nobody_who_waits_has_two_less_than_somebody_who_was_served(
    free: int, queues: dict[int, list[int]], out: dict[int, int]
) -> None:
    picked = pick(free, labelled(queues), out=out, turns={})
    served = {user: sum(who == user for who, _ in picked) for user in queues}
    waiting = [user for user in queues if served[user] < len(queues[user])]
    for user in waiting:
        for other in queues:
            if served[other]:
                assert out.get(other, 0) + served[other] <= out.get(user, 0) + served[user] + 1


def test_a_thousand_jobs_of_one_delay_another_by_one_slot() -> None:
    queues = {1: [f"ann-{place}" for place in range(1000)], 2: ["bob-0"]}
    assert pick(1, queues, out={1: 7}, turns={1: 100}) == ["bob-0"]


def test_among_equals_it_is_the_turn_of_who_was_served_longest_ago() -> None:
    assert pick(1, {1: ["ann"], 2: ["bob"]}, out={}, turns={1: 20, 2: 10}) == ["bob"]
    assert pick(3, {1: ["a1", "a2"], 2: ["b1", "b2"]}, out={}, turns={1: 20, 2: 10}) == ["b1", "a1", "b2"]
