"""Scenes of emoji of which the truth is known: any number, always the same ones.

Names load when they are first used, so that the settings cost no import of OpenCV.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beam_deeplab.scenes.collection import Collection as Collection
    from beam_deeplab.scenes.collection import CollectionError as CollectionError
    from beam_deeplab.scenes.collection import write_collection as write_collection
    from beam_deeplab.scenes.composing import Scene as Scene
    from beam_deeplab.scenes.composing import compose_scene as compose_scene
    from beam_deeplab.scenes.settings import SPLITS as SPLITS
    from beam_deeplab.scenes.settings import SceneSettings as SceneSettings
    from beam_deeplab.scenes.settings import Split as Split

_MODULES = {
    "collection": ("Collection", "CollectionError", "write_collection"),
    "composing": ("Scene", "compose_scene"),
    "settings": ("SPLITS", "SceneSettings", "Split"),
}
_MODULE_BY_NAME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_MODULE_BY_NAME)  # noqa: PLE0605 - one list to keep, not two


def __getattr__(name: str) -> Any:
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_BY_NAME[name]}"), name)
