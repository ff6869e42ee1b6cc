"""What a client may write: each field a small check, in the words of Django REST framework. Pure.

A check takes the value that was sent and answers the clean one; it raises ValueError with the sentence of the fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.api.errors import REQUIRED, Invalid

Check = Callable[[Any], Any]
EMAIL = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,.]{2,}")
TRUE = frozenset(("t", "y", "yes", "true", "on", "1"))
FALSE = frozenset(("f", "n", "no", "false", "off", "0"))


@dataclass(frozen=True)
class Field:
    """A field of a template. `required`: it must be there on POST and on PUT."""

    check: Check
    required: bool = False


def clean(data: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    """The values of the fields that were sent; others are ignored. Raises Invalid with the faults of all fields."""
    values: dict[str, Any] = {}
    faults: dict[str, list[str]] = {}
    for name, field in fields.items():
        if name not in data:
            if field.required:
                faults[name] = [REQUIRED]
            continue
        try:
            values[name] = field.check(data[name])
        except ValueError as error:
            faults[name] = [str(error)]
    if faults:
        raise Invalid(faults)
    return values


def text(*, most: int, least: int = 0, blank: bool = False, trim: bool = True) -> Check:
    """Text of at most `most` characters."""

    def check(value: Any) -> str:
        if value is None:
            raise ValueError("This field may not be null.")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("Not a valid string.")
        clean_value = str(value).strip() if trim else str(value)
        if "\x00" in clean_value:
            raise ValueError("Null characters are not allowed.")
        if not clean_value and not blank:
            raise ValueError("This field may not be blank.")
        if len(clean_value) > most:
            raise ValueError(f"Ensure this field has no more than {most} characters.")
        if len(clean_value) < least:
            raise ValueError(f"Ensure this field has at least {least} characters.")
        return clean_value

    return check


def integer(value: Any) -> int:
    try:
        number = int(re.sub(r"\.0*\s*$", "", str(value).strip()))
    except ValueError as error:
        raise ValueError("A valid integer is required.") from error
    if abs(number) >= 2**31:
        raise ValueError("A valid integer is required.")
    return number


def boolean(value: Any) -> bool:
    word = str(value).strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError("Must be a valid boolean.")


def email(value: Any) -> str:
    address = str(text(most=254)(value))
    if not EMAIL.fullmatch(address):
        raise ValueError("Enter a valid email address.")
    return address


def username(value: Any) -> str:
    name = str(text(least=4, most=32)(value))
    if "/" in name or "," in name:
        raise ValueError("This field may not contain commas or forward slashes.")
    # The name is a folder of the tree: `home/..` would be another one.
    if not re.fullmatch(r"[\w.@+-]+", name) or not name.strip("."):
        raise ValueError("This field may contain only letters, digits and @ . + - _.")
    return name
