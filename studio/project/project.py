"""`Project`: many slides, one folder for all that is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.files import check_writable, replacing
from studio.core.jobs import Progress
from studio.core.shown import Callback, shown
from studio.errors import JobCancelled, ProjectError, RunError, UsageError
from studio.project import table
from studio.project.buffer import DEFAULT_GB
from studio.project.outcomes import FOLDER as OUTCOMES
from studio.project.outcomes import Outcome
from studio.project.report import FOLDER as REPORT
from studio.project.report import Report, make_report
from studio.project.run import Running, run_step
from studio.project.settings import FILE, Settings
from studio.project.slides import ProjectSlide, find_slides, sources_from
from studio.project.steps import ExtractStep, SegmentStep, Step, masks_path
from studio.project.table import Filters, Row

if TYPE_CHECKING:
    from studio.cellseg.params import SegmentParams
    from studio.cellseg.result import Segmentation

Slides = str | Path | Iterable[str | Path]


class Project:
    """A cohort. Opens the project in a folder; `Project.create` makes one.

    The folder holds `settings.json`, `annotations.csv`, `masks/{slide}-masks.zip`,
    `tfrecords/{slide}.tfrecords`, `tiles/{slide}/`, `report/` and `outcomes/`
    (what became of each slide). Slides stay where they are.

    Raises ProjectError for a folder that is no project.

    >>> import tempfile
    >>> from studio.resources import resource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     project = Project.create(folder, slides=resource("assets", "samples"))
    ...     [slide.name for slide in project.slides()]
    ['CMU-1-Small-Region']
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        self._settings = Settings.load(self.root)

    @classmethod
    def create(
        cls, root: str | Path, slides: Slides, *, annotations_csv: str | Path | None = None, name: str | None = None
    ) -> Project:
        """Make a project in a folder, which is made as well.

        Args:
            root: the project's folder.
            slides: a folder of slides, a pattern (`slides/**/*.svs`), slide files, or a list of these. From a
                folder the slide formats are taken; pictures and DICOM are named or matched by a pattern.
            annotations_csv: a table to copy, with a column `slide`; None: the one that is in the folder, or a
                new one to be filled in. The column `mpp` is the µm per pixel of slides that don't say, or say it wrong.
            name: what the project is called; None: as its folder.

        Raises:
            ProjectError: the folder is a project already.
            UsageError: there are no slides there.
            AnnotationError: the table can't be used.
        """
        folder = Path(root).expanduser().absolute()
        if (folder / FILE).exists():
            raise ProjectError(f"{folder} is a project already. Open it with Project(root), or choose another folder.")
        settings = Settings(name or folder.name, sources_from(slides, folder))
        own = folder / table.FILE
        given = own if annotations_csv is None else Path(annotations_csv).expanduser()
        rows = table.read_annotations(given) if given.exists() or annotations_csv is not None else None
        found = find_slides(folder, settings.sources, rows or {})
        if not any(slide.path for slide in found):
            places = ", ".join(settings.sources)
            raise UsageError(f"There are no slides in {places}. Give a folder or pattern with some.")
        if rows is None:
            table.write_annotations(own, [slide.name for slide in found])
        elif given != own:
            with replacing(own) as part:
                part.write_bytes(given.read_bytes())
        settings.save(folder)
        return cls(folder)

    @property
    def name(self) -> str:
        """What the project is called."""
        return self._settings.name

    @property
    def masks_dir(self) -> Path:
        """Folder of the segmentations."""
        return self.root / "masks"

    @property
    def annotations(self) -> dict[str, Row]:
        """Rows of annotations.csv by slide name; none where there is no such file. Raises AnnotationError."""
        path = self.root / table.FILE
        return table.read_annotations(path) if path.exists() else {}

    def add_slides(self, slides: Slides) -> None:
        """Take in further folders, patterns or files."""
        settings = self._settings.with_sources(sources_from(slides, self.root))
        settings.save(self.root)
        self._settings = settings

    def slides(
        self, filters: Filters | None = None, filter_blank: str | Sequence[str] | None = None
    ) -> list[ProjectSlide]:
        """The project's slides by name, as they are on the disk now.

        Args:
            filters: column of the annotations to the value, or values, wanted there: `{"site": ["lung", "liver"]}`.
            filter_blank: columns that must not be empty.

        Raises:
            UsageError: a column that isn't there, or no slide that matches.
            ProjectError: the project has no slides.
        """
        rows = self.annotations
        every = find_slides(self.root, self._settings.sources, rows)
        if not every:
            places = ", ".join(self._settings.sources) or "its list of folders"
            raise ProjectError(
                f"{self.root} has no slides: nothing is in {places}. Is its drive connected? "
                "Project.add_slides adds folders."
            )
        if not filters and not filter_blank:
            return every
        table.check_columns(rows, filters, filter_blank, self.root / table.FILE)
        chosen = [slide for slide in every if table.matches(slide.annotations, filters, filter_blank)]
        if not chosen:
            raise UsageError("No slide matches these filters.")
        return chosen

    def segmentation(self, slide: str) -> Segmentation:
        """The cells of a slide, lazily. Raises ResultFileError where they aren't there."""
        from studio.cellseg.result import Segmentation

        return Segmentation.load(masks_path(self.masks_dir, slide))

    def cell_segmentation(
        self,
        model: str | None = None,
        diam_um: float | None = None,
        *,
        buffer: str | Path | None = None,
        buffer_gb: float = DEFAULT_GB,
        window_size: int | None = None,
        downscale: float | None = None,
        filters: Filters | None = None,
        filter_blank: str | Sequence[str] | None = None,
        params: SegmentParams | None = None,
        mpp: float | None = None,
        rois: str | Path | None = None,
        dest: str | Path | None = None,
        overwrite: bool = False,
        isolate: bool = False,
        scheduler: Any = None,
        progress: Progress | Callback | None = None,
        show_progress: bool | None = None,
        **settings: Any,
    ) -> Report:
        """Segment the cells of all slides into `masks/{slide}-masks.zip`.

        Slides that are done are skipped, a stopped one goes on where it was, and what fails on one never stops
        the rest: see the report that is returned, and written as `report/report.html`.

        Args:
            model: name or weights file; `cyto2` where its weights are on this machine, else the embedded one.
            diam_um: cell diameter in µm; 10 by default.
            buffer: folder on a fast disk to copy slides to ahead of time.
            buffer_gb: room that the copies may take there.
            window_size: side of what is segmented at a time; changes speed and memory, not the cells.
            downscale: divides the stored masks' resolution.
            filters: which slides; see `slides`.
            filter_blank: which slides; see `slides`.
            params: all parameters at once, such as `load_preset` of `studio.cellseg.recipe` reads them.
            mpp: µm per pixel for slides that don't say; the column `mpp` of the annotations goes before.
            rois: folder with `{slide}.geojson` or `{slide}.csv`; a slide that has one is segmented inside of it.
            dest: another folder for the masks.
            overwrite: replace results that are there.
            isolate: work in a process of its own, so that a crash costs one slide. Scripts then need the usual
                `if __name__ == "__main__":`.
            scheduler: work on a Dask cluster: `'local'` for the cores of this machine (needs that line, too), the
                address of a scheduler, or a `distributed.Client`. The cells are the same; see SCALING.md.
            progress: told of the steps, or a function called with (done, total, message); what it raises stops the
                work, which can be gone on with.
            show_progress: a bar on stderr; None: where that is a terminal.
            **settings: as in `studio.cellseg.segment_slide`. Of older scripts also `qc='otsu'`, which is `otsu`,
                `force`, which is `overwrite`, and `save_centroid`, which is always so.

        Raises:
            ParameterError, ModelError: what would fail on every slide.
            UsageError, ProjectError: there are no such slides.
        """
        from studio.cellseg.api import parameters_from
        from studio.cellseg.models import resolve_model

        overwrite = bool(settings.pop("force", overwrite))
        settings.pop("save_centroid", None)
        settings |= _quality(settings) | {"window_size": window_size, "downscale": downscale}
        chosen = parameters_from(settings, params, model, diam_um)
        resolve_model(chosen.model)
        step = SegmentStep(
            root=self.root,
            masks=_path(dest) or self.masks_dir,
            params=chosen,
            mpp=mpp,
            rois=_folder(rois),
            overwrite=overwrite,
        )
        slides = self.slides(filters, filter_blank)
        how = Running(_path(buffer), buffer_gb, isolate, scheduler)
        return self._run(step, slides, how, shown(progress, show_progress))

    def extract_cells(
        self,
        tile_px: int,
        tile_um: float | str,
        *,
        masks_path: str | Path | None = None,
        filters: Filters | None = None,
        filter_blank: str | Sequence[str] | None = None,
        save_tfrecords: bool = True,
        save_tiles: bool = False,
        img_format: str = "jpg",
        apply_masks: bool = True,
        normalizer: str | None = None,
        background: int = 0,
        quality: int = 95,
        workers: int = 0,
        mpp: float | None = None,
        rois: str | Path | None = None,
        buffer: str | Path | None = None,
        buffer_gb: float = DEFAULT_GB,
        overwrite: bool = False,
        isolate: bool = False,
        scheduler: Any = None,
        progress: Progress | Callback | None = None,
        show_progress: bool | None = None,
        **older: Any,
    ) -> Report:
        """Extract a tile around each cell of all slides, after `cell_segmentation`.

        Args:
            tile_px: side of a tile in pixels.
            tile_um: its side in µm, or a magnification such as `'40x'`.
            masks_path: another folder with the masks.
            filters: which slides; see `slides`.
            filter_blank: which slides; see `slides`.
            save_tfrecords: write `tfrecords/{slide}.tfrecords`.
            save_tiles: write `tiles/{slide}/` with loose pictures and `cells.csv`.
            img_format: `jpg` or `png`.
            apply_masks: paint over all but the cell itself.
            normalizer: `macenko` or `reinhard`; see `studio.extract.stain`.
            background: brightness of what is painted over, 0 to 255.
            quality: of JPEG, 1 to 100.
            workers: threads that read and encode; 0: one a core.
            mpp: µm per pixel for slides that don't say; without it what their masks were made with.
            rois: folder with `{slide}.geojson` or `{slide}.csv`: only cells inside of these.
            buffer: folder on a fast disk to copy slides to ahead of time.
            buffer_gb: room that the copies may take there.
            overwrite: replace what is there.
            isolate: work in a process of its own; see `cell_segmentation`.
            scheduler: work on a Dask cluster, one task a slide; see `cell_segmentation`.
            progress: told of cells, or a function called with (done, total, message); what it raises stops the work.
            show_progress: a bar on stderr; None: where that is a terminal.
            **older: `grayspace_fraction` and the like, which have no effect here: no cell is left out.

        Raises:
            UsageError: an argument can't be used.
        """
        from studio.extract.write import check_older, check_options
        from studio.slide.tiles import tile_size

        if not (save_tfrecords or save_tiles):
            raise UsageError("There is nothing to write: save_tfrecords, save_tiles, or both have to be True.")
        check_older(older)
        check_options(img_format, quality, background, normalizer)
        size = tile_size(tile_px, tile_um)
        options: dict[str, Any] = {
            "tile_px": size[0],
            "tile_um": size[1],
            "img_format": img_format,
            "apply_masks": apply_masks,
            "normalizer": normalizer,
            "background": background,
            "quality": quality,
            "workers": workers,
        }
        step = ExtractStep(
            root=self.root,
            masks=_path(masks_path) or self.masks_dir,
            tfrecords=self.root / "tfrecords" if save_tfrecords else None,
            tiles=self.root / "tiles" if save_tiles else None,
            options=options,
            mpp=mpp,
            rois=_folder(rois),
            overwrite=overwrite,
        )
        slides = self.slides(filters, filter_blank)
        how = Running(_path(buffer), buffer_gb, isolate, scheduler)
        return self._run(step, slides, how, shown(progress, show_progress))

    def report(self) -> Report:
        """Look at what there is, and write `report/report.html`, `.json` and `.csv`."""
        return make_report(self.root, self.name, self.slides(), self.masks_dir)

    def _run(
        self, step: Step, slides: Sequence[ProjectSlide], how: Running, shown: AbstractContextManager[Progress]
    ) -> Report:
        for folder in (*step.folders, self.root / OUTCOMES, self.root / REPORT):
            check_writable(folder)
        outcomes: list[Outcome] = []
        try:
            with shown as progress, closing(run_step(step, slides, progress, how)) as running:
                for outcome in running:
                    outcomes.append(outcome)  # noqa: PERF402 - what there is when it is stopped counts
        except (JobCancelled, KeyboardInterrupt, RunError):
            # Stopped, or the cluster is gone: the report says how far it came.
            make_report(self.root, self.name, self.slides(), step.masks, outcomes)
            raise
        return make_report(self.root, self.name, self.slides(), step.masks, outcomes)

    def __repr__(self) -> str:
        return f"Project({str(self.root)!r})"


def _quality(settings: dict[str, Any]) -> dict[str, Any]:
    """The setting that `qc`, taken out of older scripts' settings, stands for. Raises UsageError."""
    method = settings.pop("qc", None)
    if method is None:
        return {}
    if method != "otsu":
        raise UsageError(f"Slides can't be segmented with qc={method!r}, only with qc='otsu', or otsu=True.")
    return {"otsu": True}


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path).expanduser().absolute()


def _folder(path: str | Path | None) -> Path | None:
    folder = _path(path)
    if folder is not None and not folder.is_dir():
        raise UsageError(f"There is no folder {folder}. Check the path.")
    return folder
