"""The models there are: the embedded one, Cellpose's by name, the user's own, and any file.

The only module that knows Cellpose's model names, folders and downloads. It resolves names itself,
because Cellpose takes a default model in silence when it doesn't know one. Nothing here imports
torch or cellpose.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from studio.cellseg.download import download
from studio.cellseg.params import BUILTIN_MODEL
from studio.cellseg.weights import SizeModel, check_whole, read_head, read_size_model
from studio.core.jobs import NullProgress, Progress
from studio.errors import ModelError
from studio.resources import resource

log = logging.getLogger(__name__)

DEFAULT_MODEL = "cyto2"
"""Preselected where its weights are present."""
MODEL_URL = "https://www.cellpose.org/models"
USER_LIST = "gui_models.txt"
"""In Cellpose's folder of weights: the names of the user's own."""
CELLPOSE_MB = 26.6
"""Size of the weights of each of Cellpose's networks; they share one architecture."""
CELLPOSE_DIAM_MEAN = 30.0
NUCLEI_DIAM_MEAN = 17.0

# Name: (weights file, size model or "", what it is for). Left out of Cellpose 3.1's names are those of
# another architecture: transformer_cp3, neurips_cellpose_transformer, and neurips_cellpose_default (3 channels).
_CELLPOSE: dict[str, tuple[str, str, str]] = {
    "cyto2": ("cyto2torch_0", "size_cyto2torch_0.npy", "Cells, many kinds (Cellpose 2)"),
    "cyto3": ("cyto3", "size_cyto3.npy", "Cells, many kinds (Cellpose 3)"),
    "cyto": ("cytotorch_0", "size_cytotorch_0.npy", "Cells (Cellpose 1)"),
    "nuclei": ("nucleitorch_0", "size_nucleitorch_0.npy", "Nuclei, mostly fluorescence"),
    "cyto2_cp3": ("cyto2_cp3", "", "Cells, trained anew for Cellpose 3"),
    "tissuenet_cp3": ("tissuenet_cp3", "", "Tissue, fluorescence (TissueNet)"),
    "livecell_cp3": ("livecell_cp3", "", "Cultured cells, phase contrast (LIVECell)"),
    "yeast_PhC_cp3": ("yeast_PhC_cp3", "", "Yeast, phase contrast"),
    "yeast_BF_cp3": ("yeast_BF_cp3", "", "Yeast, brightfield"),
    "bact_phase_cp3": ("bact_phase_cp3", "", "Bacteria, phase contrast"),
    "bact_fluor_cp3": ("bact_fluor_cp3", "", "Bacteria, fluorescence"),
    "deepbacs_cp3": ("deepbacs_cp3", "", "Bacteria (DeepBacs)"),
    "neurips_grayscale_cyto2": ("neurips_grayscale_cyto2", "", "Cells, grey images (NeurIPS challenge)"),
    "CP": ("CP", "", "Cellpose data set"),
    "CPx": ("CPx", "", "Cellpose data set, extended"),
    "TN1": ("TN1", "", "TissueNet style 1"),
    "TN2": ("TN2", "", "TissueNet style 2"),
    "TN3": ("TN3", "", "TissueNet style 3"),
    "LC1": ("LC1", "", "LIVECell style 1"),
    "LC2": ("LC2", "", "LIVECell style 2"),
    "LC3": ("LC3", "", "LIVECell style 3"),
    "LC4": ("LC4", "", "LIVECell style 4"),
}
_OTHER_ARCHITECTURE = frozenset(
    {"cpsam", "transformer_cp3", "neurips_cellpose_transformer", "neurips_cellpose_default"}
)


