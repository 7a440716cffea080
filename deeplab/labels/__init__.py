"""Class names and palettes: PASCAL VOC, Cityscapes, ADE20K, the demo's and a user's own."""

from deeplab.labels.cityscapes import IGNORED_TRAIN_ID as IGNORED_TRAIN_ID
from deeplab.labels.cityscapes import OFFICIAL_LABELS as OFFICIAL_LABELS
from deeplab.labels.cityscapes import CityscapesLabel as CityscapesLabel
from deeplab.labels.cityscapes import official_ids as official_ids
from deeplab.labels.cityscapes import train_ids as train_ids
from deeplab.labels.datasets import ADE20K as ADE20K
from deeplab.labels.datasets import CITYSCAPES as CITYSCAPES
from deeplab.labels.datasets import LABEL_SETS as LABEL_SETS
from deeplab.labels.datasets import SCENES as SCENES
from deeplab.labels.datasets import VOC as VOC
from deeplab.labels.datasets import for_class_count as for_class_count
from deeplab.labels.files import read_labels as read_labels
from deeplab.labels.label_set import Color as Color
from deeplab.labels.label_set import LabelError as LabelError
from deeplab.labels.label_set import LabelSet as LabelSet
from deeplab.labels.label_set import voc_color as voc_color
