"""The `chrysalis` command."""

from __future__ import annotations

import logging
import os
import signal
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

import click

from gateway.cli import answers, completion, demo, jobs, letters, tools, transfers, trials
from gateway.cli.answers import Answer
from gateway.cli.faults import INTERRUPTED, REFUSED, Fault

STOPPED = "Stopped. What was sent or fetched whole stays; the same command goes on from there."


def main() -> None:
    """Run a command; Ctrl-C leaves nothing half-written and ends with 130."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was opened is closed
    as_json = answers.wanted(sys.argv[1:])
    try:
        sys.exit(perform(as_json=as_json))
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def perform(*, as_json: bool) -> int:
    """Run the command and tell its answer; the exit code."""
    try:
        answer = cli(prog_name="chrysalis", standalone_mode=False)
        if not isinstance(answer, Answer):  # --help and its like have told everything
            return answer if isinstance(answer, int) else 0
    except BrokenPipeError:
        raise
    except click.ClickException as error:
        answer = failed(error, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        answer = Answer(None, code=INTERRUPTED, error=STOPPED)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        answer = Answer(
            None, code=REFUSED, error=f"{place}{error.strerror or error}. Choose another place, or free it."
        )
    answers.show(answer, as_json=as_json)
    return answer.code


def failed(error: click.ClickException, *, as_json: bool) -> Answer:
    """What is answered instead. For people click's own way of telling wrong usage is the better one."""
    value, text = (error.result, error.text) if isinstance(error, Fault) else (None, "")
    if isinstance(error, click.UsageError) and not as_json:
        error.show()
        return Answer(value, text, code=error.exit_code)
    return Answer(value, text, code=error.exit_code, error=error.format_message())


@click.group(cls=answers.Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chrysalis-imaging")
def cli() -> None:
    """A scan goes in, a tool runs on it, the result comes out.

    The server and token come from CHRYSALIS_URL and CHRYSALIS_TOKEN, else from the home of `chrysalis serve`
    (CHRYSALIS_HOME, by default ~/.chrysalis).

    Exit codes: 0 done, 1 the job (or a check) failed, 2 wrong usage, 3 no server, 4 refused, 130 Ctrl-C; `plugin run`
    ends with the plugin's own. With --json the answer is one object: ok, exit_code, error (a sentence), result.
    """


@cli.command(cls=click.Command)
@click.option("--host", default="127.0.0.1", show_default=True, help="the address to listen at")
@click.option("--port", default=8000, show_default=True, envvar="CHRYSALIS_PORT", help="0 takes a free one")
def serve(host: str, port: int) -> None:
    """Start the server on this machine; Ctrl-C stops it, and running jobs go on when it is started again."""
    from functions.errors import Failure
    from functions.settings import read_settings
    from gateway.embedded import wiring

    try:
        settings = read_settings(os.environ)
        keep_log(settings.home / "logs")
        wiring.serve(settings, host=host, port=port)
    except Failure as failure:
        raise Fault(str(failure)) from failure


def keep_log(folder: Path) -> None:
    """What the server has to tell goes to logs/server.log, 5 files of 10 MB."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = RotatingFileHandler(folder / "server.log", maxBytes=10_000_000, backupCount=4, encoding="utf-8")
    logging.basicConfig(
        level=logging.INFO, handlers=[handler], format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


@cli.command("demo")
@click.option("--port", default=0, help="of the server that is started (default: a free one)")
@click.option("--stay/--no-stay", default=None, help="keep the server until Ctrl-C (default: on a terminal)")
def demo_command(port: int, stay: bool | None) -> Answer:
    """Send a scan through two tools on this machine, and show the times."""
    stays = stay or (stay is None and sys.stdin.isatty() and sys.stdout.isatty())
    with demo.run(os.environ, port=port) as finished:
        url = f"{finished.client.credentials.url}/api/v1/"
        again = (
            "" if stays or not finished.started else " (until now: `chrysalis serve` starts it again, with all of this)"
        )
        text = f"The report, here:      {finished.report}\nand on the server:     {finished.folder}\n"
        text += f"The server's address:  {url}{again}"
        if stays and finished.started:
            click.echo(text)
            text = ""
            click.pause("The server is yours until a key is pressed.", err=True)
    click.echo("Go on with: chrysalis serve, then chrysalis upload FOLDER and chrysalis run PLUGIN FOLDER", err=True)
    ids = [int(one["id"]) for one in finished.instances]
    return Answer({"report": str(finished.report), "folder": finished.folder, "url": url, "jobs": ids}, text)


for command in (transfers.upload_command, transfers.download_command, completion.completion_command):
    cli.add_command(command)
for command in (jobs.run_command, jobs.watch_command, jobs.retry_command, jobs.logs_command, jobs.cancel_command):
    cli.add_command(command)
for group, commands in ((tools.plugin_group, (trials.run_command, trials.check_command)), (letters.letters_group, ())):
    cli.add_command(group)
    for command in commands:
        group.add_command(command)


if __name__ == "__main__":
    main()
