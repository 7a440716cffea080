from __future__ import annotations

import subprocess
import sys

import pytest

from beam_deeplab.deeplab.engines import EngineError, check_engine, choose_engine, has_gpu


@pytest.mark.parametrize(
    ("engine", "precision", "gpu", "chosen"),
    [
        ("auto", "f32", True, ("tensorflow", "f32")),
        ("auto", "f16", True, ("tensorflow", "f16")),
        ("auto", "f32", False, ("openvino", "f32")),
        ("auto", "bf16", False, ("openvino", "bf16")),
        ("openvino", "bf16", True, ("openvino", "bf16")),
        ("tensorflow", "f32", False, ("tensorflow", "f32")),
        ("tensorflow", "bf16", True, ("tensorflow", "bf16")),
    ],
)
def test_auto_takes_tensorflow_on_a_gpu_and_else_openvino(
    engine: str, precision: str, gpu: bool, chosen: tuple[str, str]
) -> None:
    assert choose_engine(engine, precision, gpu=gpu)[:2] == chosen


@pytest.mark.parametrize(
    ("engine", "precision", "message"),
    [
        ("torch", "f32", "there is no engine 'torch': take auto, tensorflow or openvino"),
        ("auto", "fp32", "there is no precision 'fp32': take f32, bf16, f16 or int8"),
        (
            "tensorflow",
            "f16",
            "TensorFlow computes in f16 on GPUs only, and there is none: "
            "take the engine openvino, or f32",
        ),
    ],
)
def test_what_cannot_be_had_is_one_clear_line(engine: str, precision: str, message: str) -> None:
    with pytest.raises(EngineError) as caught:
        choose_engine(engine, precision, gpu=False)
    assert str(caught.value) == message


def test_auto_says_which(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        choose_engine("auto", gpu=False)
        choose_engine("auto", gpu=True)
        choose_engine("openvino")
    assert [record.message for record in caplog.records] == [
        "The engine is openvino, since there is no GPU",
        "The engine is tensorflow, since there is a GPU",
    ]


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_hidden_gpu_is_none(hidden: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    has_gpu.cache_clear()
    try:
        assert not has_gpu()
    finally:
        has_gpu.cache_clear()


def test_choosing_loads_neither_tensorflow_nor_openvino() -> None:
    code = (
        "import os, sys; os.environ['CUDA_VISIBLE_DEVICES'] = '-1';"
        "from beam_deeplab.deeplab.engines import choose_engine; choice = choose_engine();"
        "print(choice.name, choice.precision);"
        "print(sorted({'tensorflow', 'keras', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["openvino f32", "[]"]


def test_a_precision_that_this_cpu_lacks_is_refused() -> None:
    import openvino

    has = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for precision, capability in (("bf16", "BF16"), ("f16", "FP16")):
        choice = choose_engine("openvino", precision)
        if capability in has:
            check_engine(choice)
        else:
            with pytest.raises(EngineError, match=f"does not compute in {precision}: take f32"):
                check_engine(choice)
    check_engine(choose_engine("openvino", "f32"))
    check_engine(choose_engine("tensorflow", "f32"))
