"""What an operation of the catalog refuses, and why. The API answers 400, 403 and 404.

Faulty    what was given is wrong; all faults at once, by field
Denied    this user may not do this
Absent    there is no such thing (or this user may not know of it)
"""

from __future__ import annotations

from functions.errors import Permanent

GENERAL = "non_field_errors"
"""The field of a fault that belongs to no single field, as CUBE's clients expect it."""


class Faulty(Permanent):
    """What was given is wrong. `faults` maps each field to its sentences."""

    def __init__(self, faults: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{field}: {' '.join(sentences)}" for field, sentences in faults.items()))
        self.faults = faults


class Denied(Permanent):
    """This user may not do this."""

    def __init__(self, sentence: str = "You do not have permission to perform this action.") -> None:
        super().__init__(sentence)


class Absent(Permanent):
    """There is no such thing."""


class Faults:
    """Collects faults by field, to report them all at once."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}

    def add(self, field: str, sentence: str) -> None:
        self.found.setdefault(field, []).append(sentence)

    def close(self) -> None:
        """Raises Faulty if any fault was added."""
        if self.found:
            raise Faulty(self.found)
