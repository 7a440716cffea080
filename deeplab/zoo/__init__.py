"""The official models: what there is, where it comes from, and the cache it is kept in."""

from beam_deeplab.deeplab.zoo.archives import is_archive as is_archive
from beam_deeplab.deeplab.zoo.archives import unpack_archive as unpack_archive
from beam_deeplab.deeplab.zoo.bundled import BUNDLED_MODELS as BUNDLED_MODELS
from beam_deeplab.deeplab.zoo.bundled import BundledModel as BundledModel
from beam_deeplab.deeplab.zoo.cache import CACHE_VARIABLE as CACHE_VARIABLE
from beam_deeplab.deeplab.zoo.cache import cache_folder as cache_folder
from beam_deeplab.deeplab.zoo.errors import ArchiveError as ArchiveError
from beam_deeplab.deeplab.zoo.errors import DigestError as DigestError
from beam_deeplab.deeplab.zoo.errors import ModelNotFound as ModelNotFound
from beam_deeplab.deeplab.zoo.errors import ZooError as ZooError
from beam_deeplab.deeplab.zoo.locating import ZOO_URL_VARIABLE as ZOO_URL_VARIABLE
from beam_deeplab.deeplab.zoo.locating import download_url as download_url
from beam_deeplab.deeplab.zoo.locating import is_cached as is_cached
from beam_deeplab.deeplab.zoo.locating import local_path as local_path
from beam_deeplab.deeplab.zoo.locating import locate as locate
from beam_deeplab.deeplab.zoo.models import OFFICIAL_MODELS as OFFICIAL_MODELS
from beam_deeplab.deeplab.zoo.models import Evaluation as Evaluation
from beam_deeplab.deeplab.zoo.models import ZooModel as ZooModel
from beam_deeplab.deeplab.zoo.models import closest_names as closest_names
from beam_deeplab.deeplab.zoo.models import find_model as find_model
