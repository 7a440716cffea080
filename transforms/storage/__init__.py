"""Bytes in storage: local paths, ``gs://`` and Beam's file systems behind one small interface."""

from beam_deeplab.deeplab.credentials import CredentialsError as CredentialsError
from beam_deeplab.transforms.storage.dispatch import check_writable as check_writable
from beam_deeplab.transforms.storage.dispatch import create_if_absent as create_if_absent
from beam_deeplab.transforms.storage.dispatch import delete as delete
from beam_deeplab.transforms.storage.dispatch import exists as exists
from beam_deeplab.transforms.storage.dispatch import files_below as files_below
from beam_deeplab.transforms.storage.dispatch import list_folder as list_folder
from beam_deeplab.transforms.storage.dispatch import open_seekable as open_seekable
from beam_deeplab.transforms.storage.dispatch import read as read
from beam_deeplab.transforms.storage.dispatch import read_version as read_version
from beam_deeplab.transforms.storage.dispatch import versions as versions
from beam_deeplab.transforms.storage.dispatch import write_atomically as write_atomically
from beam_deeplab.transforms.storage.interface import ChangedError as ChangedError
from beam_deeplab.transforms.storage.interface import FileVersion as FileVersion
from beam_deeplab.transforms.storage.interface import StorageDownError as StorageDownError
from beam_deeplab.transforms.storage.interface import StoredFile as StoredFile
from beam_deeplab.transforms.storage.interface import TooLargeError as TooLargeError
from beam_deeplab.transforms.storage.interface import describe as describe
from beam_deeplab.transforms.storage.interface import join as join
from beam_deeplab.transforms.storage.interface import scheme as scheme
