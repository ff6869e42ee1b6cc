"""Limits as CUBE writes them: `"1500m"` is millicores, `"1Gi"` and `"300Mi"` are memory. Pure.

Numbers without a unit are millicores and MiB. Source: CUBE's `plugins/fields.py`.
"""

from __future__ import annotations

import re
from typing import Any

CPU = re.compile(r"(\d+)(m?)")
MEMORY = re.compile(r"(\d+)(Mi|Gi)?")
BIGGEST = 2**31 - 1


def cpu(value: Any) -> int:
    """Millicores. Raises ValueError."""
    found = CPU.fullmatch(str(value).strip())
    if isinstance(value, bool) or found is None:
        raise ValueError("Invalid CPU limit: give millicores, such as '1500m'.")
    return _in_range(int(found[1]), "CPU limit")


def memory(value: Any) -> int:
    """MiB. Raises ValueError."""
    found = MEMORY.fullmatch(str(value).strip())
    if isinstance(value, bool) or found is None:
        raise ValueError("Invalid memory limit: give a number and a unit, such as '300Mi' or '1Gi'.")
    return _in_range(int(found[1]) * (1024 if found[2] == "Gi" else 1), "memory limit")


def whole(value: Any) -> int:
    """A number of GPUs or of pods. Raises ValueError."""
    if isinstance(value, bool) or re.fullmatch(r"\d+", str(value).strip()) is None:
        raise ValueError("A valid integer is required.")
    return _in_range(int(value), "number")


def _in_range(number: int, what: str) -> int:
    if number > BIGGEST:
        raise ValueError(f"Invalid {what}: it is larger than {BIGGEST}.")
    return number
