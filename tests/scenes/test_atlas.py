"""The sprites in the package."""

from __future__ import annotations

from importlib import resources

import numpy as np

from beam_deeplab.deeplab.labels import SCENES
from beam_deeplab.scenes.atlas import sprites, sprites_by_class
from beam_deeplab.scenes.glyphs import all_glyphs


def test_the_atlas_holds_exactly_the_chosen_emoji() -> None:
    """It was rebuilt since the choice last changed."""
    stored = [(s.codepoints, s.name, SCENES.names[s.class_id], s.held_out) for s in sprites()]
    assert stored == [(g.codepoints, g.name, g.class_name, g.held_out) for g in all_glyphs()]


def test_sprites_are_cropped_opaque_enough_and_no_two_of_them_alike() -> None:
    seen = set()
    for sprite in sprites():
        height, width, channels = sprite.pixels.shape
        alpha = sprite.pixels[..., 3]
        assert channels == 4
        assert 64 <= max(height, width) <= 136, sprite.name
        assert all(edge.any() for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))
        assert np.mean(alpha >= 128) > 0.1, sprite.name
        seen.add(sprite.pixels.tobytes())
    assert len(seen) == len(sprites())


def test_both_sides_of_the_split_have_every_class_and_share_no_emoji() -> None:
    known, held_out = sprites_by_class(False), sprites_by_class(True)
    for side in (known, held_out):
        assert [{s.class_id for s in of_class} for of_class in side] == [{i} for i in range(1, 7)]
    names = [{s.codepoints for of_class in side for s in of_class} for side in (known, held_out)]
    assert not names[0] & names[1]
    assert len(names[0]) + len(names[1]) == len(sprites())


def test_licences_and_origins_are_in_the_package() -> None:
    folder = resources.files("scenes")
    licence = folder.joinpath("atlas/LICENSE").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert "fonts-noto-color-emoji" in folder.joinpath("atlas/README.md").read_text("utf-8")
    origins = folder.joinpath("backgrounds/README.md").read_text("utf-8")
    photographs = [
        file.name for file in folder.joinpath("backgrounds").iterdir() if file.name.endswith(".jpg")
    ]
    assert photographs
    assert all(f"`{name}`" in origins for name in photographs)
