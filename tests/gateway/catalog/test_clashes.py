"""Names that clash are kept apart, always in the same way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.catalog import paths
from gateway.catalog.clashes import LONGEST, Names, marked


def test_who_comes_first_keeps_the_name_and_the_next_gets_a_mark() -> None:
    names = Names([("a.txt", "own")])
    assert names.take("a.txt", "k1", "12") == "a_12.txt"
    assert names.take("a.txt", "k2", "12") == "a_12_2.txt"
    assert names.take("b.txt", "k1", "12") == "b.txt"
    assert names.take("scan.nii.gz", "k", "3") == "scan.nii.gz"
    assert names.take("scan.nii.gz", "k9", "4") == "scan_4.nii.gz"


def test_the_same_bytes_at_the_same_path_are_there_once() -> None:
    names = Names([("a.txt", "k1")])
    assert names.take("a.txt", "k1", "12") is None


def test_a_folder_and_a_file_never_share_a_name() -> None:
    names = Names([("a", "own"), ("d/x", "own2")], ["empty"])
    assert names.take("a/b", "k1", "7") == "a_7/b"
    assert names.take("d", "k2", "7") == "d_7"
    assert names.take("empty", "k3", "7") == "empty_7"
    assert names.take("d/x/y", "k4", "") == "d/x_2/y"


def test_a_mark_never_makes_a_name_too_long() -> None:
    for name in ("x" * 255, "ä" * 127 + "x", "y" * 251 + ".dcm"):
        assert len(marked(name, "123456").encode()) <= LONGEST


PART = st.sampled_from(["a", "b", "a_1", "a.txt", "a_1.txt", "x.nii.gz"])
PATH = st.lists(PART, min_size=1, max_size=3).map("/".join)


@given(st.lists(st.tuples(PATH, st.integers(0, 40).map(str), st.sampled_from(["", "1", "2"])), max_size=25))
def test_no_file_is_lost_and_no_name_is_given_twice(wanted: list[tuple[str, str, str]]) -> None:
    names, again = Names([("a", "own")], ["b"]), Names([("a", "own")], ["b"])
    put = [names.take(*one) for one in wanted]
    assert put == [again.take(*one) for one in wanted]
    given_names = [path for path in put if path is not None]
    assert len(set(given_names)) == len(given_names)
    assert {key for _, key, _ in wanted} <= set(names.files.values())
    folders = {above for path in names.files for above in paths.ancestors(paths.split(path)[0])}
    assert not folders & set(names.files)
