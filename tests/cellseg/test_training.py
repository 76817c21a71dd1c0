"""Data, synthetic fields, the teacher, the loop and the scores, each on something small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch

from studio.cellseg.inputs import to_channels
from studio.cellseg.models import resolve_model
from studio.cellseg.networks.cpnet import load_state
from studio.cellseg.training import data, taught
from studio.cellseg.training.augment import augment_colour, normalise, restain, stain_of
from studio.cellseg.training.evaluate import evaluate, labelled_images
from studio.cellseg.training.generator import Field, fluorescence_field, he_field
from studio.cellseg.training.planted import plant
from studio.cellseg.training.predict import labels_from_flows
from studio.cellseg.training.sampler import Sampler, cell_flows, prepare, unpack
from studio.cellseg.training.scores import compare, matches
from studio.cellseg.training.speed import measure_speed
from studio.cellseg.training.taughtlabels import TaughtLabels
from studio.cellseg.training.teacher import classical_nuclei
from studio.cellseg.training.train import TrainSettings, train
from studio.errors import JobCancelled, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four synthetic pictures with labels, of which the split holds out at least one."""
    path = tmp_path / "tiles"
    path.mkdir()
    rng = np.random.default_rng(0)
    held_out = 0
    for i in range(40):
        name = f"tile{i}"
        out = data.LabelledImage(path / f"{name}.png", path / f"{name}_label.tif").held_out
        if held_out >= 1 and out:
            continue
        held_out += out
        field = (he_field if i % 2 else fluorescence_field)(rng, 96, 16.0)
        cv2.imwrite(str(path / f"{name}.png"), field.rgb[..., ::-1])
        tifffile.imwrite(path / f"{name}_label.tif", field.labels.astype(np.uint16))
        if held_out and i >= 3:
            break
    return path


def test_split_is_fixed_and_disjoint(folder: Path) -> None:
    kept = {f.labels.tobytes() for f in data.load_fields([folder])}
    out = {f.labels.tobytes() for f in data.load_fields([folder], held_out=True)}
    assert kept
    assert out
    assert not kept & out
    assert data.LabelledImage(Path("train_1.png"), Path("x")).held_out
    assert not data.LabelledImage(Path("train_2.png"), Path("x")).held_out


def test_images_to_choose_by_are_trained_on_only_without_validation(tmp_path: Path) -> None:
    items = [data.LabelledImage(tmp_path / f"train_{i}.png", tmp_path / f"train_{i}_label.tif") for i in range(1, 60)]
    for item in items:
        cv2.imwrite(str(item.image), np.zeros((8, 8, 3), np.uint8))
        tifffile.imwrite(item.labels, np.zeros((8, 8), np.uint16))
    chosen_by = [item for item in items if item.validation]
    assert items[4] in chosen_by
    assert 3 < len(chosen_by) < 20
    assert not any(item.held_out for item in chosen_by)
    kept, all_trained = (len(data.load_fields([tmp_path], validation=v)) for v in (False, True))
    assert kept == all_trained - len(chosen_by)
    assert labelled_images(tmp_path, "validation") == sorted(chosen_by, key=lambda item: item.image)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.ones((40, 48), np.uint16), "differ in size: 48 × 48 and 48 × 40"),
        (np.ones((48, 48, 3), np.uint8), "several channels or pages"),
        (np.full((48, 48), 0.5, np.float32), "other numbers than labels"),
        (np.full((48, 48), -1, np.int32), "other numbers than labels"),
        (None, "can't be read"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, labels: np.ndarray | None, said: str) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 48, 3), np.uint8))
    if labels is None:
        (tmp_path / "a_label.tif").write_text("no picture")
    else:
        tifffile.imwrite(tmp_path / "a_label.tif", labels)
    for use in (
        lambda: train([tmp_path], tmp_path / "out.pt", settings=SETTINGS, device="cpu"),
        lambda: evaluate(tmp_path, "builtin", diameter_px=16, backend="torch"),
    ):
        with pytest.raises(UsageError, match=said):
            use()


