"""Values of plugin parameters: what a user gave, as what the plugin's descriptor says it is. Pure.

Rules and sentences are CUBE's (its parameter serializers), so that its clients understand them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from gateway.catalog import paths

LONGEST_TEXT, LONGEST_PATHS = 600, 16_000
TRUE = {"t", "y", "yes", "true", "on", "1"}
FALSE = {"f", "n", "no", "false", "off", "0"}
INTEGER = re.compile(r"([+-]?[0-9]+)(\.0*)?")
Value = str | int | float | bool


def parse(kind: str, value: Any) -> Value:
    """The value of a parameter of type string, integer, float, boolean, path or unextpath. Raises ValueError."""
    return PARSERS[kind](value)


def text(value: Any, *, longest: int = LONGEST_TEXT) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("Not a valid string.")
    if "\0" in str(value):
        raise ValueError("Null characters are not allowed.")
    if len(str(value)) > longest:
        raise ValueError(f"Ensure this field has no more than {longest} characters.")
    return str(value)


def integer(value: Any) -> int:
    found = INTEGER.fullmatch(str(value).strip())
    if isinstance(value, bool) or found is None or len(str(value)) > LONGEST_TEXT:
        raise ValueError("A valid integer is required.")
    return int(found[1])


def number(value: Any) -> float:
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError("A valid number is required.")
    return found


def boolean(value: Any) -> bool:
    word = str(value).strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError("Must be a valid boolean.")


def path_list(value: Any) -> str:
    """A comma-separated list of paths, cleaned. Whether they exist and may be read is asked elsewhere."""
    found = paths.listed(text(value, longest=LONGEST_PATHS))
    if not found:
        raise ValueError("This field may not be blank.")
    for path in found:
        paths.clean(path)
        if not path.startswith(paths.OPEN_ROOTS):
            raise ValueError(f"Invalid path {path!r}: it must lie below home/, SERVICES/ or PIPELINES/.")
        if path.startswith("home/") and (path.count("/") == 1 or path.split("/")[2:] == ["feeds"]):
            raise ValueError(f"Invalid path {path!r}: a home folder or its feeds folder cannot be an input.")
    return ",".join(found)


PARSERS: dict[str, Callable[[Any], Value]] = {
    "string": text,
    "integer": integer,
    "float": number,
    "boolean": boolean,
    "path": path_list,
    "unextpath": path_list,
}
