"""The report as one HTML page that holds its pictures itself."""

from base64 import b64encode
from dataclasses import dataclass
from html import escape

from slice_report.statistics import Statistics

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c1e21; background: #fff }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin-top: 2.5rem; overflow-wrap: anywhere }
figure { margin: 1rem 0 } img { max-width: 100%; background: #000 } figcaption { color: #555 }
table { border-collapse: collapse } th, td { text-align: left; padding: .15rem 1.2rem .15rem 0; vertical-align: top }
th { font-weight: 600 } .fault { color: #a11 } svg { width: 100%; height: 9rem; background: #f5f6f7 }
""".strip()

CHART_WIDTH, CHART_HEIGHT = 640, 100


@dataclass(frozen=True)
class Section:
    """One volume: its statistics, and its pictures as (view, PNG bytes)."""

    statistics: Statistics
    pictures: tuple[tuple[str, bytes], ...]


def render(sections: list[Section], faults: dict[str, str], *, convention: str) -> str:
    title = "Slices and statistics"
    body = "\n".join(
        [f"<h1>{title}</h1>", *map(render_fault, faults.items()), *(section(s, convention) for s in sections)]
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>\n{STYLE}\n</style></head>\n'
        f"<body>\n{body}\n<p>For quality control; not for clinical use.</p>\n</body>\n</html>\n"
    )


def render_fault(fault: tuple[str, str]) -> str:
    name, reason = fault
    return f'<p class="fault">{escape(name)} is not in this report: {escape(reason)}.</p>'


def section(part: Section, convention: str) -> str:
    name = escape(part.statistics.name)
    pictures = "\n".join(figure(view, png, name, convention) for view, png in part.pictures)
    return f"<h2>{name}</h2>\n{table(part.statistics)}\n{pictures}\n{histogram(part.statistics)}"


def figure(view: str, png: bytes, name: str, convention: str) -> str:
    side = "front on the left" if view == "sagittal" else f"{convention}: letters give the patient's sides"
    source = f"data:image/png;base64,{b64encode(png).decode()}"
    return f'<figure><img src="{source}" alt="{view} slices of {name}"><figcaption>{view}, {side}</figcaption></figure>'


def table(statistics: Statistics) -> str:
    spacing = " x ".join(f"{step:g}" for step in statistics.spacing_mm)
    rows = {
        "voxels": " x ".join(map(str, statistics.shape)) + f" ({statistics.dtype}, stored {statistics.stored_axes})",
        "spacing": f"{spacing} mm (right-left x back-front x foot-head)",
        "tilt": f"{statistics.tilt_degrees:g} degrees from the patient's axes",
        "volume": f"{statistics.volume_ml:g} ml, of it {statistics.foreground_ml:g} ml above {statistics.threshold:g}",
        "intensities": f"{statistics.minimum:g} to {statistics.maximum:g}, "
        f"mean {statistics.mean:g}, standard deviation {statistics.deviation:g}",
        "percentiles": ", ".join(f"{rank} %: {value:g}" for rank, value in statistics.percentiles.items()),
    }
    cells = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in rows.items())
    return f"<table>{cells}</table>"


def histogram(statistics: Statistics) -> str:
    """Bars of the root of the counts: air would hide everything else. The first bin is left out for the scale."""
    counts = statistics.histogram_counts
    tallest = max((*counts[1:], 1)) ** 0.5
    step = CHART_WIDTH / len(counts)
    bars = "".join(
        f'<rect x="{place * step:.1f}" y="{CHART_HEIGHT - height:.1f}" width="{step - 1:.1f}" height="{height:.1f}"/>'
        for place, count in enumerate(counts)
        for height in [min(1.0, count**0.5 / tallest) * CHART_HEIGHT]
    )
    low, high = statistics.histogram_edges[0], statistics.histogram_edges[-1]
    return (
        f'<figure><svg viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT}" preserveAspectRatio="none" fill="#47617a" role="img" '
        f'aria-label="histogram of intensities">{bars}</svg><figcaption>intensities from {low:g} to {high:g} '
        f"(heights are roots of counts; the first bar is cut)</figcaption></figure>"
    )