def test_where_nothing_can_be_written_nothing_is_trained(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for out in (tmp_path / "file" / "x.pt", tmp_path, Path("/proc/studio/x.pt")):
        progress = _CancelAfter(0)
        with pytest.raises(UsageError, match=r"folder|written"):
            train([folder], out, settings=SETTINGS, device="cpu", progress=progress)


def test_planted_nuclei_lie_in_gaps_and_are_darker() -> None:
    rng = np.random.default_rng(6)
    field = he_field(rng, 160, 22.0)
    cells, sure = field.labels > 0, np.ones(field.labels.shape, bool)
    sure[:40] = False
    planted = darker = 0
    for _ in range(8):
        rgb, labels = plant(rng, field.rgb, cells, sure, 14.0)
        new = labels > 0
        assert not new[cells | ~sure].any()
        far = ~cv2.dilate(new.astype(np.uint8), np.ones((11, 11), np.uint8)).astype(bool)
        assert np.abs(rgb[far].astype(int) - field.rgb[far]).max() <= 3
        planted += len(np.unique(labels)) - 1
        darker += int(field.rgb[new].sum()) - int(rgb[new].sum()) > 10 * new.sum()
    assert planted > 8
    assert darker >= 6


def test_labels_beside_an_image_are_found(tmp_path: Path) -> None:
    for name in ("a.png", "a_masks.png", "b.tif", "b_label.tif", "c.png"):
        (tmp_path / name).write_bytes(b"")
    assert [(p.image.name, p.labels.name) for p in data.find_labelled(tmp_path)] == [
        ("a.png", "a_masks.png"),
        ("b.tif", "b_label.tif"),
    ]


@pytest.mark.parametrize("make", [he_field, fluorescence_field])
def test_generated_fields_show_their_nuclei(make) -> None:  # type: ignore[no-untyped-def]
    # One field in a few is meant to be hard; over many, nuclei stand out.
    rng = np.random.default_rng(1)
    lifts = []
    for _ in range(8):
        field = make(rng, 128, 20.0)
        assert field.rgb.shape == (128, 128, 3)
        if not field.labels.any():
            continue
        channel = to_channels(field.rgb, "fluorescence" if field.fluorescence else "hematoxylin")[0]
        lifts.append(channel[field.labels > 0].mean() / channel[field.labels == 0].mean())
    assert np.median(lifts) > 1.3


def test_flow_targets_are_unit_vectors_towards_the_middle() -> None:
    labels = np.zeros((40, 40), np.int32)
    yy, xx = np.mgrid[:40, :40]
    labels[(yy - 20) ** 2 + (xx - 20) ** 2 < 100] = 1
    flows = cell_flows(labels)
    norm = np.hypot(*flows)
    assert flows.shape == (2, 40, 40)
    assert np.median(norm[labels > 0]) == pytest.approx(1, abs=1e-3)
    assert not norm[labels == 0].any()
    assert flows[0, 12, 20] > 0.9
    assert flows[1, 20, 28] < -0.9


def test_turned_targets_point_to_the_turned_middles() -> None:
    # A quarter turn and a mirror image, made from the packed flows, against flows made from turned labels.
    labels = he_field(np.random.default_rng(2), 96, 18.0).labels
    packed = prepare(Field(np.zeros((96, 96, 3), np.uint8), labels, False)).target
    cases = (
        (np.ascontiguousarray(labels[:, ::-1]), packed[:, ::-1], np.diag([-1.0, 1.0])),
        (np.ascontiguousarray(np.rot90(labels)), np.rot90(packed), np.array([[0.0, 1.0], [-1.0, 0.0]])),
    )
    for turned, turned_packed, turn in cases:
        target = unpack(turned_packed, turn)
        inside = turned > 0
        cosine = (target[1:3] * cell_flows(turned)).sum(0)[inside]
        assert (target[0] > 0).tolist() == inside.tolist()
        assert np.mean(cosine > 0.95) > 0.97


def test_pieces_scale_nuclei_and_give_what_lies_outside_no_weight() -> None:
    field = he_field(np.random.default_rng(4), 160, 30.0)
    sampler = Sampler([field], [], seed=0, generated_share=0.0)
    outside = 0
    for _ in range(6):
        x, target = sampler.example()
        assert x.shape == (2, 224, 224)
        assert target.shape == (4, 224, 224)
        beyond = target[3] == 0
        assert not x[:, beyond].any()
        assert not target[0][beyond].any()
        outside += beyond.sum()
    assert outside > 0


def test_restaining_moves_the_colour_and_leaves_glass() -> None:
    rng = np.random.default_rng(0)
    field, other = he_field(rng, 128, 20.0).rgb.copy(), he_field(rng, 128, 20.0).rgb
    field[:20] = 250
    far = np.stack([stain_of(other)[0] + [0.5, 0.0, 0.3], stain_of(other)[1]])
    moved = restain(rng, field, stain_of(field), far)
    before, after = (np.abs(stain_of(p)[0] - far[0]).sum() for p in (field, moved))
    assert after < 0.8 * before
    assert moved[:20].min() > 235
    assert augment_colour(rng, moved, fluorescence=False).shape == moved.shape


def test_an_empty_field_cannot_explode() -> None:
    x = np.zeros((2, 64, 64), np.float32)
    x[:, 5, 5] = 255
    assert np.abs(normalise(np.random.default_rng(0), x)).max() <= 5


def test_teacher_finds_dark_discs() -> None:
    rgb = np.full((200, 200, 3), (235, 190, 220), np.uint8)
    for y in range(30, 200, 45):
        for x in range(30, 200, 45):
            cv2.circle(rgb, (x, y), 10, (90, 60, 140), -1)
    rgb = cv2.GaussianBlur(rgb, (0, 0), 1)
    labels = classical_nuclei(np.asarray(rgb, np.uint8), 20)
    assert labels.max() == 16
    assert np.median(np.bincount(labels.ravel())[1:]) == pytest.approx(np.pi * 100, rel=0.2)


class _Discs:
    """A network that is sure of dark discs but for those in the upper half, whose flows it never learnt."""

    backend, tile_px, batch, nchan = "test", 64, 1, 2

    def forward(self, x: np.ndarray) -> np.ndarray:
        inside = x[0, 0] > 0.5
        labels = data.split_pieces(cv2.connectedComponents(inside.astype(np.uint8))[1].astype(np.int32))
        logit = np.where(inside, 6.0, np.where(cv2.dilate(inside.astype(np.uint8), np.ones((5, 5))) > 0, -1.0, -6.0))
        y = np.concatenate([5 * cell_flows(labels), logit[None]])
        y[:, x[0, 1] > 0.5] = np.array([0.0, 0.0, -0.3], np.float32)[:, None]
        return y[None].astype(np.float32)


def test_a_network_teaches_what_it_is_sure_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.full((64, 64, 3), 240, np.uint8)
    for x in (16, 48):
        cv2.circle(image, (x, 16), 9, (120, 60, 90), -1)
        cv2.circle(image, (x, 48), 9, (120, 60, 90), -1)
    classical = np.zeros((64, 64), np.int32)
    classical[10:22, 10:22] = 1
    mark = np.zeros((2, 64, 64), np.float32)
    mark[0] = image[..., 1] < 200
    mark[1, :32] = mark[0, :32]
    monkeypatch.setattr(taught, "network_input", lambda *args: mark)
    labels, trust = taught.second_opinion(image, classical, _Discs(), 1.0)
    assert labels.max() == 2
    assert not labels[:32].any()
    assert trust[48, 16] == 255
    assert trust[32, 32] == 255
    # Where a cell ends is to be learnt, though the network is less than sure of it.
    assert trust[48, 16 + 11] > 0
    # Nobody knows what the network half saw and the classical method saw.
    assert trust[16, 16] == 0
    assert trust[16, 48] == 0


def test_unlabelled_fields_come_with_their_pixel_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name, mpp in (("a", '"0.35 (xml)"'), ("b", "1.2"), ("c", '"unknown"')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "meta.json").write_text(f'{{"mpp": {mpp}}}')
        picture = np.full((256, 256, 3), (235, 190, 220), np.uint8)
        for y in range(20, 256, 45):
            for x in range(20, 256, 45):
                cv2.circle(picture, (x, y), 10, (90, 60, 140), -1)
        noisy = np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / name / "field.jpg"), cv2.GaussianBlur(noisy, (0, 0), 1)[..., ::-1])
    fields = taught.teach_fields(tmp_path)
    assert [f.source for f in fields] == ["taught a"]
    assert fields[0].labels.max() >= taught.LEAST_CELLS
    assert fields[0].trust is not None
    assert set(np.unique(fields[0].trust)) == {int(255 * taught.BORDER_TRUST), 255}


