from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from beam_deeplab.transforms.decoding import decode as decoding
from beam_deeplab.transforms.decoding.budget import MemoryBudget, decoding_budget, memory_limit
from beam_deeplab.transforms.decoding.decode import decode
from beam_deeplab.transforms.geometry import Canvas
from tests import corpus

ROOT = Path(__file__).parents[3]


@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(1, 100),
    counts=st.lists(st.integers(0, 150), min_size=1, max_size=40),
    threads=st.integers(1, 8),
)
def test_no_more_is_held_than_the_budget_except_by_one_alone(
    size: int, counts: list[int], threads: int
) -> None:
    budget = MemoryBudget(size)
    lock = threading.Lock()
    inside: list[int] = []

    def decode(count: int) -> None:
        with budget.hold(count):
            with lock:
                inside.append(count)
                assert sum(inside) <= size or [each for each in inside if each] == [count]
            with lock:
                inside.remove(count)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(decode, counts))
    assert budget.held == 0


def test_a_picture_larger_than_the_budget_is_not_passed_by_for_ever() -> None:
    budget = MemoryBudget(10)
    order: list[str] = []
    first_is_in, first_may_go = threading.Event(), threading.Event()

    def hold(name: str, count: int) -> None:
        with budget.hold(count):
            order.append(name)
            if name == "first":
                first_is_in.set()
                first_may_go.wait()

    threads = [threading.Thread(target=hold, args=("first", 5))]
    threads[0].start()
    first_is_in.wait()
    for name, count in (("large", 50), ("small", 1)):
        threads.append(threading.Thread(target=hold, args=(name, count)))
        threads[-1].start()
        while len(budget.waiting) < len(threads) - 1:
            pass
    assert order == ["first"]
    first_may_go.set()
    for thread in threads:
        thread.join()
    assert order == ["first", "large", "small"]


def test_an_error_gives_back_what_was_held() -> None:
    budget = MemoryBudget(10)
    with pytest.raises(MemoryError), budget.hold(10):
        raise MemoryError
    with budget.hold(10):
        assert budget.held == 10


def control_groups(root: Path, own: str, limits: dict[str, str]) -> int:
    for name, text in limits.items():
        path = root / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "own").write_text(own)
    return memory_limit(root / "groups", root / "own")


@pytest.mark.parametrize(
    ("own", "limits"),
    [
        ("0::/\n", {"memory.max": "5000"}),
        ("0::/job/task\n", {"memory.max": "max", "job/memory.max": "5000"}),
        ("0::/job/task\n", {"job/memory.max": "9000", "job/task/memory.max": "5000\n"}),
        ("0::/not/here\n", {"memory.max": "5000"}),
        ("3:cpu:/x\n2:memory:/job\n", {"memory/job/memory.limit_in_bytes": "5000"}),
        ("2:memory:/job\n", {"memory/memory.limit_in_bytes": "5000"}),
    ],
)
def test_the_limit_is_the_containers(tmp_path: Path, own: str, limits: dict[str, str]) -> None:
    assert control_groups(tmp_path, own, limits) == 5000


def test_without_a_container_the_limit_is_the_machines(tmp_path: Path) -> None:
    unlimited = control_groups(tmp_path, "0::/\n", {"memory.max": "max"})
    assert unlimited == memory_limit(tmp_path / "nothing", tmp_path / "nothing")
    assert unlimited > 1 << 28
    assert decoding_budget() is decoding_budget()
    assert 0 < decoding_budget().size <= unlimited // 4


def test_decoding_waits_until_its_memory_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = MemoryBudget(1000)
    monkeypatch.setattr(decoding, "decoding_budget", lambda: budget)
    data = corpus.encode(corpus.quadrants(), "PNG")
    with ThreadPoolExecutor(3) as pool:
        with budget.hold(1):
            # They claim more than the whole budget, and would be let in if nobody held any.
            pictures = [pool.submit(decode, data, Canvas(65, 65)) for _ in range(3)]
            while len(budget.waiting) < 3:
                pass
            assert not any(picture.done() for picture in pictures)
        assert all(picture.result().pixels.shape == (32, 64, 3) for picture in pictures)
    assert budget.held == 0


_PEAK_OF_ONE_FILE = """
import re, sys
from pathlib import Path
from beam_deeplab.transforms.decoding.codecs import held_bytes, read_header
from beam_deeplab.transforms.decoding.decode import DecodeOptions, decode
from beam_deeplab.transforms.decoding.formats import DecodeRequest
from beam_deeplab.transforms.geometry import Canvas

def status(key):
    return int(re.search(key + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

for name in sys.argv[1:]:
    data = Path(name).read_bytes()
    claimed = held_bytes(data, DecodeRequest(read_header(data), DecodeOptions(), 513, 513))
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    decode(data, Canvas(513, 513))
    peak = status("VmHWM") - before
    print(name, peak >> 20, "of", claimed >> 20, "MiB")
    assert peak < claimed + (20 << 20), name
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads its peak from /proc")
def test_no_format_takes_more_memory_than_its_header_told(tmp_path: Path) -> None:
    rgb = Image.fromarray(corpus.texture(2000, 3000))
    rgba = rgb.copy()
    rgba.putalpha(rgb.getchannel(0))
    files = {
        "baseline.jpg": corpus.encode(rgb, "JPEG"),
        "progressive.jpg": corpus.encode(rgb, "JPEG", progressive=True, subsampling=0),
        "cmyk.jpg": corpus.encode(rgb.convert("CMYK"), "JPEG", progressive=True),
        "rgb.png": corpus.encode(rgb, "PNG", compress_level=1),
        "rgba.png": corpus.encode(rgba, "PNG", compress_level=1),
        "rgb.webp": corpus.encode(rgb, "WEBP", method=0),
        "lossless.webp": corpus.encode(rgba, "WEBP", lossless=True, method=0, quality=0),
        "one.gif": corpus.encode(rgb.quantize(16, Image.Quantize.FASTOCTREE), "GIF"),
        "rgb.bmp": corpus.encode(rgb, "BMP"),
        "raw.tif": corpus.encode(rgb, "TIFF"),
        "lzw.tif": corpus.encode(rgba, "TIFF", compression="tiff_lzw"),
        "planes.tif": corpus.tiff(np.asarray(rgb).astype(np.uint16), planes_apart=True),
        "rgba.avif": corpus.encode(rgba, "AVIF", speed=10),
        "rgb.heic": corpus.heic(rgb.reduce(4), quality=20),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    child = subprocess.run(
        [sys.executable, "-c", _PEAK_OF_ONE_FILE, *(str(tmp_path / name) for name in files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    print(child.stdout)
    assert child.returncode == 0, child.stderr
