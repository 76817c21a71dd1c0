"""The table of cells: a column of NumPy values for each thing that is known of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.cellseg.resultwrite import shape_columns
from studio.errors import UsageError

if TYPE_CHECKING:
    from studio.cellseg.result import Segmentation

Column = NDArray[Any]


class CellTable(Mapping[str, Column]):
    """Columns by name, each with a row for every cell; read or computed when first asked for, then kept.

    Always there: `id` (the cell's number in the masks), `x`, `y` (centroid in slide pixels), `row`,
    `column` (centroid in mask pixels), `bbox` ((N, 4) top, left, bottom, right in mask pixels,
    half-open), `eccentricity`, and area, perimeter and axes with their unit in the name
    (`area_um2`, `perimeter_um`, `major_um`, `minor_um`; `_px2`, `_px` where the pixel size is
    unknown). With a pixel size also `x_um`, `y_um`. Whatever else the file has comes after that.
    """

    def __init__(self, rows: int, columns: Mapping[str, Callable[[], Column]]) -> None:
        self.rows = rows
        self._makers = dict(columns)
        self._made: dict[str, Column] = {}

    def __getitem__(self, name: str) -> Column:
        if name not in self._made:
            column = np.asarray(self._makers[name]())
            column.setflags(write=False)
            self._made[name] = column
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        """How many columns there are; `rows` says how many cells."""
        return len(self._makers)

    def __repr__(self) -> str:
        return f"<table of {self.rows:,} cells: {', '.join(self)}>"

    def flat(self) -> dict[str, Column]:
        """All columns with one value a row: `bbox` becomes `bbox_top`, `bbox_left`, `bbox_bottom`, `bbox_right`."""
        out: dict[str, Column] = {}
        for name in self:
            column = self[name]
            if column.ndim == 1:
                out[name] = column
            elif name == "bbox":
                out |= {f"bbox_{side}": column[:, i] for i, side in enumerate(("top", "left", "bottom", "right"))}
            else:
                out |= {f"{name}_{i}": column[:, i] for i in range(column.shape[1])}
        return out

    def to_pandas(self) -> Any:
        """A pandas DataFrame with the columns of `flat`, indexed by `id`. Needs pandas."""
        try:
            import pandas
        except ImportError as error:
            raise UsageError('This needs pandas. Install it: pip install "studio-wsi[export]"') from error
        return pandas.DataFrame(self.flat()).set_index("id")


class Cells(int):
    """How many cells there are, a plain number for all purposes; indexed with a column's name, their table.

    >>> cells = Cells.of(2, lambda: CellTable(2, {"id": lambda: np.array([1, 2])}))
    >>> f"{cells} cells", cells["id"].tolist(), "area_um2" in cells
    ('2 cells', [1, 2], False)
    """

    _table: Callable[[], CellTable]

    @classmethod
    def of(cls, count: int, table: Callable[[], CellTable]) -> Cells:
        """`table` is asked when a column is."""
        self = cls(count)
        self._table = table
        return self

    def __getitem__(self, name: str) -> Column:
        """A column, one row a cell; KeyError where there is none of that name."""
        # Not an iterable: NumPy would take the number for a sequence.
        if not isinstance(name, str):
            raise TypeError(f"cells are indexed with the name of a column, not {name!r}")
        return self._table()[name]

    def __contains__(self, name: object) -> bool:
        return name in self._table()

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)

    def keys(self) -> list[str]:
        """Names of the columns."""
        return list(self._table())

    def to_pandas(self) -> Any:
        """See `CellTable.to_pandas`."""
        return self._table().to_pandas()


def table_of(segmentation: Segmentation) -> CellTable:
    """The table of a segmentation: what its file has, and what can be measured in its masks."""
    place = segmentation.geometry
    columns: dict[str, Callable[[], Column]] = {"id": lambda: segmentation.ids}
    columns |= _pair_columns(("x", "y"), lambda: segmentation.centroids(wsi_dim=True))
    if place.mpp is not None:
        mpp_slide = place.mpp / place.scale_x
        columns |= _pair_columns(("x_um", "y_um"), lambda: segmentation.centroids(wsi_dim=True) * mpp_slide)
    columns |= _pair_columns(("row", "column"), segmentation.centroids)
    stored = segmentation.stored_columns
    for name in shape_columns("px" if place.mpp is None else "um"):
        columns[name] = stored.get(name) or partial(segmentation.measured_column, name)
    return CellTable(segmentation.cells, columns | {k: v for k, v in stored.items() if k not in columns})


def _pair_columns(names: tuple[str, str], points: Callable[[], Column]) -> dict[str, Callable[[], Column]]:
    def part(i: int) -> Column:
        return points()[:, i].copy()

    return {name: partial(part, i) for i, name in enumerate(names)}
