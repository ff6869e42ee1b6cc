"""Whether threads really sleep: the kernel counts how often it has let a thread run (proc(5), ctxt_switches)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path


def count_switches(names: Callable[[str], bool]) -> dict[int, list[str]]:
    """The figures of this process's threads of such names, by thread id."""
    ids = [thread.native_id for thread in threading.enumerate() if names(thread.name) and thread.native_id]
    texts = {id: Path(f"/proc/self/task/{id}/status").read_text() for id in ids}
    return {id: [line for line in text.splitlines() if "ctxt_switches" in line] for id, text in texts.items()}


def fall_asleep(names: Callable[[str], bool], *, window: float = 0.7, tries: int = 6) -> int:
    """How many such threads there are once none of them has run for a whole window; 0 if that never comes.

    The window is longer than the half second at which servers like to poll.
    """
    for _ in range(tries):
        before = count_switches(names)
        time.sleep(window)
        if count_switches(names) == before:
            return len(before)
    return 0
