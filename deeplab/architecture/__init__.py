"""The DeepLab-v3 and v3+ networks in Keras 3, which loads where one is built."""

from beam_deeplab.deeplab.architecture.config import AsppConfig as AsppConfig
from beam_deeplab.deeplab.architecture.config import DecoderConfig as DecoderConfig
from beam_deeplab.deeplab.architecture.config import DeepLabConfig as DeepLabConfig
