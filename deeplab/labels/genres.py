"""Genres: a roll-up of classes that is the same for every label set."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_OBJECT: Final = "object"

CLASSES_OF: Mapping[str, str] = MappingProxyType(
    {
        "human": "person, rider",
        "animal": "animal, bird, cat, cow, dog, horse, sheep",
        "food": "food",
        "vehicle": (
            "aeroplane, airplane, bicycle, boat, bus, car, caravan, minibike, motorbike, "
            "motorcycle, ship, trailer, train, truck, van"
        ),
        "plant": "flower, grass, palm, plant, pottedplant, tree, vegetation",
        "building": "building, house, hovel, skyscraper, tower",
        "structure": (
            "awning, bannister, base, booth, bridge, canopy, ceiling, column, door, escalator, "
            "fence, fireplace, fountain, grandstand, guard rail, pier, railing, screen door, "
            "stage, stairs, stairway, step, tent, tunnel, wall, windowpane"
        ),
        "ground": (
            "dirt track, earth, field, floor, ground, hill, land, mountain, parking, path, "
            "rail track, road, rock, runway, sand, sidewalk, terrain"
        ),
        "water": "lake, river, sea, swimming pool, water, waterfall",
        "sky": "sky",
        "furniture": (
            "armchair, bar, bathtub, bed, bench, bookcase, buffet, cabinet, case, chair, "
            "chest of drawers, coffee table, counter, countertop, cradle, desk, diningtable, "
            "kitchen island, ottoman, pool table, seat, shelf, shower, sink, sofa, stool, "
            "swivel chair, table, toilet, wardrobe"
        ),
        "textile": "apparel, blanket, blind, curtain, cushion, flag, pillow, rug, towel",
        "appliance": (
            "arcade machine, chandelier, computer, conveyer belt, crt screen, dishwasher, fan, "
            "hood, lamp, light, microwave, monitor, oven, radiator, refrigerator, sconce, screen, "
            "stove, television, tvmonitor, washer"
        ),
        _OBJECT: (
            "ashcan, bag, ball, barrel, basket, book, bottle, box, bulletin board, clock, glass, "
            "mirror, painting, plate, plaything, pole, poster, pot, sculpture, signboard, "
            "streetlight, tank, trade name, traffic light, traffic sign, tray, vase"
        ),
        "background": "background",
    }
)
"""The classes of PASCAL VOC, Cityscapes and ADE20K by genre, each once, split by commas.

Names are meant as those data sets mean them: ADE20K's ``glass`` is drunk from, its ``tank`` holds
oil. What stands along a street on poles is an object, as in Cityscapes's official categories.
"""

GENRES: Final[tuple[str, ...]] = tuple(CLASSES_OF)
"""Every genre; ``object`` is what is none of the others."""

_GENRE_OF: Mapping[str, str] = {genre: genre for genre in GENRES} | {
    name: genre for genre, names in CLASSES_OF.items() for name in names.split(", ")
}


def genre_of(class_name: str) -> str:
    """The genre of a class that says none: of the official class, or the genre, so named.

    Capitals and underscores do not count. ``object`` where there is none of this name.
    """
    return _GENRE_OF.get(class_name.strip().lower().replace("_", " "), _OBJECT)
