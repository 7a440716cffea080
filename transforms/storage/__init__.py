"""Bytes in storage: local paths, ``gs://`` and Beam's file systems behind one small interface."""

from transforms.storage.dispatch import ChangedError as ChangedError
from transforms.storage.dispatch import CredentialsError as CredentialsError
from transforms.storage.dispatch import StoredFile as StoredFile
from transforms.storage.dispatch import check_writable as check_writable
from transforms.storage.dispatch import create_if_absent as create_if_absent
from transforms.storage.dispatch import delete as delete
from transforms.storage.dispatch import describe as describe
from transforms.storage.dispatch import exists as exists
from transforms.storage.dispatch import join as join
from transforms.storage.dispatch import list_folder as list_folder
from transforms.storage.dispatch import open_seekable as open_seekable
from transforms.storage.dispatch import read as read
from transforms.storage.dispatch import read_version as read_version
from transforms.storage.dispatch import scheme as scheme
from transforms.storage.dispatch import unsupported as unsupported
from transforms.storage.dispatch import versions as versions
from transforms.storage.dispatch import write_atomically as write_atomically
