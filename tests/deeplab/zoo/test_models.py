"""The official models: facts that must fit together, and names that must lead to them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from beam_deeplab.deeplab.zoo import OFFICIAL_MODELS, closest_names, find_model

EVERY_MODEL = pytest.mark.parametrize("name", list(OFFICIAL_MODELS))


def test_zoo_holds_the_ten_official_models() -> None:
    assert list(OFFICIAL_MODELS) == [
        "mobilenetv2_dm05_coco_voc_trainaug",
        "mobilenetv2_dm05_coco_voc_trainval",
        "mobilenetv2_coco_voc_trainaug",
        "mobilenetv2_coco_voc_trainval",
        "xception65_coco_voc_trainaug",
        "xception65_coco_voc_trainval",
        "mobilenetv2_coco_cityscapes_trainfine",
        "xception65_cityscapes_trainfine",
        "mobilenetv2_ade20k_train",
        "xception65_ade20k_train",
    ]
    assert len({model.archive for model in OFFICIAL_MODELS.values()}) == 10


@EVERY_MODEL
def test_facts_of_a_model_fit_together(name: str) -> None:
    model = OFFICIAL_MODELS[name]
    assert model.name == name
    assert model.archive.startswith("deeplabv3_")
    assert model.archive.endswith(".tar.gz")
    assert model.classes == {"voc": 21, "cityscapes": 19, "ade20k": 151}[model.label_set]
    assert {"voc": "voc", "cityscapes": "cityscapes", "ade20k": "ade20k"}[model.label_set] in name
    assert name.startswith(
        {"mobilenet_v2": "mobilenetv2", "xception_65": "xception65"}[model.backbone]
    )
    assert (model.depth_multiplier == 0.5) == ("dm05" in name)
    assert model.aspp == (model.backbone == "xception_65")
    assert model.decoder == (model.aspp or name == "mobilenetv2_ade20k_train")
    assert all((side - 1) % 16 == 0 for side in model.canvas)
    assert model.evaluations
    for evaluation in model.evaluations:
        assert 30 < evaluation.miou < 90
        assert evaluation.output_stride in (8, 16)
        assert 1.0 in evaluation.scales


def test_published_scores_say_how_they_were_measured() -> None:
    scores = OFFICIAL_MODELS["mobilenetv2_coco_voc_trainaug"].evaluations
    assert [str(score) for score in scores] == [
        "75.32 % (val, output stride 16)",
        "77.33 % (val, output stride 8, scales 0.5 to 1.75, flipped)",
    ]


def test_earlier_names_lead_to_the_model() -> None:
    model = find_model("xception_coco_voctrainval")
    assert model is OFFICIAL_MODELS["xception65_coco_voc_trainval"]
    assert find_model("deeplab") is None
    assert find_model("") is None


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("mobilenetv2_coco_voc_trainag", "mobilenetv2_coco_voc_trainaug"),
        ("xception65_cityscapes_train", "xception65_cityscapes_trainfine"),
        ("deeplabv3_pascal_trainval_2018_01_04.tar.gz", "xception65_coco_voc_trainval"),
        ("ADE20K", "mobilenetv2_ade20k_train"),
    ],
)
def test_closest_names_begin_with_the_one_meant(asked: str, first: str) -> None:
    assert closest_names(asked)[0] == first


def test_nothing_is_close_to_nonsense() -> None:
    assert closest_names("zzz") == []


def test_importing_the_zoo_loads_nothing_heavy() -> None:
    heavy = ("tensorflow", "keras", "numpy", "requests", "google.cloud.storage", "rich", "filelock")
    probe = f"import sys, deeplab.zoo; print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
