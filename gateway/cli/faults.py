"""What the command says when it cannot go on, and the exit code that scripts see.

0  done                      3  the server cannot be reached
1  the job failed            4  refused, or what was given or sent cannot be used
2  wrong usage (click's)     130  Ctrl-C

`plugin run` ends with the exit code of the plugin itself.
"""

from __future__ import annotations

from typing import Any

import click

JOB_FAILED, USAGE, UNREACHABLE, REFUSED, INTERRUPTED = 1, 2, 3, 4, 130


class Fault(click.ClickException):
    """A sentence for the user: the cause, and the next step. `result`: what is known all the same, for programs;
    `text`: that for people."""

    exit_code = REFUSED
    result: Any = None
    text: str = ""


class Unreachable(Fault):
    exit_code = UNREACHABLE


class JobFailed(Fault):
    exit_code = JOB_FAILED


class Refused(Fault):
    """The server's `no`, with its HTTP status."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status
