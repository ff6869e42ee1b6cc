"""What a search asks for, read from the query string in one place. Pure; names and kinds are `catalog.lists`'.

Unknown parameters and empty values are ignored; a value of the wrong kind is a fault of that parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.api.errors import Invalid
from gateway.catalog.lists.rows import Filters, Kind

TRUE, FALSE = ("true", "1"), ("false", "0")


def read(query: Mapping[str, str], filters: Filters, zone: ZoneInfo) -> dict[str, Any]:
    """The values that a query string gives: str, int, aware datetime, or bool. Raises Invalid with every fault."""
    values: dict[str, Any] = {}
    faults: dict[str, list[str]] = {}
    for name, wanted in filters.items():
        text = query.get(name, "").strip()
        try:
            if text and (value := _convert(text, wanted.kind, zone)) is not None:
                values[name] = value
        except ValueError as error:
            faults[name] = [str(error)]
    if faults:
        raise Invalid(faults)
    return values


def _convert(text: str, kind: Kind, zone: ZoneInfo) -> Any:
    if "\x00" in text:
        raise ValueError("Null characters are not allowed.")
    match kind:
        case tuple():
            return _choice(text, kind)
        case "number":
            return _number(text)
        case "boolean":
            return _boolean(text)
        case "date":
            return _date(text, zone)
    return text


def _choice(text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise ValueError(f"Select a valid choice. {text} is not one of the available choices.")
    return text


def _number(text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise ValueError("Enter a number.") from error
    if abs(value) >= 2**63:
        raise ValueError("Enter a number.")
    return value


def _boolean(text: str) -> bool | None:
    return True if text.lower() in TRUE else False if text.lower() in FALSE else None


def _date(text: str, zone: ZoneInfo) -> datetime:
    try:
        # A "+" that was not escaped arrives as a space.
        value = datetime.fromisoformat(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
    except ValueError as error:
        raise ValueError("Enter a valid date/time.") from error
    return value if value.tzinfo else value.replace(tzinfo=zone)
