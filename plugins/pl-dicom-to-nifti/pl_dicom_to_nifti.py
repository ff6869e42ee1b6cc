"""DICOM to NIfTI with dcm2niix; what can go wrong is said in a sentence that names the next step.

Exit codes of dcm2niix: its source, console/nii_dicom.h (kEXIT_*). Only 0 and 2 are told apart here: whether anything
was converted is seen from the output folder, which does not depend on its version.
"""

import os
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import dcm2niix
from chris_plugin import chris_plugin

NO_DICOM, UNREADABLE, PARTLY = 3, 4, 5
SEARCH_DEPTH = 9
"""The deepest that dcm2niix goes (its option -d)."""

PREAMBLE_BYTES = 128
MAGIC = b"DICM"

parser = ArgumentParser(description="Converts DICOM series to NIfTI with dcm2niix.")
parser.add_argument(
    "-f", "--filename", type=str, default="%s_%p", help="pattern of the output names: %%s series number, %%p protocol"
)
parser.add_argument("-u", "--uncompressed", action="store_true", help="write .nii instead of .nii.gz")


@chris_plugin(
    parser=parser, title="DICOM to NIfTI", category="Conversion", min_memory_limit="1Gi", min_cpu_limit="1000m"
)
def main(options: Namespace, inputdir: Path, outputdir: Path) -> int:
    if "/" in options.filename:
        return end(2, "The pattern of --filename may not hold a '/': name files, not folders.")
    code = subprocess.run(command(options, inputdir, outputdir), check=False).returncode
    volumes = sum(1 for path in outputdir.rglob("*.nii*") if path.is_file())
    if volumes and code == 0:
        return end(0, f"Converted to {volumes} NIfTI file(s).")
    if volumes:
        return end(PARTLY, f"{volumes} NIfTI file(s) were written, but some series failed: dcm2niix says why above.")
    return explain_nothing(inputdir, code)


def command(options: Namespace, inputdir: Path, outputdir: Path) -> list[str]:
    compress = "n" if options.uncompressed else "i"  # i: its own zlib, the same on every machine
    flags = {"-f": options.filename, "-z": compress, "-b": "y", "-ba": "y", "-d": str(SEARCH_DEPTH), "-w": "2"}
    return [dcm2niix.bin, *(token for pair in flags.items() for token in pair), "-o", str(outputdir), str(inputdir)]


def explain_nothing(inputdir: Path, code: int) -> int:
    files, dicoms = count(inputdir)
    if dicoms:
        return end(
            UNREADABLE,
            f"{dicoms} of {files} files are DICOM, but dcm2niix (exit code {code}) could make no image of them: "
            "they may be cut short, or hold no pictures (a report, a plan). Send the series again, whole.",
        )
    return end(
        NO_DICOM,
        f"There is no DICOM among the {files} files of the input folder. "
        "Choose the folder that holds the scanner's series, unpacked (not a .zip or .tar).",
    )


def count(inputdir: Path) -> tuple[int, int]:
    """Files below the folder, and how many of them begin as DICOM does (PS3.10 section 7.1)."""
    files = dicoms = 0
    for folder, _, names in os.walk(inputdir):
        for name in names:
            with Path(folder, name).open("rb") as stream:
                files, dicoms = files + 1, dicoms + (stream.read(PREAMBLE_BYTES + 4)[PREAMBLE_BYTES:] == MAGIC)
    return files, dicoms


def end(code: int, sentence: str) -> int:
    print(sentence, file=sys.stderr if code else sys.stdout, flush=True)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
