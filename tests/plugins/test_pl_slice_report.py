from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image
from slice_report import mosaic, statistics, volume

from tests.plugins.conftest import Run

SHAPE, SPACING = (40, 48, 36), (1.0, 1.5, 2.0)


def head() -> np.ndarray[Any, np.dtype[np.int16]]:
    """RAS: an ellipsoid with a bright spot on the patient's right, one at the front, and one on top."""
    axes = np.meshgrid(*(np.linspace(-1, 1, length) for length in SHAPE), indexing="ij")
    voxels = (sum(axis**2 for axis in axes) < 0.8).astype(np.int16) * 100
    voxels[30:35, 20:28, 14:22] = 1000
    voxels[16:24, 38:44, 14:22] = 800
    voxels[16:24, 20:28, 28:33] = 600
    return voxels


def save(path: Path, voxels: np.ndarray[Any, Any], affine: np.ndarray[Any, Any]) -> Path:
    nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
    return path


RAS = np.diag([*SPACING, 1.0])


def stored(axes: str) -> nibabel.Nifti1Image:
    """The same head with its axes in another order and direction."""
    image = nibabel.Nifti1Image(head(), RAS)
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(RAS), nibabel.orientations.axcodes2ornt(tuple(axes))
    )
    return image.as_reoriented(turn)


def brightest(picture: Image.Image) -> tuple[str, str]:
    """In which half of the picture, across and down, its brightest part lies."""
    grid = np.asarray(picture, dtype=float)
    down, across = (float(np.mean(found)) for found in np.nonzero(grid >= grid.max() - 1))
    sides = "left" if across < grid.shape[1] * 0.45 else "right" if across > grid.shape[1] * 0.55 else "middle"
    return sides, ("top" if down < grid.shape[0] * 0.45 else "bottom" if down > grid.shape[0] * 0.55 else "middle")


def plain(scan: volume.Volume, view: mosaic.View, index: int, white: float) -> Image.Image:
    """A tile without its letters, which would be the brightest."""
    bare = mosaic.View(view.name, view.cut, view.across, view.up, ("", "", "", ""), view.mirrored)
    return mosaic.tile(scan, bare, index, black=0, white=white)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "PSR", "AIL", "SRP", "IPL"])
def test_the_patient_lies_the_right_way_however_the_file_is_stored(tmp_path: Path, axes: str) -> None:
    nibabel.save(stored(axes), tmp_path / "head.nii.gz")
    scan = volume.read(tmp_path / "head.nii.gz", "head")
    axial, coronal, sagittal = mosaic.views()
    assert scan.stored == axes
    assert scan.voxels.shape == SHAPE
    assert scan.spacing == pytest.approx(SPACING)
    assert brightest(plain(scan, axial, 18, 1000)) == ("left", "middle")
    assert brightest(plain(scan, coronal, 24, 1000)) == ("left", "middle")
    assert brightest(plain(scan, sagittal, 20, 800)) == ("left", "middle")
    assert brightest(plain(scan, coronal, 24, 1000).crop((90, 0, 400, 400)))[1] == "top"


def test_the_neurological_convention_turns_left_and_right_round() -> None:
    scan = volume.upright(nibabel.Nifti1Image(head(), RAS), "head")
    axial, coronal, sagittal = mosaic.views(neurological=True)
    assert brightest(plain(scan, axial, 18, 1000)) == ("right", "middle")
    assert brightest(plain(scan, coronal, 24, 1000)) == ("right", "middle")
    assert brightest(plain(scan, sagittal, 20, 800)) == ("left", "middle")
    assert axial.letters == ("L", "R", "A", "P")


def test_tiles_have_the_proportions_of_the_patient() -> None:
    scan = volume.upright(nibabel.Nifti1Image(head(), RAS), "head")
    extent = [length * step for length, step in zip(SHAPE, SPACING, strict=True)]
    for view in mosaic.views():
        width, height = mosaic.size(scan, view)
        assert width / height == pytest.approx(extent[view.across] / extent[view.up], rel=0.02)


def test_a_report_holds_itself_and_is_the_same_every_time(run: Run, tmp_path: Path, incoming: Path) -> None:
    (incoming / "day <1>").mkdir()
    nibabel.save(stored("PSR"), incoming / "day <1>/head.nii.gz")
    outputs = []
    for name in ("first", "second"):
        done = run("pl-slice-report", incoming, tmp_path / name)
        assert done.returncode == 0, done.stderr
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        outputs.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert outputs[0] == outputs[1]
    pictures = {"axial.png", "coronal.png", "sagittal.png", "statistics.json"}
    assert set(outputs[0]) == {"report.html"} | {f"day <1>/head/{name}" for name in pictures}
    links = Links(outputs[0]["report.html"].decode())
    assert len(links.found) == 3
    assert all(link.startswith("data:image/png;base64,") for link in links.found)


