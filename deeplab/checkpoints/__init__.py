"""Official TF1 checkpoints, frozen graphs and our own weights, into a network's variables.

Digests and the choice of files need nothing but the standard library; what reads a format loads
with the first of its files, Keras when a network is built.
"""

from beam_deeplab.deeplab.checkpoints.checkpoint import Checkpoint as Checkpoint
from beam_deeplab.deeplab.checkpoints.files import CheckpointError as CheckpointError
from beam_deeplab.deeplab.checkpoints.files import digest_of as digest_of
from beam_deeplab.deeplab.checkpoints.files import find_weights as find_weights
from beam_deeplab.deeplab.checkpoints.loading import assign_weights as assign_weights
from beam_deeplab.deeplab.checkpoints.loading import load_network as load_network
from beam_deeplab.deeplab.checkpoints.loading import open_checkpoint as open_checkpoint
from beam_deeplab.deeplab.checkpoints.structure import infer_config as infer_config
