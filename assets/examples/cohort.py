"""From slides to images of single cells: find the cell diameter, segment a cohort, extract its cells.

    python assets/examples/cohort.py PROJECT SLIDES...

SLIDES are folders, slide files or patterns. Run it again and it goes on where it was.
"""

from __future__ import annotations

import argparse

from studio import WSI, Project
from studio.cellseg import SegmentParams
from studio.cellseg.tasks import diameter_task
from studio.core.jobs import NullProgress
from studio.errors import ProjectError, StudioError


def main() -> int:
    """Do all three steps, and say where the results are."""
    parser = argparse.ArgumentParser(description="From slides to images of single cells.")
    parser.add_argument("root", help="the project's folder")
    parser.add_argument("slides", nargs="+")
    parser.add_argument("--model", default="builtin")
    parser.add_argument("--diam-um", type=float, help="cell diameter (default: found in the first slide)")
    parser.add_argument("--mpp", type=float, help="µm per pixel of slides that don't say")
    args = parser.parse_args()

    try:
        project = Project.create(args.root, args.slides)
    except ProjectError:
        project = Project(args.root)

    # 1. Tune. In the window this is Auto-detect and Preview; here the diameter is measured on the first slide
    #    that can be read.
    diam_um = args.diam_um or find_diameter(project, args.model, args.mpp)
    print(f"cell diameter: {diam_um:.1f} µm")  # noqa: T201

    # 2. Segment every slide; what fails on one doesn't stop the rest.
    report = project.cell_segmentation(model=args.model, diam_um=diam_um, otsu=True, mpp=args.mpp)

    # 3. Extract a tile of 96 pixels at 40x around each cell.
    report = project.extract_cells(tile_px=96, tile_um="40x", mpp=args.mpp)
    print(report)  # noqa: T201
    return 1 if report.failed else 0


def find_diameter(project: Project, model: str, mpp: float | None) -> float:
    """The median diameter of cells over fields of the first slide that can be read, to a tenth of a µm."""
    params = SegmentParams(model=model).to_dict()
    for slide in project.slides():
        if slide.path is None:
            continue
        try:
            with WSI(slide.path) as opened:
                given = slide.mpp or (mpp if opened.mpp is None else None)
            found = diameter_task(NullProgress(), slide_path=str(slide.path), mpp=given, params=params)
        except StudioError as error:
            print(f"{slide.name}: {error}")  # noqa: T201
        else:
            return round(float(found["diam_um"]), 1)
    raise SystemExit("The diameter can't be found in any slide. Give it: --diam-um 10")


if __name__ == "__main__":
    raise SystemExit(main())
