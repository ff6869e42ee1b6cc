"""What clients may write."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.api import fields
from gateway.api.errors import Invalid
from gateway.api.fields import Field, clean


def fault(check: fields.Check, value: Any) -> str:
    with pytest.raises(ValueError) as refused:
        check(value)
    return str(refused.value)


def test_all_faults_come_at_once_and_unknown_fields_are_ignored() -> None:
    form = {"username": Field(fields.username, required=True), "email": Field(fields.email, required=True)}
    with pytest.raises(Invalid) as refused:
        clean({"username": "abc", "surname": "x"}, form)
    assert refused.value.body == {
        "username": ["Ensure this field has at least 4 characters."],
        "email": ["This field is required."],
    }


def test_text_is_trimmed_and_measured() -> None:
    check = fields.text(most=5)
    assert check("  abc ") == "abc"
    assert check(12) == "12"
    assert fault(check, " ") == "This field may not be blank."
    assert fault(check, None) == "This field may not be null."
    assert fault(check, True) == "Not a valid string."
    assert fault(check, ["a"]) == "Not a valid string."
    assert fault(check, "abcdef") == "Ensure this field has no more than 5 characters."
    assert fields.text(most=5, blank=True)("") == ""
    assert fields.text(most=5, trim=False)(" a ") == " a "


@pytest.mark.parametrize(("value", "number"), [(5, 5), ("5", 5), ("5.0", 5), (" -7 ", -7)])
def test_integers_come_in_many_forms(value: Any, number: int) -> None:
    assert fields.integer(value) == number


@pytest.mark.parametrize("value", ["", "x", "1.5", None, True, [], "9" * 30])
def test_what_is_no_integer_is_told(value: Any) -> None:
    assert fault(fields.integer, value) == "A valid integer is required."


@pytest.mark.parametrize(("value", "truth"), [(True, True), ("on", True), (1, True), ("False", False), (0, False)])
def test_booleans_come_in_many_forms(value: Any, truth: bool) -> None:
    assert fields.boolean(value) is truth


@pytest.mark.parametrize("name", ["a/bcd", "a,bcd", "..", "....", "ab cd", "abc\0d"])
def test_a_username_is_the_name_of_a_folder(name: str) -> None:
    assert fault(fields.username, name)


@pytest.mark.parametrize("address", ["", "a", "a@b", "a b@c.org", "@c.org"])
def test_an_address_has_the_form_of_one(address: str) -> None:
    assert fault(fields.email, address)
