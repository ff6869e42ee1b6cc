"""What outputs are called: without commas, all different, the same however often a folder is read."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.movers.names import LONGEST, assign, clean, is_link, number

PIECES = st.text(st.sampled_from("ab,. _2é"), min_size=1, max_size=6)
NAMES = PIECES.filter(lambda name: name not in (".", "..") and clean(name) != "")
ENTRIES = st.lists(st.lists(NAMES, min_size=1, max_size=2).map(tuple), unique=True, max_size=12)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a,b.nii", "ab.nii"),
        (",", ""),
        (", ,", ""),
        (" ", ""),
        (" a,", " a"),
        (",.", "_"),
        (".,.", "__"),
        ("...", "..."),
        ("é,ü", "éü"),
    ],
)
def test_commas_are_removed(name: str, kept: str) -> None:
    assert clean(name) == kept


@pytest.mark.parametrize(
    ("name", "numbered"),
    [
        ("scan.nii.gz", "scan_2.nii.gz"),
        ("scan.dcm", "scan_2.dcm"),
        ("1.2.840.10008", "1.2.840.10008_2"),
        ("1.2.840.dcm", "1.2.840_2.dcm"),
        (".profile", ".profile_2"),
        ("notes", "notes_2"),
    ],
)
def test_a_number_goes_before_the_suffix(name: str, numbered: str) -> None:
    assert number(name, 2) == numbered


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), st.integers(2, 10**6))
def test_a_numbered_name_is_no_longer_than_a_name_may_be(name: str, count: int) -> None:
    numbered = number((name * 300)[:250], count)
    assert len(numbered.encode()) <= LONGEST
    assert f"_{count}" in numbered


def test_of_clashing_names_the_one_that_has_it_keeps_it() -> None:
    paths = [("a,b.nii",), ("ab,.nii",), ("ab.nii",), ("ab_2.nii",)]
    assert assign(paths) == ["ab_3.nii", "ab_4.nii", "ab.nii", "ab_2.nii"]


def test_what_comes_from_a_dissolved_folder_gives_way() -> None:
    assert assign([(",", "a"), ("a",), (" ", "a")]) == ["a_3", "a", "a_2"]


@given(ENTRIES)
def test_names_are_plain_and_all_different(paths: list[tuple[str, ...]]) -> None:
    names = assign(paths)
    assert len(set(names)) == len(names)
    for name in names:
        assert "," not in name
        assert name.strip(" ")
        assert name not in (".", "..")
        assert len(name.encode()) <= LONGEST


@given(ENTRIES)
def test_a_name_without_comma_is_kept(paths: list[tuple[str, ...]]) -> None:
    for path, name in zip(paths, assign(paths), strict=True):
        if len(path) == 1 and "," not in path[0]:
            assert name == path[0]


@given(ENTRIES, st.randoms(use_true_random=False))
def test_names_do_not_depend_on_the_order_of_reading(paths: list[tuple[str, ...]], chance: random.Random) -> None:
    shuffled = paths[:]
    chance.shuffle(shuffled)
    expected = dict(zip(paths, assign(paths), strict=True))
    assert dict(zip(shuffled, assign(shuffled), strict=True)) == expected


def test_a_great_many_clashes_are_told_apart_quickly() -> None:
    paths = [("a" + "," * count,) for count in range(5000)]
    assert len(set(assign(paths))) == 5000


@pytest.mark.parametrize("name", ["x.chrislink", "x.chris,link", "x.chrislink,"])
def test_a_link_is_one_also_in_disguise(name: str) -> None:
    assert is_link(name)
    assert not is_link(name + ".txt")
