"""Ground truth as label maps, its pairing with images, and what masks score against it."""

from beam_deeplab.deeplab.truth.files import MAX_PIXELS as MAX_PIXELS
from beam_deeplab.deeplab.truth.files import TruthError as TruthError
from beam_deeplab.deeplab.truth.formats import IGNORED as IGNORED
from beam_deeplab.deeplab.truth.formats import TruthFormat as TruthFormat
from beam_deeplab.deeplab.truth.formats import choose_truth_format as choose_truth_format
from beam_deeplab.deeplab.truth.label_maps import TruthClassError as TruthClassError
from beam_deeplab.deeplab.truth.label_maps import TruthRule as TruthRule
from beam_deeplab.deeplab.truth.pairing import pair_names as pair_names
