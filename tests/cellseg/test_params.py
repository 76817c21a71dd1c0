"""Defaults that depend on the model."""

from __future__ import annotations

import pytest

from studio.cellseg.params import SegmentParams
from studio.errors import ParameterError


def test_the_flow_threshold_follows_the_model_until_somebody_sets_it() -> None:
    builtin, cyto = SegmentParams(), SegmentParams(model="cyto2")
    assert (builtin.flow_threshold, cyto.flow_threshold) == (0.5, 0.4)
    assert builtin.changed(model="cyto2") == cyto
    assert cyto.changed(model="builtin") == builtin
    assert builtin.changed(flow_threshold=0.8).changed(model="cyto2").flow_threshold == 0.8
    assert builtin.changed(model="cyto2", flow_threshold=0.5).flow_threshold == 0.5
    assert builtin.changed(diam_um=7.0).flow_threshold == 0.5
    assert builtin.changed(flow_threshold=0.4).flow_threshold == 0.4


def test_presets_without_a_flow_threshold_get_the_models() -> None:
    assert SegmentParams.from_dict({"model": "cyto3"}).flow_threshold == 0.4
    assert SegmentParams.from_dict(SegmentParams(flow_threshold=0.4).to_dict()).flow_threshold == 0.4
    with pytest.raises(ParameterError, match="finite"):
        SegmentParams(flow_threshold=float("nan"))
