"""Copies its input folder. Imports only what `chris_plugin` has imported already: the time measured is not its own."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from chris_plugin import chris_plugin

CHUNK_BYTES = 1 << 20
parser = ArgumentParser(description="Copies the input folder to the output folder.")


@chris_plugin(parser=parser, title="Copy", category="Utilities", min_memory_limit="100Mi", min_cpu_limit="1000m")
def main(options: Namespace, inputdir: Path, outputdir: Path) -> int:
    for folder, _, names in os.walk(inputdir):
        target = outputdir / os.path.relpath(folder, inputdir)
        target.mkdir(exist_ok=True)
        for name in names:
            copy_file(os.path.join(folder, name), target / name)  # noqa: PTH118
    return 0


def copy_file(source: str, target: Path) -> None:
    with open(source, "rb") as incoming, open(target, "wb") as outgoing:
        while chunk := incoming.read(CHUNK_BYTES):
            outgoing.write(chunk)


if __name__ == "__main__":
    raise SystemExit(main())