def test_a_resumed_training_doesnt_ask_the_teacher_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    field = tmp_path / "fields"
    field.mkdir()
    (field / "meta.json").write_text('{"mpp": "0.5"}')
    picture = np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        cv2.imwrite(str(field / name), picture)
    labels = np.zeros((256, 256), np.int32)
    for i in range(20):
        labels[12 * i : 12 * i + 8, 40:48] = i + 1
    asked = []
    monkeypatch.setattr(taught, "classical_nuclei", lambda *args: asked.append(args) or labels)
    settings = replace(SETTINGS, fields_a_folder=2)
    train([field], tmp_path / "whole.pt", settings=settings, device="cpu")
    assert len(asked) == 2
    with pytest.raises(JobCancelled):
        train([field], tmp_path / "cut.pt", settings=settings, device="cpu", progress=_CancelAfter(4))
    assert (tmp_path / "cut.checkpoint").is_file()
    assert len(asked) == 4
    train([field], tmp_path / "cut.pt", settings=settings, device="cpu", resume=True)
    assert len(asked) == 4
    whole, cut = (torch.load(tmp_path / n, weights_only=True) for n in ("whole.pt", "cut.pt"))
    assert all(torch.equal(whole[key], cut[key]) for key in whole)
    assert not (tmp_path / "cut.taught.npz").exists()
    (tmp_path / "broken.npz").write_bytes(b"PK no zip")
    assert TaughtLabels(tmp_path / "broken.npz").of(Path("x"), lambda: (labels, None))[0] is labels


