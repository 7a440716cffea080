"""Fixtures that every suite shares."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.quick_beam import quicken_beam

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def log_levels() -> None:
    """Takes back what the program did to the levels of loggers when an earlier test called it."""
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("beam_deeplab").setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def beam_is_quick() -> None:
    """Spares the pipelines of a process what Beam reads again and again."""
    quicken_beam()


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model cache of the suite's own, which its processes share, not the user's."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEAM_DEEPLAB_CACHE", str(folder / "cache"))
        yield folder / "cache"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of official checkpoints and photos, which the project does not hold itself."""
    folder = os.environ.get("DEEPLAB_SHARED")
    if not folder:
        pytest.skip("set DEEPLAB_SHARED to the folder with the official checkpoints and VOC photos")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def voc_photos(shared: Path) -> list[Path]:
    """The 22 PASCAL VOC photos, by name."""
    return sorted((shared / "voc" / "JPEGImages").glob("*.jpg"))


@pytest.fixture(scope="session")
def mobilenet_checkpoint(shared: Path) -> Path:
    """The folder of the official MobileNet-v2 VOC checkpoint and its frozen graphs."""
    return shared / "checkpoints" / "deeplabv3_mnv2_pascal_trainval"


@pytest.fixture(autouse=True)
def determinism_ends() -> Iterator[None]:
    """Training makes TensorFlow deterministic for the rest of its process: here, for its test."""
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import config

        if config.is_op_determinism_enabled():
            config.disable_op_determinism()
