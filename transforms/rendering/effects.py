"""What is done with a picture, and how much of it is subject."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from beam_deeplab.transforms.decoding.decode import decode
from beam_deeplab.transforms.geometry import Canvas
from beam_deeplab.transforms.records import UNCHANGED, LogitsGrid
from beam_deeplab.transforms.rendering.cutout import before, cutout
from beam_deeplab.transforms.rendering.matte import Matting, refined_matte, soft_matte
from beam_deeplab.transforms.rendering.portrait import disc_radius, portrait
from beam_deeplab.transforms.rendering.redact import covered, fill, pixelate

LEAST_SUBJECT: Final = 0.01
"""Share of a picture below which it has no subject to make a portrait of."""

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture after an effect.

    Attributes:
        pixels: uint8 RGB or RGBA of shape [height, width, 3 or 4], as the original is upright.
        effect: The effect's name, or :data:`transforms.records.UNCHANGED`.
        subject_fraction: The subject's share of the picture, in [0, 1].
    """

    pixels: NDArray[np.uint8]
    effect: str
    subject_fraction: float


class Effect(Protocol):
    """What is done with a picture: a name, and a function of the picture and what is in it."""

    name: ClassVar[str]

    def __call__(
        self, picture: NDArray[np.uint8], answer: LogitsGrid, subject: tuple[int, ...]
    ) -> Rendered:
        """Does it with an upright picture, uint8 RGB, and the logits of just that picture."""
        ...

    def describe(self) -> dict[str, Any]:
        """All that decides the result, as plain data."""
        ...


@dataclass(frozen=True, slots=True)
class Portrait:
    """The background out of focus; a picture with hardly any subject stays as it is.

    Attributes:
        strength: From 0, which changes nothing, to 1.
        matting: By what the outline is refined.
    """

    name: ClassVar[str] = "portrait"
    strength: float = 0.5
    matting: Matting = Matting.GUIDED

    def __call__(
        self, picture: NDArray[np.uint8], answer: LogitsGrid, subject: tuple[int, ...]
    ) -> Rendered:
        """See :class:`Effect`."""
        matte = refined_matte(picture, answer, subject, self.matting)
        fraction = float(matte.mean() / 255)
        if fraction < LEAST_SUBJECT:
            return Rendered(picture, UNCHANGED, fraction)
        radius = disc_radius(self.strength, *matte.shape)
        return Rendered(portrait(picture, matte, radius), self.name, fraction)

    def describe(self) -> dict[str, Any]:
        """See :class:`Effect`."""
        return {"effect": self.name, "strength": self.strength, "matting": str(self.matting)}


@dataclass(frozen=True, slots=True)
class Cutout:
    """The subject alone, transparent around it or before another background.

    Attributes:
        background: A colour, or a file's bytes of a picture; None for transparency.
        matting: By what the outline is refined.
    """

    name: ClassVar[str] = "cutout"
    background: Colour | bytes | None = None
    matting: Matting = Matting.GUIDED

    def __call__(
        self, picture: NDArray[np.uint8], answer: LogitsGrid, subject: tuple[int, ...]
    ) -> Rendered:
        """See :class:`Effect`."""
        matte = refined_matte(picture, answer, subject, self.matting)
        fraction = float(matte.mean() / 255)
        if self.background is None:
            return Rendered(cutout(picture, matte), self.name, fraction)
        if isinstance(self.background, bytes):
            # A canvas that covers the picture, whatever the background's aspect.
            longest = max(matte.shape)
            background = decode(self.background, Canvas(2 * longest, 2 * longest)).pixels
        else:
            background = np.full((1, 1, 3), self.background, np.uint8)
        return Rendered(before(picture, matte, background), self.name, fraction)

    def describe(self) -> dict[str, Any]:
        """See :class:`Effect`; a file is known by its SHA-256."""
        background: Any = self.background
        if isinstance(background, bytes):
            background = hashlib.sha256(background).hexdigest()
        elif background is not None:
            background = list(background)
        return {"effect": self.name, "background": background, "matting": str(self.matting)}


@dataclass(frozen=True, slots=True)
class Redact:
    """The subject in blocks of one colour each, or filled, wherever it may be.

    Attributes:
        fill: A colour; None for blocks.
    """

    name: ClassVar[str] = "redact"
    fill: Colour | None = None

    def __call__(
        self, picture: NDArray[np.uint8], answer: LogitsGrid, subject: tuple[int, ...]
    ) -> Rendered:
        """See :class:`Effect`."""
        cover = covered(soft_matte(answer, subject))
        if not cover.any():
            return Rendered(picture, UNCHANGED, 0.0)
        hidden = pixelate(picture, cover) if self.fill is None else fill(picture, cover, self.fill)
        return Rendered(hidden, self.name, float(cover.mean()))

    def describe(self) -> dict[str, Any]:
        """See :class:`Effect`."""
        return {"effect": self.name, "fill": self.fill and list(self.fill)}
