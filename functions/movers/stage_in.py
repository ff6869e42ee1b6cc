"""stage-in: the small program before a plugin. It brings the inputs and asks whether the plugin may start.

python -m functions.movers.stage_in        settings come from the environment (README.md); the exit code tells
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from functions.movers.courier import Stopped
from functions.movers.crew import Crew
from functions.movers.disk import Folder
from functions.movers.download import Downloader
from functions.movers.endpoint import Endpoint
from functions.movers.errand import Errand, conclude
from functions.movers.inputs import Pages


def main(environ: Mapping[str, str]) -> int:
    return conclude(environ, lambda: stage_in(environ))


def stage_in(environ: Mapping[str, str]) -> dict[str, Any]:
    errand = Errand.read(environ, url="CHRYSALIS_STAGE_URL", folder="CHRYSALIS_INCOMING")
    courier = errand.courier()
    endpoint = Endpoint(courier, errand.url, errand.token)
    files, size = bring_all(errand, endpoint)
    report = {"index": errand.index, "uid": errand.uid, "files": files, "bytes": size}
    answer = endpoint.post("/started", report)
    if not answer.get("start"):
        raise Stopped(answer.get("sentence") or "stage does not let the plugin start.")
    return {}


def bring_all(errand: Errand, endpoint: Endpoint) -> tuple[int, int]:
    """Bring all inputs; answers how many files and bytes they are."""
    pages = Pages(endpoint)
    downloader = Downloader(endpoint.courier, Folder(errand.folder), pages, links=errand.links)
    files = size = 0
    with Crew(errand.threads, downloader.bring, endpoint.courier.patience.stop) as crew:
        for row in pages:
            crew.give(row)
            files, size = files + 1, size + row.size
        crew.drain()
    return files, size


if __name__ == "__main__":
    sys.exit(main(os.environ))
