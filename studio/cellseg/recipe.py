"""Parameters as a person keeps them: a command line, a call from Python, a preset file."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

from studio.cellseg.params import SegmentParams
from studio.errors import ParameterError, StudioError

Region = tuple[int, int, int, int]

PRESET_KIND = "studio segmentation preset"
_MAX_PRESET_BYTES = 1 << 20

_FLAGS = {"otsu": "--otsu", "save_flows": "--save-flows"}
_OPTIONS = {"memory_gb": "--memory"}


def _changed(params: SegmentParams) -> dict[str, Any]:
    """Fields that differ from what is usual for the model, and always the two that matter most."""
    plain = SegmentParams(model=params.model)
    always = ("model", "diam_um")
    values = params.to_dict()
    return {
        f.name: values[f.name] for f in fields(params) if f.name in always or values[f.name] != getattr(plain, f.name)
    }


def as_command(
    slide: Path,
    out: Path,
    params: SegmentParams,
    *,
    mpp: float | None = None,
    region: Region | None = None,
    rois: Path | None = None,
) -> str:
    """The `python -m studio segment` line, quoted for a POSIX shell, that does what the window does.

    Args:
        slide: the slide file.
        out: the result file to write.
        params: what the panel shows.
        mpp: µm per slide pixel, where it isn't the file's own.
        region: x, y, width, height in slide pixels to keep to.
        rois: file of the regions to keep to.
    """
    words = ["python", "-m", "studio", "segment", str(slide), "-o", str(out)]
    for name, value in _changed(params).items():
        if name in _FLAGS:
            words.append(_FLAGS[name])
        elif name in ("tile", "interp"):
            words.append(f"--no-{name}")
        else:
            # With "=", so that a threshold below 0 isn't taken for an option.
            words.append(f"{_OPTIONS.get(name, '--' + name.replace('_', '-'))}={_text(value)}")
    if mpp is not None:
        words.append(f"--mpp={_text(mpp)}")
    if region is not None:
        words.append(f"--region={','.join(str(value) for value in region)}")
    if rois is not None:
        words.append(f"--rois={rois}")
    return shlex.join(words)


def as_python(
    slide: Path,
    out: Path,
    params: SegmentParams,
    *,
    mpp: float | None = None,
    region: Region | None = None,
    rois: Path | None = None,
) -> str:
    """Python source that does what the window does; arguments as in `as_command`."""
    settings = ", ".join(f"{name}={value!r}" for name, value in _changed(params).items())
    values: dict[str, Any] = {"mpp": mpp, "region": region}
    others = "".join(f", {name}={value!r}" for name, value in values.items() if value is not None)
    imports = "from studio.cellseg import SegmentParams, segment_slide\n"
    if rois is not None:
        imports += "from studio.slide import read_rois\n"
        others += f", rois=read_rois({str(rois)!r})"
    return (
        f"{imports}\n"
        f"params = SegmentParams({settings})\n"
        f"segmentation = segment_slide({str(slide)!r}, params=params, out={str(out)!r}{others})\n"
    )


def _text(value: Any) -> str:
    return f"{value!r}" if isinstance(value, float) else str(value)


def save_preset(path: Path, params: SegmentParams) -> None:
    """Write parameters as JSON. ParameterError where the file can't be written."""
    text = json.dumps({"kind": PRESET_KIND, "format": 1, "params": params.to_dict()}, indent=1, sort_keys=True)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ParameterError(f"{path} can't be written ({error.strerror or error}). Choose another place.") from error


def is_preset(path: Path) -> bool:
    """Whether a file is one that `save_preset` wrote."""
    try:
        if path.suffix.lower() != ".json" or path.stat().st_size > _MAX_PRESET_BYTES:
            return False
        return PRESET_KIND in path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def load_preset(path: Path) -> SegmentParams:
    """Parameters of a preset file, or those that a result file was made with.

    Raises:
        ParameterError: neither of the two, damaged, or with values that can't be used.
        ResultFileError: a result file that is damaged.
    """
    if path.suffix.lower() == ".zip":
        values = _of_result(path)
    else:
        try:
            if path.stat().st_size > _MAX_PRESET_BYTES:
                raise ParameterError(f"{path.name} is too large to be a preset.")
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ParameterError(f"{path} can't be read ({error.strerror or error}).") from error
        except (ValueError, RecursionError) as error:
            raise ParameterError(
                f"{path.name} is no preset: it isn't JSON. Choose a file saved by Save preset."
            ) from error
        values = content.get("params") if isinstance(content, dict) and content.get("kind") == PRESET_KIND else None
    if not isinstance(values, dict):
        raise ParameterError(f"{path.name} holds no parameters. Choose a preset, or a result made by this program.")
    try:
        return SegmentParams.from_dict(values)
    except StudioError as error:
        raise ParameterError(f"{path.name}: {error}") from error
    except TypeError as error:
        raise ParameterError(f"{path.name} is no preset ({error}).") from error


def _of_result(path: Path) -> Any:
    from studio.cellseg.result import Segmentation

    segmentation = Segmentation.load(path)
    try:
        return segmentation.meta.get("params")
    finally:
        segmentation.close()
