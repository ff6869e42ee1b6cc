"""From a folder of NIfTI files to a folder with a report."""

import json
import sys
from argparse import ArgumentParser, Namespace
from io import BytesIO
from pathlib import Path

from chris_plugin import chris_plugin

from slice_report import mosaic, page, statistics, volume

NO_VOLUME, UNREADABLE, PARTLY = 3, 4, 5

parser = ArgumentParser(description="Slices and statistics of NIfTI volumes as one page.")
parser.add_argument("-s", "--slices", type=int, default=12, help="slices in each mosaic")
parser.add_argument("-l", "--low", type=float, default=1.0, help="percentile of the intensities that is shown black")
parser.add_argument("-u", "--high", type=float, default=99.5, help="percentile of the intensities that is shown white")
parser.add_argument("-n", "--neurological", action="store_true", help="the patient's left on the left")


@chris_plugin(
    parser=parser, title="Slice report", category="Visualization", min_memory_limit="2Gi", min_cpu_limit="1000m"
)
def main(options: Namespace, inputdir: Path, outputdir: Path) -> int:
    if options.slices < 1 or not 0 <= options.low < options.high <= 100:
        return end(2, "--slices must be at least 1, and 0 <= --low < --high <= 100.")
    paths = volume.find(inputdir)
    if not paths:
        return end(
            NO_VOLUME, "There is no NIfTI file (.nii, .nii.gz) in the input folder: run pl-dicom-to-nifti first."
        )
    sections, faults = [], {}
    for path in paths:
        name = str(path.relative_to(inputdir))
        try:
            sections.append(report(volume.read(path, name), options, outputdir))
        except volume.Unreadable as fault:
            faults[name] = str(fault)
            print(f"{name} is left out: {fault}.", file=sys.stderr, flush=True)
    convention = "neurological" if options.neurological else "radiological"
    (outputdir / "report.html").write_text(page.render(sections, faults, convention=convention), encoding="utf-8")
    return conclude(len(sections), len(faults))


def report(scan: volume.Volume, options: Namespace, outputdir: Path) -> page.Section:
    """Write the pictures and numbers of one volume into a folder of its own."""
    folder = outputdir / stem(scan.name)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = statistics.measure(scan)
    (folder / "statistics.json").write_text(json.dumps(numbers.as_dict(), indent=2) + "\n", encoding="utf-8")
    black, white = statistics.window(scan, low=options.low, high=options.high)
    pictures = []
    for view in mosaic.views(neurological=options.neurological):
        stream = BytesIO()
        mosaic.draw(scan, view, black=black, white=white, count=options.slices).save(stream, "PNG")
        (folder / f"{view.name}.png").write_bytes(stream.getvalue())
        pictures.append((view.name, stream.getvalue()))
    return page.Section(numbers, tuple(pictures))


def stem(name: str) -> str:
    """The name without its suffix; `a.nii` beside `a.nii.gz` would meet, so only the compressed loses both."""
    return name.removesuffix(".gz").removesuffix(".nii") if name.endswith(".gz") else name


def conclude(done: int, failed: int) -> int:
    if not done:
        return end(UNREADABLE, f"None of {failed} NIfTI file(s) could be read; the reasons are above.")
    if failed:
        return end(PARTLY, f"{done} volume(s) are in report.html, {failed} could not be read; the reasons are above.")
    return end(0, f"{done} volume(s) are in report.html.")


def end(code: int, sentence: str) -> int:
    print(sentence, file=sys.stderr if code else sys.stdout, flush=True)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