def test_without_style_only_the_surroundings_count(folder: Path, tmp_path: Path) -> None:
    train([folder], tmp_path / "plain.pt", settings=replace(SETTINGS, style=False), device="cpu")
    train([folder], tmp_path / "styled.pt", settings=SETTINGS, device="cpu")
    styled = load_state(torch.load(tmp_path / "styled.pt", weights_only=True))
    plain = load_state(torch.load(tmp_path / "plain.pt", weights_only=True))
    assert (styled.has_style, plain.has_style) == (True, False)
    one = torch.rand(1, 2, 448, 224, generator=torch.Generator().manual_seed(1))
    other = one.clone()
    other[:, :, 352:] = 0
    with torch.no_grad():
        same = [torch.allclose(net(one)[0][:, :, :96], net(other)[0][:, :, :96], atol=1e-5) for net in (styled, plain)]
    assert same == [False, True]
    # Fine-tuning keeps it so.
    on = replace(SETTINGS, steps=1)
    train([folder], tmp_path / "on.pt", settings=on, start_from=tmp_path / "plain.pt", device="cpu")
    assert not load_state(torch.load(tmp_path / "on.pt", weights_only=True)).has_style


def _discs(shift: int = 0) -> np.ndarray:
    labels = np.zeros((60, 60), np.int32)
    for i, (y, x) in enumerate([(15, 15), (15, 45), (45, 15)], start=1):
        cv2.circle(labels, (x + shift, y), 8, i, -1)
    return labels


def test_scores_of_equal_shifted_and_empty() -> None:
    truth = _discs()
    same = compare(truth, truth * 7).summary()
    assert same == {"f1_50": 1.0, "ap_50": 1.0, "ap_75": 1.0, "aji": 1.0, "count_bias": 0.0}
    shifted = compare(truth, _discs(shift=3)).summary()
    assert shifted["f1_50"] == 1.0
    assert shifted["ap_75"] == 0.0
    assert 0.4 < shifted["aji"] < 0.8
    assert compare(truth, np.zeros_like(truth)).summary()["f1_50"] == 0.0
    assert compare(truth * 0, truth * 0).summary()["f1_50"] == 1.0
    half = compare(truth, np.where(truth == 1, 1, 0).astype(np.int32)).summary()
    assert half["f1_50"] == pytest.approx(2 / 4)
    assert half["ap_50"] == pytest.approx(1 / 3)
    assert half["count_bias"] == pytest.approx(-2 / 3)


def test_partners_of_cells() -> None:
    truth = _discs()
    found = np.where(truth == 2, 0, truth * 10).astype(np.int32)
    found[50:58, 50:58] = 7
    of_truth, of_found = matches(truth, found)
    assert of_truth.tolist() == [False, True, False, True]
    assert np.flatnonzero(of_found).tolist() == [10, 30]


def test_scores_equal_cellposes() -> None:
    from cellpose.metrics import aggregated_jaccard_index, average_precision

    rng = np.random.default_rng(5)
    truth, other = he_field(rng, 128, 16).labels, he_field(rng, 128, 16).labels
    found = np.where(rng.uniform(size=truth.shape) < 0.9, np.roll(truth, 2, 0), other).astype(np.int32)
    found = data.split_pieces(found)
    ours = compare(truth, found).summary()
    theirs = average_precision([truth], [found], threshold=[0.5, 0.75])[0][0]
    assert (ours["ap_50"], ours["ap_75"]) == pytest.approx(tuple(theirs))
    assert aggregated_jaccard_index([truth], [truth])[0] == pytest.approx(compare(truth, truth).summary()["aji"])


def test_true_flows_lead_back_to_the_cells() -> None:
    labels = _discs()
    flows = cell_flows(labels)
    y = np.stack([5 * flows[0], 5 * flows[1], np.where(labels > 0, 5, -5)])
    found = labels_from_flows(y.astype(np.float32), 0.0, 0.4, 15)
    assert compare(labels, found).summary()["ap_75"] == 1.0


