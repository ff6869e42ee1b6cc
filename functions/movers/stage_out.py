"""stage-out: the small program after a plugin. It uploads the outputs and commits them by a manifest.

    python -m functions.movers.stage_out        settings come from the environment (README.md); the exit code tells

The program itself only supervises: a child uploads, and is started again when it is killed, which goes on where the
first was (`ledger.py`). When the supervisor dies, its child does too.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from functions.movers.endpoint import Endpoint
from functions.movers.errand import DONE, FAULTY, PASSING, STOPPED, Errand, conclude, leave
from functions.movers.harvest import Harvest, Item
from functions.movers.ledger import Ledger
from functions.movers.upload import Uploader

MOST_RESTARTS = 5
BATCH_FILES, BATCH_BYTES = 1000, 4 * 1024**3
"""What is uploaded between two lines in the sand: a batch is asked for with one call and joins the manifest at once."""


def main(environ: Mapping[str, str]) -> int:
    given = environ.get("CHRYSALIS_SCRATCH", "")
    scratch = given or tempfile.mkdtemp(prefix="chrysalis-stage-out-")
    try:
        return supervise({**environ, "CHRYSALIS_SCRATCH": scratch})
    finally:
        if not given:
            shutil.rmtree(scratch, ignore_errors=True)


def publish(environ: Mapping[str, str]) -> int:
    """The uploader alone, for a caller that starts it again itself when it is killed; CHRYSALIS_SCRATCH must be set."""
    return conclude(environ, lambda: stage_out(environ))


def supervise(environ: Mapping[str, str]) -> int:
    """Run the uploader until it has ended by its own decision; answers the exit code of stage-out."""
    for _ in range(1 + MOST_RESTARTS):
        code = run_child(environ)
        if code in (DONE, STOPPED):
            return DONE  # committed, or decided without us
        if code in (FAULTY, PASSING):
            return code
    sentence = f"The uploader was killed {MOST_RESTARTS + 1} times; does the machine have enough memory?"
    leave(environ.get("CHRYSALIS_TERMINATION", ""), {"sentence": sentence})
    return PASSING


def run_child(environ: Mapping[str, str]) -> int:
    """Fork the uploader and wait for it: its exit code, or the negative number of the signal that killed it."""
    sys.stdout.flush()
    sys.stderr.flush()
    watched, held = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(held)
            threading.Thread(target=die_with_parent, args=(watched,), daemon=True).start()
            code = publish(environ)
            sys.stderr.flush()
        finally:
            os._exit(code)
    os.close(watched)
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.close(held)


def die_with_parent(watched: int) -> None:
    """The parent holds the other end of this pipe and never writes: it ends when the parent does."""
    os.read(watched, 1)
    os._exit(PASSING)


def stage_out(environ: Mapping[str, str]) -> dict[str, Any]:
    """Upload all outputs and commit them; answers what was left out, for the report."""
    errand = Errand.read(environ, url="CHRYSALIS_PUBLISH_URL", folder="CHRYSALIS_OUTGOING")
    ledger = Ledger(environ["CHRYSALIS_SCRATCH"])
    try:
        harvest = Harvest(errand.folder)
        uploader = Uploader(errand, Endpoint(errand.courier(), errand.url, errand.token), ledger)
        count, size = upload_all(harvest, uploader, ledger)
        manifest = uploader.send_manifest() | {"count": count, "bytes": size}
    finally:
        ledger.close()
    skipped = harvest.skipped.as_dict()
    body = {"index": errand.index, "uid": errand.uid, "manifest": manifest, "skipped": skipped}
    uploader.endpoint.post("/outputs", body)
    return {"skipped": skipped} if skipped else {}


def upload_all(harvest: Harvest, uploader: Uploader, ledger: Ledger) -> tuple[int, int]:
    """Upload what the manifest does not have yet; answers how many files and bytes the outputs are."""
    items = iter(harvest)
    count, size, following = match(items, ledger)
    rest = items if following is None else chain([following], items)
    for batch in batches(rest):
        ledger.append(uploader.upload(batch))
        count, size = count + len(batch), size + sum(item.size for item in batch)
    return count, size


def match(items: Iterator[Item], ledger: Ledger) -> tuple[int, int, Item | None]:
    """Pass over the files that the manifest has: their number, their bytes, and the first that differs, if one does."""
    count = size = 0
    for output in ledger.outputs():
        item = next(items, None)
        if item is None or (item.path, item.size) != (output.path, output.size):
            ledger.cut(count)  # the outputs are not those of the uploader before: begin here
            return count, size, item
        count, size = count + 1, size + item.size
    return count, size, None


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Items in their order, in lists of at most so many files and bytes (or a single larger one)."""
    batch: list[Item] = []
    size = 0
    for item in items:
        if batch and (len(batch) == BATCH_FILES or size + item.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.size
    if batch:
        yield batch


if __name__ == "__main__":
    sys.exit(main(os.environ))
