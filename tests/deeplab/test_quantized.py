"""A folder of 8-bit networks says what it is, and a damaged one is refused in a line."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from beam_deeplab.deeplab.checkpoints import CheckpointError
from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.deeplab.models import inspect_model
from beam_deeplab.deeplab.quantized import (
    DESCRIPTION_NAME,
    NETWORKS_NAME,
    Calibration,
    QuantizedCard,
    open_quantized,
    write_quantized,
)
from tests.small_models import SMALL_CONFIG

NETWORKS = b"networks"
LABELS = LabelSet("land", tuple("abcde"), tuple((i, i, i) for i in range(5)))


def write_card(folder: Path) -> QuantizedCard:
    card = QuantizedCard(
        made_of="mobilenetv2_coco_voc_trainval",
        made_of_digest="a" * 64,
        config=asdict(SMALL_CONFIG),
        labels=LABELS.to_dict(),
        canvas=(65, 65),
        output_stride=16,
        sizes=((65, 65), (33, 65)),
        networks="b" * 64,
        networks_bytes=len(NETWORKS),
        calibration=Calibration(images=3, seed=0, digest="c" * 64, labels_differ=0.01, cpu="a CPU"),
        versions={"openvino": "2026"},
    )
    write_quantized(folder, card, NETWORKS)
    return card


def test_what_is_written_is_read(tmp_path: Path) -> None:
    card = write_card(tmp_path / "model")
    assert open_quantized(tmp_path / "model").facts() == card.facts()
    model = inspect_model(str(tmp_path / "model"))
    assert (model.digest, model.canvas, model.labels) == (card.networks, (65, 65), LABELS)
    assert model.config == SMALL_CONFIG
    assert model.card
    assert model.card.facts() == card.facts()
    assert model.staged
    assert Path(model.staged.uri).read_bytes() == NETWORKS
    assert pickle.loads(pickle.dumps(model)) == model


def _without(key: str) -> Any:
    return lambda card: card.pop(key)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without("networks"), "networks: Field required"),
        (lambda card: card.update(canvas=[1]), "canvas"),
        (lambda card: card.update(more=1), "more: Extra inputs"),
        (lambda card: card["labels"]["classes"].pop(), "not one label a class"),
        (lambda card: card["config"].update(backbone="x"), "x"),
    ],
)
def test_a_damaged_description_is_refused(change: Any, words: str, tmp_path: Path) -> None:
    write_card(tmp_path)
    card = json.loads((tmp_path / DESCRIPTION_NAME).read_text())
    change(card)
    (tmp_path / DESCRIPTION_NAME).write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match=words) as caught:
        inspect_model(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_networks_that_were_cut_short_are_refused(tmp_path: Path) -> None:
    write_card(tmp_path)
    (tmp_path / NETWORKS_NAME).write_bytes(NETWORKS[:-1])
    with pytest.raises(CheckpointError, match="has 7 bytes, not the 8"):
        inspect_model(str(tmp_path))
    (tmp_path / NETWORKS_NAME).unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        inspect_model(str(tmp_path))
