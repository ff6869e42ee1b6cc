"""Values, limits and paths that users give."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalog import limits, paths, values
from gateway.catalog.faults import Faulty


@pytest.mark.parametrize(
    ("kind", "given_value", "kept"),
    [
        ("string", "a b", "a b"),
        ("string", 5, "5"),
        ("integer", "12", 12),
        ("integer", "12.0", 12),
        ("integer", -3, -3),
        ("float", "1e3", 1000.0),
        ("float", 2, 2.0),
        ("boolean", "true", True),
        ("boolean", False, False),
        ("boolean", "0", False),
        ("path", " home/ann/x/ , /SERVICES/PACS/y,", "home/ann/x,SERVICES/PACS/y"),
    ],
)
def test_a_value_is_kept_as_its_type(kind: str, given_value: Any, kept: Any) -> None:
    found = values.parse(kind, given_value)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("kind", "given_value"),
    [
        ("string", True),
        ("string", ["a"]),
        ("string", "x" * 601),
        ("string", "a\0b"),
        ("integer", "1.5"),
        ("integer", True),
        ("integer", "inf"),
        ("integer", None),
        ("float", "nan"),
        ("float", True),
        ("float", "1,5"),
        ("boolean", "maybe"),
        ("boolean", 2),
        ("path", ""),
        ("path", "home/ann/x," * 2000),
        ("unextpath", "tmp/x"),
    ],
)
def test_what_is_no_such_value_is_refused(kind: str, given_value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        values.parse(kind, given_value)


@given(st.sampled_from(sorted(values.PARSERS)), st.none() | st.booleans() | st.integers() | st.floats() | st.text())
def test_any_value_is_parsed_or_refused_with_a_sentence(kind: str, value: Any) -> None:
    try:
        values.parse(kind, value)
    except (ValueError, Faulty) as error:
        assert str(error)


@given(st.integers(0, 2_000_000))
def test_limits_are_read_with_and_without_units(number: int) -> None:
    assert limits.cpu(f"{number}m") == limits.cpu(number) == limits.cpu(str(number)) == number
    assert limits.memory(f"{number}Mi") == limits.memory(number) == number
    assert limits.memory(f"{number}Gi") == number * 1024


@pytest.mark.parametrize("odd", ["", "-1", "1.5", "1K", "m", True, None, "1e3", str(2**31)])
def test_odd_limits_are_refused(odd: Any) -> None:
    for parse in (limits.cpu, limits.memory, limits.whole):
        with pytest.raises(ValueError, match=r"\w"):
            parse(odd)


@given(st.text(max_size=40))
def test_a_cleaned_path_stays_in_the_tree_and_is_clean(text: str) -> None:
    try:
        path = paths.clean(text)
    except Faulty:
        return
    assert paths.clean(path) == path
    assert not any(part in ("", ".", "..") for part in path.split("/") if path)


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=6)


@given(st.lists(NAMES, min_size=1, max_size=4), st.lists(NAMES, min_size=1, max_size=4))
def test_the_range_below_a_folder_is_exactly_what_lies_in_it(folder: list[str], other: list[str]) -> None:
    base, path = "/".join(folder), "/".join(other)
    low, high, key = f"{base}/".encode(), paths.after_descendants(base).encode(), path.encode()
    assert (low <= key < high) == (other[: len(folder)] == folder and len(other) > len(folder))
    assert low <= f"{base}/{path}".encode() < high


def test_ancestors_begin_at_the_root() -> None:
    assert paths.ancestors("a/b/c") == ["", "a", "a/b", "a/b/c"]
    assert paths.ancestors("") == [""]
