"""Numbers as a person reads them: progress, durations, densities, model titles."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.cellseg.models import ModelInfo
    from studio.cellseg.searched import Searched
    from studio.cellseg.source import LabelSource
    from studio.core.jobs import Job


def duration_text(seconds: float) -> str:
    """A duration to one or two units: `8 s`, `3 min 20 s`, `1 h 5 min`."""
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s" if total < 600 else f"{round(total / 60)} min"
    return f"{total // 3600} h {total % 3600 // 60} min"


def age_text(seconds: float) -> str:
    """How long ago: `just now`, `5 min ago`, `3 h ago`, `12 days ago`."""
    for unit, length_s in (("day", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length_s:
            count = int(seconds // length_s)
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''} ago"
    return "just now"


def bytes_text(count: int) -> str:
    """A size on the disk: `350 kB`, `12 MB`, `3.4 GB`."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def job_fraction(job: Job) -> float:
    """How much of a job is done, 0 to 1; 0 while it can't say."""
    return min(1.0, job.done / job.total) if job.total > 0 else 0.0


def job_text(job: Job) -> str:
    """Progress in a few words for the bar: percentage and time left."""
    if job.cancel_asked:
        return "Stopping…"
    if job.total <= 0:
        return "Waiting…" if job.state == "pending" else "Starting…"
    text = f"{100 * job_fraction(job):.0f} %"
    eta_s = job.eta_s
    return text if eta_s is None else f"{text}, {duration_text(eta_s)} left"


def density_text(source: LabelSource, searched: Searched | None = None) -> str | None:
    """Cells per mm² of the area the masks span, or of the regions searched; None where the pixel size is unknown."""
    geometry = source.geometry
    if geometry.mpp is None or geometry.mpp <= 0:
        return None
    pixels: float = geometry.shape[0] * geometry.shape[1]
    if searched is not None:
        pixels = searched.area_px / (geometry.scale_x * geometry.scale_y)
    area_mm2 = pixels * (geometry.mpp / 1000) ** 2
    if area_mm2 <= 0:
        return None
    text = f"{source.cells / area_mm2:,.0f} per mm²"
    return text if searched is not None else f"{text}, glass included"


def model_title(info: ModelInfo) -> str:
    """A model's line in the list: what it is, and whether it is on this machine."""
    if info.installed:
        return f"{info.title} (installed)"
    size = f", {info.size_mb:.0f} MB" if info.size_mb else ""
    return f"{info.title} (download{size})"


def size_text(width_px: int, height_px: int, mpp: float | None) -> str:
    """A slide's size in pixels, and in mm where the pixel size is known."""
    text = f"{width_px:,} × {height_px:,} px"
    return text if mpp is None else f"{text}, {width_px * mpp / 1000:.2f} × {height_px * mpp / 1000:.2f} mm"


def distance_text(length_px: float, mpp: float | None) -> str:
    """A length on the slide to three or four digits: `12.4 µm`, `1.235 mm`; in pixels where their size is unknown."""
    if mpp is None:
        return f"{length_px:,.0f} px"
    length_um = length_px * mpp
    return f"{length_um / 1000:.3f} mm" if length_um >= 1000 else f"{length_um:.{1 if length_um >= 10 else 2}f} µm"


def area_text(area_px: float, mpp: float | None) -> str:
    """An area on the slide: `850 µm²`, `1.24 mm²`; in pixels where their size is unknown."""
    if mpp is None:
        return f"{area_px:,.0f} px²"
    area_um2 = area_px * mpp**2
    return f"{area_um2 / 1e6:.3f} mm²" if area_um2 >= 1e5 else f"{area_um2:,.0f} µm²"


def cells_text(count: int) -> str:
    """How many cells: `1 cell`, `12,345 cells`."""
    return f"{count:,} cell" if count == 1 else f"{count:,} cells"
