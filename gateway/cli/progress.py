"""Bars with rate and time left on a terminal; one line at the end elsewhere. On stderr: stdout is for results."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from gateway.cli.upload import Advance

console = Console(stderr=True, highlight=False, soft_wrap=True)
results = Console(highlight=False, soft_wrap=True)


@contextmanager
def transfer(verb: str, *, files: int, size: int) -> Iterator[Advance]:
    """`verb` in the past: uploaded, downloaded."""
    begun = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(f"{files} files", total=size)
        yield lambda count: bar.advance(task, count)
    seconds = max(time.monotonic() - begun, 1e-6)
    console.print(f"{verb} {files} files, {decimal(size)} in {seconds:.1f} s ({decimal(int(size / seconds))}/s)")
