"""Slices of a volume side by side, in millimetres, the right way up, with letters for the sides of the patient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from slice_report.volume import Volume

TILE_PIXELS = 220
COLUMNS = 4
GAP_PIXELS = 4
INK, PAPER = 235, 0
EMPTY_SHARE = 0.02
"""A slice at the end of a volume with less of it bright than this shows only air."""


@dataclass(frozen=True)
class View:
    """How a slice lies on the page: which axis is cut, which run right and up, and the letters at the four edges."""

    name: str
    cut: int
    across: int
    up: int
    letters: tuple[str, str, str, str]
    mirrored: bool


def views(*, neurological: bool = False) -> tuple[View, View, View]:
    """Left, right, top and bottom letters. Radiological: the reader faces the patient, whose right is on the left.

    A sagittal slice has the front of the head on the left in both conventions.
    """
    left, right = ("L", "R") if neurological else ("R", "L")
    return (
        View("axial", cut=2, across=0, up=1, letters=(left, right, "A", "P"), mirrored=not neurological),
        View("coronal", cut=1, across=0, up=2, letters=(left, right, "S", "I"), mirrored=not neurological),
        View("sagittal", cut=0, across=1, up=2, letters=("A", "P", "S", "I"), mirrored=True),
    )


def draw(volume: Volume, view: View, *, black: float, white: float, count: int) -> Image.Image:
    """A greyscale mosaic of `count` slices, from the first axis end that shows something to the last."""
    tiles = [tile(volume, view, index, black=black, white=white) for index in choose(volume, view, black, white, count)]
    width, height = tiles[0].size
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    page = Image.new("L", (columns * (width + GAP_PIXELS) - GAP_PIXELS, rows * (height + GAP_PIXELS) - GAP_PIXELS), 40)
    for place, picture in enumerate(tiles):
        row, column = divmod(place, columns)
        page.paste(picture, (column * (width + GAP_PIXELS), row * (height + GAP_PIXELS)))
    return page


def choose(volume: Volume, view: View, black: float, white: float, count: int) -> list[int]:
    """Evenly spaced slices between the two ends at which something is seen."""
    bright = volume.voxels > black + (white - black) / 8
    shares = bright.mean(axis=tuple(axis for axis in range(3) if axis != view.cut))
    seen = np.flatnonzero(shares > EMPTY_SHARE)
    first, last = (int(seen[0]), int(seen[-1])) if seen.size else (0, volume.voxels.shape[view.cut] - 1)
    places = np.linspace(first, last, min(count, last - first + 1) + 2)[1:-1]
    return sorted({round(float(place)) for place in places})


def tile(volume: Volume, view: View, index: int, *, black: float, white: float) -> Image.Image:
    """One slice: rows run down the page, so the `up` axis is turned round; drawn in millimetres, then lettered."""
    plane = volume.voxels[tuple(index if axis == view.cut else slice(None) for axis in range(3))]
    grid = plane.T[::-1] if view.across < view.up else plane[::-1]
    grid = grid[:, ::-1] if view.mirrored else grid
    picture = Image.fromarray(greys(grid, black, white)).resize(size(volume, view), Image.Resampling.BILINEAR)
    letter(picture, view)
    return picture


def greys(grid: NDArray[np.float32], black: float, white: float) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.clip((grid - black) / (white - black) * 255, 0, 255).astype(np.uint8))


def size(volume: Volume, view: View) -> tuple[int, int]:
    """Pixels of a tile: the true proportions, the longer side of the whole volume filling TILE_PIXELS."""
    extent = [length * step for length, step in zip(volume.voxels.shape, volume.spacing, strict=True)]
    scale = TILE_PIXELS / max(extent)
    return max(1, round(extent[view.across] * scale)), max(1, round(extent[view.up] * scale))


def letter(picture: Image.Image, view: View) -> None:
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=13)
    width, height = picture.size
    places = ((3, height / 2, "lm"), (width - 3, height / 2, "rm"), (width / 2, 2, "mt"), (width / 2, height - 2, "mb"))
    for text, (x, y, anchor) in zip(view.letters, places, strict=True):
        pen.text((x, y), text, fill=INK, font=font, anchor=anchor, stroke_width=2, stroke_fill=PAPER)
