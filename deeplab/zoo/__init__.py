"""The official models: what there is, where it comes from, and the cache it is kept in."""

from deeplab.zoo.archives import is_archive as is_archive
from deeplab.zoo.archives import unpack_archive as unpack_archive
from deeplab.zoo.bundled import BUNDLED_MODELS as BUNDLED_MODELS
from deeplab.zoo.bundled import BundledModel as BundledModel
from deeplab.zoo.cache import CACHE_VARIABLE as CACHE_VARIABLE
from deeplab.zoo.cache import cache_folder as cache_folder
from deeplab.zoo.errors import ArchiveError as ArchiveError
from deeplab.zoo.errors import DigestError as DigestError
from deeplab.zoo.errors import ModelNotFound as ModelNotFound
from deeplab.zoo.errors import ZooError as ZooError
from deeplab.zoo.locating import ZOO_URL_VARIABLE as ZOO_URL_VARIABLE
from deeplab.zoo.locating import download_url as download_url
from deeplab.zoo.locating import is_cached as is_cached
from deeplab.zoo.locating import locate as locate
from deeplab.zoo.models import OFFICIAL_MODELS as OFFICIAL_MODELS
from deeplab.zoo.models import Evaluation as Evaluation
from deeplab.zoo.models import ZooModel as ZooModel
from deeplab.zoo.models import closest_names as closest_names
from deeplab.zoo.models import find_model as find_model
from deeplab.zoo.progress import Progress as Progress
from deeplab.zoo.progress import silent as silent
from deeplab.zoo.progress import terminal_bar as terminal_bar