@dataclass(frozen=True)
class ModelInfo:
    """One model. `diam_mean`: pixels across a cell that its network expects."""

    name: str
    title: str
    kind: Literal["builtin", "cellpose", "user", "file"]
    path: Path | None
    installed: bool
    size_mb: float | None
    diam_mean: float
    channels: str
    """Default channel mode: `auto` (haematoxylin or fluorescence, by the slide) or `gray`."""
    has_size_model: bool
    description: str

    @property
    def sha256(self) -> str:
        """Hex digest of the weights file, computed once a file. ModelError when it isn't there."""
        if self.path is None or not self.path.is_file():
            raise ModelError(f"The weights of {self.name} aren't on this machine.")
        status = self.path.stat()
        return _digest(self.path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _digest(path: Path, mtime_ns: int, size: int) -> str:  # noqa: ARG001 (part of the cache's key)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def models_dir() -> Path:
    """Cellpose's own folder of weights: `$CELLPOSE_LOCAL_MODELS_PATH`, else `~/.cellpose/models`."""
    named = os.environ.get("CELLPOSE_LOCAL_MODELS_PATH")
    return Path(named).expanduser() if named else Path.home() / ".cellpose" / "models"


def builtin_path() -> Path:
    """The embedded model's weights."""
    return resource("assets", "models", "builtin.pt")


def list_models() -> list[ModelInfo]:
    """The embedded model, Cellpose's, then the user's own (Cellpose's `gui_models.txt`)."""
    listed = [_builtin(), *(_cellpose(name) for name in _CELLPOSE)]
    names = {info.name for info in listed}
    for info in _user_models():
        if info.name in names:
            log.warning("Your model %s has the name of another model; it is left out of the list.", info.name)
            continue
        names.add(info.name)
        listed.append(info)
    return listed


def default_model() -> str:
    """`cyto2` where its weights are present, else the embedded model."""
    return DEFAULT_MODEL if _cellpose(DEFAULT_MODEL).installed else BUILTIN_MODEL


def resolve_model(name_or_path: str) -> ModelInfo:
    """The model of that name, or the weights file of that path.

    Raises:
        ModelError: there is neither, or the file holds no Cellpose network; never another model instead.
    """
    text = str(name_or_path)
    for info in list_models():
        if info.name == text:
            return info
    if text in _OTHER_ARCHITECTURE:
        raise ModelError(
            f"The model {text} has another architecture than this program runs (cpsam needs Cellpose 4 and a GPU). "
            f"Choose one of: {_names()}."
        )
    path = Path(text).expanduser()
    if path.is_file():
        return _from_file(path.resolve())
    if path.is_dir():
        raise ModelError(f"{text} is a folder, not a weights file.")
    what = "There is no weights file" if len(path.parts) > 1 or path.suffix else "There is no model"
    raise ModelError(f"{what} {text}. Choose one of: {_names()}; or give the path of a weights file.")


def _names() -> str:
    return ", ".join(info.name for info in list_models())


def ensure_weights(info: ModelInfo, progress: Progress | None = None) -> Path:
    """Path of the model's weights, downloaded first when they aren't here (and its size model with them).

    Raises:
        ModelError: no network, the server has no such file, or what came is no model.
    """
    progress = progress or NullProgress()
    if info.path is None or (info.kind != "cellpose" and not info.path.is_file()):
        raise ModelError(f"The weights of {info.name} are missing ({info.path}). Install the program again.")
    if info.kind != "cellpose":
        return info.path
    if not info.path.is_file():
        download(f"{_base_url()}/{info.path.name}", info.path, f"Downloading {info.name}", progress, check=check_whole)
    size = size_model_path(info)
    if size is not None and not size.is_file():
        try:
            download(f"{_base_url()}/{size.name}", size, "Downloading size model", progress, check=read_size_model)
        except ModelError as error:
            log.warning("No size model for %s, diameters are found without it: %s", info.name, error)
    return info.path


def _base_url() -> str:
    return os.environ.get("STUDIO_MODEL_URL", MODEL_URL).rstrip("/")


def size_model_path(info: ModelInfo) -> Path | None:
    """Where the model's size model lies or would be downloaded to; None where it has none."""
    if info.kind == "cellpose":
        name = _CELLPOSE[info.name][1]
        return models_dir() / name if name else None
    if info.path is None or not info.has_size_model:
        return None
    return info.path.with_name(info.path.name + "_size.npy")


def load_size_model(info: ModelInfo) -> SizeModel | None:
    """The model's size model, where it has one on this machine. ModelError when it is damaged."""
    path = size_model_path(info)
    return read_size_model(path) if path is not None and path.is_file() else None


def register_user_model(path: Path) -> ModelInfo:
    """Copy weights into Cellpose's folder and its list, so that they show up by name here and there.

    Raises:
        ModelError: no weights of a Cellpose network, or a name that is taken, by other weights of the user's as well.
    """
    info = _from_file(path)
    name = path.name
    if name == BUILTIN_MODEL or name in _CELLPOSE or name in _OTHER_ARCHITECTURE:
        raise ModelError(f"{name} is the name of another model; rename the file first.")
    folder = models_dir()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    if target.is_file() and target.read_bytes() != path.read_bytes():
        raise ModelError(f"Your list already has another model {name} ({target}); rename the file first.")
    if target.resolve() != path.resolve():
        target.write_bytes(path.read_bytes())
        if path.with_suffix(".json").is_file():
            target.with_suffix(".json").write_bytes(path.with_suffix(".json").read_bytes())
    listed = _user_names()
    if name not in listed:
        (folder / USER_LIST).write_text("".join(f"{line}\n" for line in [*listed, name]))
    return ModelInfo(**{**info.__dict__, "name": name, "kind": "user", "path": target})


def _builtin() -> ModelInfo:
    path = builtin_path()
    installed = path.is_file()
    return ModelInfo(
        name=BUILTIN_MODEL,
        title="Built-in nuclei",
        kind="builtin",
        path=path,
        installed=installed,
        size_mb=_size_mb(path),
        diam_mean=(_diam_mean(path) if installed else None) or NUCLEI_DIAM_MEAN,
        channels="auto",
        has_size_model=False,
        description="Nuclei in H&E and fluorescence; no download",
    )


def _cellpose(name: str) -> ModelInfo:
    weights, size, description = _CELLPOSE[name]
    path = models_dir() / weights
    installed = path.is_file()
    return ModelInfo(
        name=name,
        title=name,
        kind="cellpose",
        path=path,
        installed=installed,
        size_mb=_size_mb(path) if installed else CELLPOSE_MB,
        diam_mean=NUCLEI_DIAM_MEAN if name == "nuclei" else CELLPOSE_DIAM_MEAN,
        channels="gray",
        has_size_model=bool(size),
        description=description,
    )


def user_list_stamp() -> int:
    """Changes when the list of the user's own models does, as by a training in another process; 0: no list."""
    try:
        return (models_dir() / USER_LIST).stat().st_mtime_ns
    except OSError:
        return 0


def _user_names() -> list[str]:
    listing = models_dir() / USER_LIST
    try:
        lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _user_models() -> list[ModelInfo]:
    found = []
    for name in _user_names():
        path = models_dir() / name
        try:
            found.append(_of_file(path, name, "user"))
        except ModelError as error:
            log.warning("Your model %s can't be used: %s", name, error)
    return found


def _from_file(path: Path) -> ModelInfo:
    return _of_file(path, path.name, "file", str(path))


def _of_file(path: Path, title: str, kind: Literal["user", "file"], name: str = "") -> ModelInfo:
    head = read_head(path)
    if head is not None and head.input_channels != 2:
        raise ModelError(f"{path} takes {head.input_channels} channels; this program feeds two.")
    # A sidecar of our own training says that the inputs are those of the embedded model.
    ours = head is not None and len(head.widths) == 4 and path.with_suffix(".json").is_file()
    return ModelInfo(
        name=name or title,
        title=title,
        kind=kind,
        path=path,
        installed=True,
        size_mb=_size_mb(path),
        diam_mean=(head.diam_mean if head else None) or CELLPOSE_DIAM_MEAN,
        channels="auto" if ours else "gray",
        has_size_model=path.with_name(path.name + "_size.npy").is_file(),
        description="Your own model" if kind == "user" else f"Weights file {path}",
    )


def _diam_mean(path: Path) -> float | None:
    head = read_head(path)
    return head.diam_mean if head else None


def _size_mb(path: Path) -> float | None:
    try:
        return path.stat().st_size / 1e6
    except OSError:
        return None
