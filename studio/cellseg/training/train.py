"""Training of a network: from scratch for the embedded model, or onwards from another one."""

from __future__ import annotations

import importlib.util
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from studio.cellseg.models import resolve_model
from studio.cellseg.networks import load_network
from studio.cellseg.networks.cpnet import CPNet, load_state
from studio.cellseg.training.data import load_fields, median_diameter, summary
from studio.cellseg.training.sampler import Sampler
from studio.cellseg.training.target import check_file
from studio.cellseg.training.taught import FIELDS_A_FOLDER, teach_fields
from studio.cellseg.training.taughtlabels import TaughtLabels
from studio.core.jobs import NullProgress, Progress
from studio.errors import ModelError, UsageError

log = logging.getLogger(__name__)

SLIM_WIDTHS = (16, 32, 64, 128)
"""Widths of the embedded model: a quarter of Cellpose's weights and operations."""
DIAM_MEAN = 24.0
"""Pixels across what the embedded model calls the cell diameter (of a nucleus, equivalent circle)."""
WARM_UP_STEPS = 50
SAVE_EVERY = 100
SETTLE_BATCHES = 40


@dataclass(frozen=True)
class TrainSettings:
    """Numbers that decide the outcome of a training, written beside the weights."""

    steps: int = 1200
    batch: int = 8
    seed: int = 0
    widths: tuple[int, ...] = SLIM_WIDTHS
    diam_mean: float = DIAM_MEAN
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    generated_share: float = 0.12
    average_decay: float = 0.995
    bf16: bool = True
    validation: bool = False
    """Leave out the images to choose by, `LabelledImage.validation`."""
    fields_a_folder: int = FIELDS_A_FOLDER
    """Unlabelled fields taken of a folder at most."""
    style: bool = True
    """Let what else is on a tile shift a cell's features, as Cellpose does; see `CPNet.drop_style`."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise UsageError("A training needs at least one step and one field a step.")
        if self.fields_a_folder < 0:
            raise UsageError("The number of unlabelled fields of a folder can't be negative.")


@dataclass(frozen=True)
class TrainingData:
    """Fields and cells of each source, and the median cell diameter of the labelled images in their own pixels."""

    counts: dict[str, Any]
    diameter_px: float | None


class _Run:
    """Everything that changes while training, so that it can be saved and taken up again."""

    def __init__(self, settings: TrainSettings, sampler: Sampler, start: CPNet | None, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.sampler, self.device = settings, sampler, device
        self.net = start or CPNet(settings.widths, settings.diam_mean)
        if not settings.style:
            self.net.drop_style()
        self.net = self.net.to(device, memory_format=torch.channels_last).train()
        self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        trained = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, settings.learning_rate, weight_decay=settings.weight_decay)
        self.step = 0

    def advance(self) -> float:
        """One step on one batch; the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        examples = [self.sampler.example() for _ in range(self.settings.batch)]
        x = torch.from_numpy(np.stack([e[0] for e in examples])).to(self.device, memory_format=torch.channels_last)
        target = torch.from_numpy(np.stack([e[1] for e in examples])).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bf16):
            y, _ = self.net(x)
        loss = flow_loss(y.float(), target)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimizer.step()
        self._average()
        self.step += 1
        return float(loss.item())

    def _learning_rate(self) -> float:
        s = self.settings
        if self.step < WARM_UP_STEPS:
            return s.learning_rate * (self.step + 1) / WARM_UP_STEPS
        done = (self.step - WARM_UP_STEPS) / max(1, s.steps - WARM_UP_STEPS)
        return s.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))

    def _average(self) -> None:
        # The mean of the last steps' weights is steadier than any of them; early on it forgets quickly.
        keep = min(self.settings.average_decay, (self.step + 1) / (self.step + 10))
        for key, value in self.net.state_dict().items():
            if value.is_floating_point():
                self.average[key].lerp_(value, 1 - keep)
            else:
                self.average[key].copy_(value)

    def settle(self) -> None:
        """Measure the batch statistics anew for the averaged weights, which never ran on a batch themselves."""
        self.net.load_state_dict(self.average)
        norms = [m for m in self.net.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over all batches
        self.net.train()
        with torch.no_grad():
            for _ in range(SETTLE_BATCHES):
                examples = [self.sampler.example()[0] for _ in range(self.settings.batch)]
                self.net(torch.from_numpy(np.stack(examples)).to(self.device, memory_format=torch.channels_last))
        self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}

    def save(self, path: Path) -> None:
        state = {
            "step": self.step,
            "settings": json.dumps(asdict(self.settings), sort_keys=True),
            "net": self.net.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "sampler": json.dumps(self.sampler.rng.bit_generator.state),
        }
        _save_atomically(state, path)

    def load(self, path: Path) -> None:
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            if state["settings"] != json.dumps(asdict(self.settings), sort_keys=True):
                raise UsageError(f"{path} belongs to a training with other settings; train without --resume.")
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.sampler.rng.bit_generator.state = json.loads(state["sampler"])
            self.average, self.step = state["average"], int(state["step"])
        except (OSError, RuntimeError, KeyError, ValueError, EOFError) as error:
            raise UsageError(f"{path} is no checkpoint of this training ({error}).") from error


