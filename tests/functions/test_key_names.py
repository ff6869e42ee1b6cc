"""A key has one file, a file has one key, and a person finds the one by the other."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.key_names import LONGEST_NAME, MORE, names_of, path_of, piece_of

pieces = st.text(
    st.one_of(
        st.sampled_from(".%-+~ \x00\x1f\x7f\\é脳"), st.characters(exclude_categories=["Cs"], exclude_characters="/")
    ),
    max_size=400,
)


@given(pieces)
def test_every_piece_is_found_again(piece: str) -> None:
    *folders, last = names_of(piece)
    assert all(name.endswith(MORE) for name in folders)
    read = [piece_of(name.removesuffix(MORE)) for name in folders] + [piece_of(last)]
    assert b"".join(part for part in read if part is not None) == piece.encode()
    assert None not in read


@given(pieces)
def test_every_name_is_one_that_a_file_can_have(piece: str) -> None:
    for name in names_of(piece):
        assert name not in (b"", b".", b"..")
        assert len(name) <= LONGEST_NAME + len(MORE) <= 255
        assert b"/" not in name and b"\0" not in name
        name.decode()


@given(pieces, pieces)
def test_two_pieces_have_two_names(one: str, other: str) -> None:
    assert (names_of(one) == names_of(other)) == (one == other)


@pytest.mark.parametrize("key", ["feeds/feed_1/IM0001.dcm", "Zürich/脳 scan (1).nii.gz", "a.b/.hidden/-x", "~/a+b&c"])
def test_usual_names_are_left_alone(key: str) -> None:
    assert path_of(key) == key.encode()


@given(st.binary(min_size=1, max_size=300).filter(lambda name: b"/" not in name and b"\0" not in name))
def test_a_file_that_is_not_ours_has_no_key(name: bytes) -> None:
    piece = piece_of(name)
    assert piece is None or names_of(piece.decode()) == [name]


def test_no_key_leaves_the_root() -> None:
    for key in ("../a", "/etc/passwd", "a/../../b", "..", "./.."):
        path = "/root/" + path_of(key).decode()
        assert os.path.normpath(path) == path
