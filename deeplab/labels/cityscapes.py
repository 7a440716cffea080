"""The labels of Cityscapes: the 34 official ids, and the 19 train ids that models learn.

Facts from ``cityscapesscripts/helpers/labels.py``. Ground truth files (``*_labelIds.png``) and the
evaluation server speak official ids; the official DeepLab models answer train ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from beam_deeplab.deeplab.labels.label_set import Color

IGNORED_TRAIN_ID = 255
"""The train id of official labels that are left out of training and evaluation."""


@dataclass(frozen=True, slots=True)
class CityscapesLabel:
    """One of the official labels.

    Attributes:
        official_id: 0 to 33, as in ``*_labelIds.png``.
        name: The official name.
        category: The official category, as ``flat``.
        train_id: 0 to 18, or 255 if not learnt.
        color: The official colour.
    """

    official_id: int
    name: str
    category: str
    train_id: int
    color: Color


OFFICIAL_LABELS: tuple[CityscapesLabel, ...] = (
    CityscapesLabel(0, "unlabeled", "void", 255, (0, 0, 0)),
    CityscapesLabel(1, "ego vehicle", "void", 255, (0, 0, 0)),
    CityscapesLabel(2, "rectification border", "void", 255, (0, 0, 0)),
    CityscapesLabel(3, "out of roi", "void", 255, (0, 0, 0)),
    CityscapesLabel(4, "static", "void", 255, (0, 0, 0)),
    CityscapesLabel(5, "dynamic", "void", 255, (111, 74, 0)),
    CityscapesLabel(6, "ground", "void", 255, (81, 0, 81)),
    CityscapesLabel(7, "road", "flat", 0, (128, 64, 128)),
    CityscapesLabel(8, "sidewalk", "flat", 1, (244, 35, 232)),
    CityscapesLabel(9, "parking", "flat", 255, (250, 170, 160)),
    CityscapesLabel(10, "rail track", "flat", 255, (230, 150, 140)),
    CityscapesLabel(11, "building", "construction", 2, (70, 70, 70)),
    CityscapesLabel(12, "wall", "construction", 3, (102, 102, 156)),
    CityscapesLabel(13, "fence", "construction", 4, (190, 153, 153)),
    CityscapesLabel(14, "guard rail", "construction", 255, (180, 165, 180)),
    CityscapesLabel(15, "bridge", "construction", 255, (150, 100, 100)),
    CityscapesLabel(16, "tunnel", "construction", 255, (150, 120, 90)),
    CityscapesLabel(17, "pole", "object", 5, (153, 153, 153)),
    CityscapesLabel(18, "polegroup", "object", 255, (153, 153, 153)),
    CityscapesLabel(19, "traffic light", "object", 6, (250, 170, 30)),
    CityscapesLabel(20, "traffic sign", "object", 7, (220, 220, 0)),
    CityscapesLabel(21, "vegetation", "nature", 8, (107, 142, 35)),
    CityscapesLabel(22, "terrain", "nature", 9, (152, 251, 152)),
    CityscapesLabel(23, "sky", "sky", 10, (70, 130, 180)),
    CityscapesLabel(24, "person", "human", 11, (220, 20, 60)),
    CityscapesLabel(25, "rider", "human", 12, (255, 0, 0)),
    CityscapesLabel(26, "car", "vehicle", 13, (0, 0, 142)),
    CityscapesLabel(27, "truck", "vehicle", 14, (0, 0, 70)),
    CityscapesLabel(28, "bus", "vehicle", 15, (0, 60, 100)),
    CityscapesLabel(29, "caravan", "vehicle", 255, (0, 0, 90)),
    CityscapesLabel(30, "trailer", "vehicle", 255, (0, 0, 110)),
    CityscapesLabel(31, "train", "vehicle", 16, (0, 80, 100)),
    CityscapesLabel(32, "motorcycle", "vehicle", 17, (0, 0, 230)),
    CityscapesLabel(33, "bicycle", "vehicle", 18, (119, 11, 32)),
)
"""The 34 labels with an id, in the order of their ids (``license plate`` has none)."""

TRAINED_LABELS: tuple[CityscapesLabel, ...] = tuple(
    label for label in OFFICIAL_LABELS if label.train_id != IGNORED_TRAIN_ID
)
"""The 19 labels that models learn, in the order of their train ids."""


def official_ids(label_map: NDArray[Any]) -> NDArray[np.uint8]:
    """Turn train ids, 0 to 18 or 255, into official ids, e.g. for the evaluation server.

    Returns:
        uint8 of the same shape; 0 (``unlabeled``) where no class was.

    Raises:
        ValueError: If a value is no train id.
    """
    table = dict.fromkeys(range(256), -1)
    table.update({label.train_id: label.official_id for label in TRAINED_LABELS})
    table[IGNORED_TRAIN_ID] = 0
    return _look_up(table, label_map, "train id")


def train_ids(label_map: NDArray[Any]) -> NDArray[np.uint8]:
    """Turn official ids, 0 to 33, e.g. of a ``*_labelIds.png``, into train ids.

    Returns:
        uint8 of the same shape; 255 where the label is not learnt.

    Raises:
        ValueError: If a value is no official id.
    """
    table = dict.fromkeys(range(256), -1)
    table.update({label.official_id: label.train_id for label in OFFICIAL_LABELS})
    return _look_up(table, label_map, "official id")


def _look_up(table: dict[int, int], label_map: NDArray[Any], kind: str) -> NDArray[np.uint8]:
    import numpy as np

    labels = np.asarray(label_map)
    outside = (labels < 0) | (labels > 255)
    answers = np.array(list(table.values()), np.int16)[np.where(outside, 0, labels)]
    unknown = outside | (answers < 0)
    if unknown.any():
        raise ValueError(f"{labels[unknown].flat[0]} is no {kind} of Cityscapes")
    return answers.astype(np.uint8)