def flow_loss(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cellpose's loss: half the squared error of the fivefold flow plus cross entropy, weighted by pixel.

    `y` (B, 3, T, T) as the network gives it; `target` (B, 4, T, T): foreground, dY, dX, weight.
    """
    weight = target[:, 3]
    flow = ((y[:, :2] - 5 * target[:, 1:3]) ** 2).mean(1) / 2
    cell = nn.functional.binary_cross_entropy_with_logits(y[:, 2], target[:, 0], reduction="none")
    return ((flow + cell) * weight).mean()


def train(
    folders: Sequence[Path | str],
    out: Path | str,
    *,
    settings: TrainSettings | None = None,
    start_from: Path | None = None,
    teacher: str | None = None,
    resume: bool = False,
    threads: int = 1,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a network on the labelled images of some folders and write its weights.

    Args:
        folders: searched with their subfolders for images with `*_label.tif` or `*_masks.*` beside them. A
            folder with `meta.json` (its `mpp`) and no labels takes part with a classical teacher's labels.
            A fixed fifth of the labelled images, chosen by a hash of the name, is left out for `evaluate`.
        out: weights file; `NAME.json` beside it says how they came about.
        settings: steps, batch, seed, widths and so on.
        start_from: weights to go on from (fine-tuning), in place of random ones.
        teacher: model (name or path) that labels the unlabelled fields; None leaves that to the classical method.
        resume: go on from `NAME.checkpoint` and the labels in `NAME.taught.npz` beside `out`, where they are.
        threads: of torch, on the CPU.
        device: `auto`, `cpu`, `cuda`, `mps`.
        progress: told of every step; cancelling leaves a checkpoint.

    Raises:
        UsageError: no labelled image found, labels that don't fit their image, a place that can't be written to, or
            a checkpoint of another training.
    """
    settings, progress = settings or TrainSettings(), progress or NullProgress()
    out = Path(out)
    check_file(out, "the weights")
    progress.start(settings.steps, "Reading images")
    start = _start(start_from)
    if start is not None:
        # Weights that were made without a style stay so.
        style = settings.style and start.has_style
        settings = replace(settings, widths=start.widths, diam_mean=float(start.diam_mean), style=style)
    kept = out.with_suffix(".taught.npz")
    known = TaughtLabels(kept if resume else None)
    sampler, data = read_data(folders, settings, teacher, threads, progress, known)
    known.save(kept)
    report = fit(settings, sampler, data, out, start=start, resume=resume, device=device, progress=progress)
    kept.unlink(missing_ok=True)
    return report


def fit(
    settings: TrainSettings,
    sampler: Sampler,
    data: TrainingData,
    out: Path,
    *,
    start: CPNet | None = None,
    resume: bool = False,
    device: str = "auto",
    progress: Progress,
) -> dict[str, Any]:
    """Train on examples that are at hand and write the weights; see `train`."""
    run = _Run(settings, sampler, start, _device(device))
    checkpoint = out.with_suffix(".checkpoint")
    out.parent.mkdir(parents=True, exist_ok=True)
    if resume and checkpoint.is_file():
        run.load(checkpoint)
    progress.start(settings.steps, "Training", done=run.step)
    smooth, history = math.nan, []
    try:
        while run.step < settings.steps:
            loss = run.advance()
            smooth = loss if math.isnan(smooth) else 0.98 * smooth + 0.02 * loss
            if run.step % SAVE_EVERY == 0:
                run.save(checkpoint)
                history.append([run.step, round(smooth, 4)])
                log.info("step %d of %d, loss %.4f", run.step, settings.steps, smooth)
            progress.advance(1, f"loss {smooth:.3f}")
    except BaseException:
        run.save(checkpoint)
        raise
    run.settle()
    _write(run, out, data.diameter_px or settings.diam_mean)
    report = {"settings": asdict(settings), "data": data.counts, "loss": history, "diam_mean": settings.diam_mean}
    out.with_suffix(".json").write_text(json.dumps({"format": 1, "channels": "auto", **report}, indent=1) + "\n")
    checkpoint.unlink(missing_ok=True)
    return {"out": str(out), **report}


def read_data(
    folders: Sequence[Path | str],
    settings: TrainSettings,
    teacher: str | None,
    threads: int,
    progress: Progress,
    known: TaughtLabels | None = None,
) -> tuple[Sampler, TrainingData]:
    """Read and label what there is to train on; arguments and errors as of `train`. Sets the number of threads.

    `known` holds what the teacher said earlier, and afterwards what it said now.
    """
    torch.set_num_threads(max(1, threads))
    cv2.setNumThreads(max(1, threads))
    paths = [Path(folder) for folder in folders]
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"There is no folder {path}.")
    # Of a handful of images chance may hold out all; then there is nothing to judge by, but something to learn from.
    labelled = load_fields(paths, validation=not settings.validation) or load_fields(paths, held_out=True)
    network, diam_mean = None, 0.0
    if teacher is not None:
        info = resolve_model(teacher)
        # Labels don't change by what bf16 rounds off, and come twice as fast.
        backend = "openvino-bf16" if importlib.util.find_spec("openvino") and not torch.cuda.is_available() else "auto"
        network, diam_mean = load_network(info, threads=threads, batch=1, backend=backend), info.diam_mean
    most = settings.fields_a_folder
    taught = [f for path in paths for f in teach_fields(path, network, diam_mean, progress, most, known)]
    if not labelled and not taught:
        raise UsageError(
            "No labelled image found. Put NAME_label.tif or NAME_masks.png beside each NAME.png and name that folder."
        )
    diameters = [median_diameter(field.labels) for field in labelled]
    sampler = Sampler(labelled, taught, settings.seed, settings.generated_share, settings.diam_mean)
    measured = [d for d in diameters if d]
    return sampler, TrainingData(summary(labelled + taught), float(np.median(measured)) if measured else None)


def _start(path: Path | None) -> CPNet | None:
    if path is None:
        return None
    try:
        return load_state(torch.load(path, map_location="cpu", weights_only=True)).train()
    except (OSError, KeyError, RuntimeError, AttributeError, ValueError) as error:
        raise ModelError(f"{path} holds no weights of a Cellpose network to go on from.") from error


def _device(name: str) -> torch.device:
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _write(run: _Run, out: Path, diam_labels: float) -> None:
    """Weights as half floats: half the size; what rounding does to the output is far below bf16's error."""
    state = {k: v.half() if v.is_floating_point() else v for k, v in run.average.items()}
    state["diam_labels"] = torch.tensor([diam_labels]).half()
    _save_atomically({k: v.cpu().contiguous() for k, v in state.items()}, out)


def _save_atomically(state: dict[str, Any], path: Path) -> None:
    part = path.with_name(path.name + ".part")
    torch.save(state, part)
    part.replace(path)