SETTINGS = TrainSettings(steps=3, batch=2, widths=(4, 8, 8, 8), bf16=False, seed=3)


class _CancelAfter:
    def __init__(self, steps: int) -> None:
        self.left = steps

    def start(self, total: int, message: str = "", done: int = 0) -> None:
        pass

    def advance(self, steps: int = 1, message: str | None = None) -> None:
        self.left -= steps
        if self.left <= 0:
            raise JobCancelled

    def emit(self, kind: str, payload: dict[str, object]) -> None:
        pass


def test_training_resumes_to_the_same_weights(folder: Path, tmp_path: Path) -> None:
    report = train([folder], tmp_path / "whole.pt", settings=SETTINGS, device="cpu")
    assert report["data"]["tiles"]["cells"] > 10
    assert report["data"]["tiles"]["fields"] >= 2
    with pytest.raises(JobCancelled):
        train([folder], tmp_path / "cut.pt", settings=SETTINGS, device="cpu", progress=_CancelAfter(2))
    assert not (tmp_path / "cut.pt").exists()
    train([folder], tmp_path / "cut.pt", settings=SETTINGS, device="cpu", resume=True)
    whole, cut = (torch.load(tmp_path / n, weights_only=True) for n in ("whole.pt", "cut.pt"))
    assert all(torch.equal(whole[key], cut[key]) for key in whole)
    assert not (tmp_path / "cut.checkpoint").exists()
    info = resolve_model(str(tmp_path / "whole.pt"))
    assert (info.diam_mean, info.channels) == (24.0, "auto")
    with pytest.raises(UsageError, match="no folder"):
        train([tmp_path / "nowhere"], tmp_path / "x.pt")


def test_evaluation_of_a_known_segmentation(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The "model" gives back the labels with every second cell of one picture missing.
    from studio.cellseg.training import evaluate as module

    truths = {p.image.name: data.read_labels(p.labels) for p in data.find_labelled(folder)}
    pictures = {p.image.name: data.read_rgb(p.image) for p in data.find_labelled(folder)}
    poor = max(truths, key=lambda name: truths[name].max())

    def segment(rgb: np.ndarray, *args: object, **kwargs: object) -> np.ndarray:
        name = next(n for n, picture in pictures.items() if np.array_equal(picture, rgb))
        return np.where(truths[name] % 2 * (name == poor) > 0, 0, truths[name]).astype(np.int32)

    monkeypatch.setattr(module, "segment_image", segment)
    result = evaluate(folder, "builtin", diameter_px=16, backend="torch")
    cells = {name: len(np.unique(labels)) - 1 for name, labels in truths.items()}
    missed = len([i for i in np.unique(truths[poor]) if i % 2])
    total = sum(cells.values())
    assert result["cells"] == total
    assert result["count_bias"] == pytest.approx(-missed / total, abs=1e-4)
    assert result["ap_50"] == pytest.approx((total - missed) / total, abs=1e-4)
    assert result["f1_50"] == pytest.approx(2 * (total - missed) / (2 * total - missed), abs=1e-4)
    rows = {row["image"]: row for row in result["per_image"]}
    assert all(row["f1_50"] == 1.0 for name, row in rows.items() if name != poor)
    assert rows[poor]["found"] == cells[poor] - missed


def test_evaluation_reports_every_image(folder: Path, tmp_path: Path) -> None:
    result = evaluate(folder, "builtin", diameter_px=16, backend="torch", pictures=tmp_path / "pictures")
    images = len(data.find_labelled(folder))
    assert result["images"] == images == len(result["per_image"])
    assert set(result) >= {"f1_50", "ap_50", "ap_75", "aji", "count_bias", "f1_50_interval"}
    assert result["per_folder"]["tiles"]["cells"] == result["cells"]
    low, high = result["f1_50_interval"]
    assert low <= result["f1_50"] <= high
    drawn = sorted((tmp_path / "pictures").iterdir())
    assert len(drawn) == images
    assert cv2.imread(str(drawn[0])).shape == (192, 384, 3)
    assert evaluate(folder, split="held-out", diameter_px=16, backend="torch")["images"] == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="No labelled image"):
        evaluate(tmp_path / "empty")


def test_speed_compares_with_cellposes_network() -> None:
    rows = measure_speed("builtin", seconds=0.0)
    assert {row["network"] for row in rows} == {"builtin", "cyto2's architecture"}
    assert all(row["cpu_s_per_mm2"] > 0 for row in rows)