class Links(HTMLParser):
    """Whatever a page would load, and that its words are escaped."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "1")
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_numbers_are_those_of_the_volume(run: Run, incoming: Path, outgoing: Path) -> None:
    voxels = head()
    save(incoming / "head.nii", voxels, RAS)
    assert run("pl-slice-report", incoming, outgoing).returncode == 0
    numbers = json.loads((outgoing / "head.nii/statistics.json").read_text())
    assert numbers["shape"] == list(SHAPE)
    assert numbers["spacing_mm"] == list(SPACING)
    assert numbers["volume_ml"] == pytest.approx(voxels.size * np.prod(SPACING) / 1000, rel=1e-5)
    assert numbers["maximum"] == 1000
    assert numbers["mean"] == pytest.approx(voxels.mean(), rel=1e-5)
    assert numbers["percentiles"]["50"] == np.percentile(voxels, 50)
    assert sum(numbers["histogram_counts"]) == voxels.size


def test_the_foreground_is_what_is_brighter_than_air() -> None:
    body = head() > 0
    scan = volume.upright(nibabel.Nifti1Image((body * 200 + 10).astype(np.int16), RAS), "head")
    measured = statistics.measure(scan)
    assert measured.foreground_ml == pytest.approx(body.sum() * np.prod(SPACING) / 1000, rel=1e-5)


def test_the_first_of_a_series_of_volumes_is_shown(incoming: Path) -> None:
    path = save(incoming / "series.nii", np.stack([head(), head() * 0], axis=3), RAS)
    scan = volume.read(path, "series")
    assert scan.shape == (*SHAPE, 2)
    assert scan.voxels.max() == 1000


def test_what_cannot_be_read_is_named_and_the_rest_is_shown(run: Run, incoming: Path, outgoing: Path) -> None:
    save(incoming / "good.nii", head(), RAS)
    (incoming / "broken.nii.gz").write_bytes(b"\x1f\x8b\x08 not really")
    save(incoming / "flat.nii", head()[:, :, 0], RAS)
    done = run("pl-slice-report", incoming, outgoing)
    assert done.returncode == 5
    assert "broken.nii.gz is left out: it is damaged or no NIfTI" in done.stderr
    assert "flat.nii is left out: it has 2 dimensions" in done.stderr
    page = (outgoing / "report.html").read_text()
    assert "broken.nii.gz is not in this report" in page
    assert "<h2>good.nii</h2>" in page


def test_a_damaged_file_alone_fails_the_job(run: Run, incoming: Path, outgoing: Path) -> None:
    whole = save(incoming / "cut.nii.gz", head(), RAS).read_bytes()
    (incoming / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    done = run("pl-slice-report", incoming, outgoing)
    assert done.returncode == 4
    assert "None of 1 NIfTI file(s) could be read" in done.stderr


def test_a_folder_without_volumes_says_what_to_run_first(run: Run, incoming: Path, outgoing: Path) -> None:
    done = run("pl-slice-report", incoming, outgoing)
    assert done.returncode == 3
    assert "pl-dicom-to-nifti" in done.stderr


@pytest.mark.parametrize("words", [("--slices", 0), ("--low", 50, "--high", 50), ("--high", 101)])
def test_options_out_of_range_are_refused(run: Run, incoming: Path, outgoing: Path, words: tuple[object, ...]) -> None:
    assert run("pl-slice-report", *words, incoming, outgoing).returncode == 2


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_volume_of_one_value_is_drawn_all_the_same(run: Run, incoming: Path, outgoing: Path, value: float) -> None:
    save(incoming / "flat.nii", np.full((5, 6, 7), value, dtype=np.float32), RAS)
    done = run("pl-slice-report", incoming, outgoing)
    assert done.returncode == 0, done.stderr


@settings(deadline=None, max_examples=60)
@given(
    shape=some.tuples(*(some.integers(1, 9) for _ in range(3))),
    spacing=some.tuples(*(some.floats(0.2, 12) for _ in range(3))),
    count=some.integers(1, 20),
    seed=some.integers(0, 2**32 - 1),
)
def test_any_volume_can_be_drawn(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], count: int, seed: int
) -> None:
    voxels = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    scan = volume.upright(nibabel.Nifti1Image(voxels, np.diag([*spacing, 1.0])), "any")
    black, white = statistics.window(scan, low=1, high=99)
    assert white > black
    for view in mosaic.views():
        chosen = mosaic.choose(scan, view, black, white, count)
        assert 1 <= len(chosen) <= count
        assert all(0 <= index < shape[view.cut] for index in chosen)
        assert mosaic.draw(scan, view, black=black, white=white, count=count).mode == "L"
