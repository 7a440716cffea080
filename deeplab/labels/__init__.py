"""Class names, palettes, genres: PASCAL VOC, Cityscapes, ADE20K, the demo's, a user's own."""

from beam_deeplab.deeplab.labels.cityscapes import IGNORED_TRAIN_ID as IGNORED_TRAIN_ID
from beam_deeplab.deeplab.labels.cityscapes import OFFICIAL_LABELS as OFFICIAL_LABELS
from beam_deeplab.deeplab.labels.cityscapes import TRAINED_LABELS as TRAINED_LABELS
from beam_deeplab.deeplab.labels.cityscapes import CityscapesLabel as CityscapesLabel
from beam_deeplab.deeplab.labels.cityscapes import official_ids as official_ids
from beam_deeplab.deeplab.labels.cityscapes import train_ids as train_ids
from beam_deeplab.deeplab.labels.datasets import ADE20K as ADE20K
from beam_deeplab.deeplab.labels.datasets import CITYSCAPES as CITYSCAPES
from beam_deeplab.deeplab.labels.datasets import LABEL_SETS as LABEL_SETS
from beam_deeplab.deeplab.labels.datasets import SCENES as SCENES
from beam_deeplab.deeplab.labels.datasets import VOC as VOC
from beam_deeplab.deeplab.labels.datasets import for_class_count as for_class_count
from beam_deeplab.deeplab.labels.datasets import is_official as is_official
from beam_deeplab.deeplab.labels.files import parse_labels as parse_labels
from beam_deeplab.deeplab.labels.genres import GENRES as GENRES
from beam_deeplab.deeplab.labels.genres import genre_of as genre_of
from beam_deeplab.deeplab.labels.label_set import Color as Color
from beam_deeplab.deeplab.labels.label_set import LabelError as LabelError
from beam_deeplab.deeplab.labels.label_set import LabelSet as LabelSet
from beam_deeplab.deeplab.labels.label_set import voc_color as voc_color
