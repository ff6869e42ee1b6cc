"""What a mover is told by its environment, and how it ends: the same on a cluster and on one machine (README.md)."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from functions.errors import Failure, Permanent, Temporary
from functions.movers.courier import Courier, Stopped
from functions.movers.patience import Abandoned, Patience

DONE, STOPPED, FAULTY, PASSING = 0, 64, 65, 75
"""How a mover exits: all is well; there is nothing left to do; a fault that stays; a fault that may pass.

The last two are EX_DATAERR and EX_TEMPFAIL of sysexits.h.
"""
LONGEST_SENTENCE = 4000
"""A kubelet keeps 4,096 bytes of a termination message."""


def read_number(environ: Mapping[str, str], name: str, default: str, least: int) -> int:
    text = environ.get(name, default)
    if not text.isdecimal() or int(text) < least:
        raise Permanent(f"{name} must be a whole number of at least {least}, but it is {text!r}.")
    return int(text)


def read_text(environ: Mapping[str, str], name: str) -> str:
    if not (text := environ.get(name, "")):
        raise Permanent(f"{name} is not set; whatever starts the pod has to set it.")
    return text


def read_token(environ: Mapping[str, str]) -> str:
    """The job token, from the environment or from a mounted file."""
    if place := environ.get("CHRYSALIS_TOKEN_FILE"):
        try:
            with open(place, encoding="ascii") as file:
                return file.read().strip()
        except (OSError, ValueError) as error:
            raise Permanent(f"The job token in CHRYSALIS_TOKEN_FILE cannot be read: {error}.") from error
    return read_text(environ, "CHRYSALIS_TOKEN")


@dataclass(frozen=True)
class Errand:
    """What a mover has to do. `threads` move files beside each other; `patience` and `silence` in seconds.

    `links`: files of a store on this machine may be hard-linked, since a sandbox keeps the inputs read-only and nobody
    writes to the outputs any more.
    """

    token: str
    url: str
    index: int
    uid: str
    folder: str
    links: bool = False
    threads: int = 8
    patience: int = 300
    silence: int = 60

    @classmethod
    def read(cls, environ: Mapping[str, str], *, url: str, folder: str) -> Errand:
        """`url` and `folder` name the variables that differ between the movers. Raises Permanent, naming a variable."""
        return cls(
            token=read_token(environ),
            url=read_text(environ, url),
            index=read_number(environ, "CHRYSALIS_INDEX", "0", 0),
            uid=read_text(environ, "CHRYSALIS_POD_UID"),
            folder=read_text(environ, folder),
            links=environ.get("CHRYSALIS_LINKS", "") == "1",
            threads=read_number(environ, "CHRYSALIS_THREADS", "8", 1),
            patience=read_number(environ, "CHRYSALIS_PATIENCE", "300", 0),
            silence=read_number(environ, "CHRYSALIS_SILENCE", "60", 1),
        )

    def courier(self) -> Courier:
        return Courier(Patience(self.patience), self.silence)


def conclude(environ: Mapping[str, str], run: Callable[[], dict[str, Any]]) -> int:
    """Run a mover's work and answer its exit code; what there is to say goes to $CHRYSALIS_TERMINATION."""
    try:
        report, code = run(), DONE
    except Stopped as stopped:
        report, code = {"sentence": str(stopped)}, STOPPED
    except (Temporary, Abandoned) as failure:
        report, code = {"sentence": str(failure)}, PASSING
    except Failure as failure:
        report, code = {"sentence": str(failure)}, FAULTY
    except Exception:  # noqa: BLE001 - the border: a fault of ours may not look like a fault of the job
        traceback.print_exc()
        report, code = {"sentence": "A mover met an unexpected fault; its log has the details."}, PASSING
    if report:
        leave(environ.get("CHRYSALIS_TERMINATION", ""), report)
    return code


def leave(place: str, report: dict[str, Any]) -> None:
    """Write a report where whoever watches the pod will read it. It is no reason to fail if that cannot be done.

    It goes to stderr only if there is no such place: a report may name files, and logs are not for patients' data.
    """
    if sentence := report.get("sentence"):
        report = report | {"sentence": sentence[:LONGEST_SENTENCE]}
    text = json.dumps(report)
    with suppress(OSError):
        if not place:
            sys.stderr.write(f"{text}\n")
            return
        write_whole(place, text)


def write_whole(place: str, text: str) -> None:
    """Whole or not at all where the folder allows it.

    A kubelet mounts the file itself: nothing can be renamed over it, and beside it only root may write.
    """
    try:
        with open(f"{place}.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(f"{place}.new", place)
    except OSError:
        with suppress(OSError):
            os.unlink(f"{place}.new")
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)
