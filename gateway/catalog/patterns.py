"""The `filter` of a ts plugin: regular expressions, comma-separated, one for each instance that is joined. Pure.

The i-th is searched for in the whole paths of the files of the i-th instance; an empty or a missing one takes all
(plugin-contract.md section 5). They come from users and are searched for while the catalog is locked: the time that
this takes has a limit, which Python's own `re` cannot hold.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import regex

from functions.errors import Permanent

SECONDS = 2.0
"""How long all searches of one join may take."""
COUNTED = re.compile(r"\{(\d*),?(\d*)\}")
MOST_REPEATS = 10_000
"""`regex` writes counted repeats out when it compiles them: nested ones would fill the memory."""


def listed(value: str) -> list[str]:
    """The expressions of a value, without spaces around them; none of an empty value."""
    return [one.strip() for one in value.split(",")] if value else []


def check(value: str) -> str:
    """The value as it is kept. Raises ValueError naming the first expression that is none."""
    for one in listed(value):
        try:
            re.compile(one)
            if repeats(one) > MOST_REPEATS:
                raise re.error("its counted repeats are too many")
            regex.compile(one)
        except (re.error, regex.error, OverflowError, RecursionError) as error:
            raise ValueError(f"Invalid regular expression {one!r}: {error}.") from error
    return ",".join(listed(value))


def repeats(expression: str) -> int:
    """How often the counted repeats of an expression repeat something, at most, were all of them nested."""
    return math.prod(max(int(number or 1) for number in found.groups()) or 1 for found in COUNTED.finditer(expression))


@dataclass
class Filters:
    """The filters of one join, and the time that is left for them (seconds)."""

    expressions: Sequence[str]
    left: float = SECONDS
    _compiled: dict[str, Any] = field(default_factory=dict)

    def keeps(self, place: int, path: str) -> bool:
        """Does the instance at `place` (from 0) give the file at this whole path? Raises Permanent: out of time."""
        expression = self.expressions[place] if place < len(self.expressions) else ""
        if not expression:
            return True
        if expression not in self._compiled:
            self._compiled[expression] = regex.compile(expression)
        start = time.monotonic()
        try:
            found = self._compiled[expression].search(path, timeout=max(self.left, 0.001))
        except TimeoutError as error:
            raise Permanent(
                f"The filter {expression!r} takes too long (more than {SECONDS:g} s). Give a simpler one."
            ) from error
        self.left -= time.monotonic() - start
        return found is not None
