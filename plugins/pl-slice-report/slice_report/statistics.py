"""What can be counted in a volume. Pure, and the same for the same voxels."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from slice_report.volume import Volume

BINS = 64
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
CUBIC_MM_PER_ML = 1000


@dataclass(frozen=True)
class Statistics:
    """Intensities are the file's own (scaled by its header); `foreground_ml` is the volume above `threshold` (Otsu)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    stored_axes: str
    spacing_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    tilt_degrees: float
    volume_ml: float
    foreground_ml: float
    threshold: float
    minimum: float
    maximum: float
    mean: float
    deviation: float
    percentiles: dict[str, float]
    histogram_counts: tuple[int, ...]
    histogram_edges: tuple[float, ...]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def measure(volume: Volume) -> Statistics:
    voxels = volume.voxels.ravel(order="K")  # as it lies in memory: no copy
    counts, edges = np.histogram(voxels, bins=BINS)
    threshold = otsu(counts, edges)
    voxel_ml = float(np.prod(volume.spacing)) / CUBIC_MM_PER_ML
    extent = [length * step for length, step in zip(volume.voxels.shape, volume.spacing, strict=True)]
    return Statistics(
        name=volume.name,
        shape=volume.shape,
        dtype=volume.dtype,
        stored_axes=volume.stored,
        spacing_mm=tuple(tidy(step) for step in volume.spacing),  # type: ignore[arg-type]
        extent_mm=tuple(tidy(length) for length in extent),  # type: ignore[arg-type]
        tilt_degrees=tidy(volume.tilt),
        volume_ml=tidy(voxels.size * voxel_ml),
        foreground_ml=tidy(int(np.count_nonzero(voxels > threshold)) * voxel_ml),
        threshold=tidy(threshold),
        minimum=tidy(voxels.min()),
        maximum=tidy(voxels.max()),
        mean=tidy(voxels.mean(dtype=np.float64)),
        deviation=tidy(voxels.std(dtype=np.float64)),
        percentiles=dict(zip(map(str, PERCENTILES), map(tidy, np.percentile(voxels, PERCENTILES)), strict=True)),
        histogram_counts=tuple(int(count) for count in counts),
        histogram_edges=tuple(tidy(edge) for edge in edges),
    )


def otsu(counts: NDArray[np.integer], edges: NDArray[np.floating]) -> float:
    """The edge that parts a histogram best in two (Otsu 1979: the greatest variance between the classes)."""
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), counts.sum() - np.cumsum(counts)
    weighted = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (weighted / below - (weighted[-1] - weighted) / above) ** 2
    return float(edges[1 + int(np.argmax(np.nan_to_num(between[:-1], posinf=0.0)))])


def window(volume: Volume, *, low: float, high: float) -> tuple[float, float]:
    """The intensities shown as black and white: percentiles of what is not background (the smallest value).

    Most of a scan is air; percentiles of all voxels would spend the greys on it.
    """
    voxels = volume.voxels.ravel(order="K")
    background = float(voxels.min())
    inside = voxels[voxels > background]
    if not inside.size:
        return background, background + 1
    bottom, top = (float(value) for value in np.percentile(inside, (low, high)))
    return bottom, top if top > bottom else bottom + 1


def tidy(value: float) -> float:
    """Six digits: what the numbers are worth, and the same text on every processor."""
    return float(f"{float(value):.6g}")
