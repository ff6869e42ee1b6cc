"""The life of an instance: it only ever moves forward, whatever is told in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.catalog import states

EVENTS = st.lists(st.sampled_from(states.OUT))


def live(state: str, told: list[str]) -> list[str]:
    """The states that an instance goes through when it is told these, by the rule of `sources`."""
    lived = [state]
    for event in told:
        lived.append(event if lived[-1] in states.sources(event) else lived[-1])
    return lived


@given(EVENTS)
def test_status_events_never_move_backwards(told: list[str]) -> None:
    places = [states.ORDER.index(state) for state in live(states.COPYING, told)]
    assert places == sorted(places)


@given(EVENTS)
def test_in_any_order_and_doubled_they_end_at_the_furthest(told: list[str]) -> None:
    furthest = max([states.COPYING, *told], key=states.ORDER.index)
    assert live(states.COPYING, told)[-1] == furthest
    assert live(states.COPYING, [*told, *reversed(told)])[-1] == furthest


@given(st.sampled_from(states.FINAL), EVENTS)
def test_no_event_changes_a_final_state(end: str, told: list[str]) -> None:
    assert set(live(end, told)) == {end}


@given(st.sampled_from(states.QUEUED), EVENTS)
def test_no_event_lets_out_what_was_not_released(state: str, told: list[str]) -> None:
    assert set(live(state, told)) == {state}


@given(st.sampled_from(states.ALL), st.sampled_from(states.ALL))
def test_a_legal_move_is_never_legal_backwards(state: str, to: str) -> None:
    assert not (states.moves(state, to) and states.moves(to, state))
    assert not states.moves(state, state)


def test_any_unfinished_instance_may_be_cancelled() -> None:
    assert all(states.moves(state, states.CANCELLED) for state in states.ORDER)


def test_a_child_begins_as_its_parent_allows() -> None:
    assert states.after_parent(None) == states.CREATED
    assert states.after_parent(states.FINISHED) == states.CREATED
    assert {states.after_parent(state) for state in states.ORDER} == {states.WAITING}
    assert {states.after_parent(state) for state in (states.FAILED, states.CANCELLED)} == {states.CANCELLED}
