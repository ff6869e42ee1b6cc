"""How much a test does: small by default, the full counts by `make soak` (CHRYSALIS_SCALE=fast|ci|soak)."""

from __future__ import annotations

import os


def count(full: int, ci: int, fast: int) -> int:
    """How many to do at the scale that the environment names."""
    scale = os.environ.get("CHRYSALIS_SCALE", "fast")
    counts = {"soak": full, "ci": ci, "fast": fast}
    if scale not in counts:
        raise ValueError(f"CHRYSALIS_SCALE is {scale!r}; it must be one of {', '.join(counts)}.")
    return counts[scale]
