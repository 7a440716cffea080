"""Scenes of emoji of which the truth is known: any number, always the same ones."""

from deeplab.scenes.collection import Collection as Collection
from deeplab.scenes.collection import CollectionError as CollectionError
from deeplab.scenes.collection import write_collection as write_collection
from deeplab.scenes.composing import SPLITS as SPLITS
from deeplab.scenes.composing import Scene as Scene
from deeplab.scenes.composing import SceneSettings as SceneSettings
from deeplab.scenes.composing import Split as Split
from deeplab.scenes.composing import compose_scene as compose_scene
