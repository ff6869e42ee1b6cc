"""Copies its input files under names with a prefix, after a sleep: one parameter of each kind, for smoke tests.

The parameters are those of ChRIS's pl-simpledsapp, by its published descriptor.
"""

import json
import math
import os
import shutil
import sys
import time
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

from chris_plugin import chris_plugin

parser = ArgumentParser(description="Copies the input files under names with a prefix.")
parser.add_argument("-p", "--prefix", default="", help="what to put before the name of each file")
parser.add_argument(
    "--ignoreInputDir", dest="b_ignoreInputDir", action="store_true", help="do not read the input: write a timestamp"
)
parser.add_argument("--sleepLength", default="0", help="seconds to sleep before anything else")
parser.add_argument("--dummyInt", type=int, default=1, help="an integer, only printed")
parser.add_argument("--dummyFloat", type=float, default=1.1, help="a number, only printed")
parser.add_argument("--pftelDB", default="", help="a telemetry service, only printed: there is no network here")


@chris_plugin(
    parser=parser, title="Simple ds app", category="Utilities", min_memory_limit="100Mi", min_cpu_limit="1000m"
)
def main(options: Namespace, inputdir: Path, outputdir: Path) -> int:
    fault = complaint(options)
    if fault:
        print(fault, file=sys.stderr)
        return 2
    told = ", ".join(f"{name}={getattr(options, name)!r}" for name in ("dummyInt", "dummyFloat", "pftelDB"))
    print(f"Sleeping for {options.sleepLength} s; {told}")
    time.sleep(float(options.sleepLength))
    if options.b_ignoreInputDir:
        write_timestamp(outputdir)
    else:
        print(f"Copied {copy(inputdir, outputdir, options.prefix)} files")
    return 0


def complaint(options: Namespace) -> str:
    """What is wrong with the arguments, in a sentence; empty if nothing is. A time is text, as in the descriptor."""
    try:
        seconds = float(options.sleepLength)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        return f"--sleepLength: {options.sleepLength!r} is no number of seconds."
    if "/" in options.prefix:
        return f"--prefix: {options.prefix!r} cannot be the beginning of a file's name."
    return ""


def copy(inputdir: Path, outputdir: Path, prefix: str) -> int:
    """Copy every file, folders kept; the number of files."""
    count = 0
    for folder, _, names in os.walk(inputdir):
        target = outputdir / os.path.relpath(folder, inputdir)
        target.mkdir(exist_ok=True)
        for name in names:
            shutil.copyfile(Path(folder) / name, target / f"{prefix}{name}")
            count += 1
    return count


def write_timestamp(outputdir: Path) -> None:
    now = datetime.now(UTC)
    fields = {name: getattr(now, name) for name in ("year", "month", "day", "hour", "minute", "second")}
    (outputdir / "timestamp.json").write_text(json.dumps(fields, indent=4) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
