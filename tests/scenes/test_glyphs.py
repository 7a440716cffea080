"""The emoji of each class, and the split of those that training never sees."""

from __future__ import annotations

from collections import Counter

import pytest

from beam_deeplab.deeplab.labels import SCENES
from beam_deeplab.scenes.glyphs import Glyph, all_glyphs

GLYPHS = tuple(all_glyphs())
SKIN_TONES = dict.fromkeys(range(0x1F3FB, 0x1F400))


def test_every_class_but_background_has_many_emoji_and_none_appears_twice() -> None:
    counts = Counter(glyph.class_name for glyph in GLYPHS)
    assert tuple(counts) == SCENES.names[1:]
    assert min(counts.values()) >= 25
    assert len({glyph.text for glyph in GLYPHS}) == len(GLYPHS)


@pytest.mark.parametrize("class_name", SCENES.names[1:])
def test_about_a_seventh_of_every_class_is_kept_out_of_training(class_name: str) -> None:
    of_class = [glyph for glyph in GLYPHS if glyph.class_name == class_name]
    share = sum(glyph.held_out for glyph in of_class) / len(of_class)
    assert 0.1 <= share <= 0.2


def test_a_subject_is_on_one_side_of_the_split_in_all_its_drawings() -> None:
    def side_by(key: dict[Glyph, str]) -> dict[str, set[bool]]:
        sides: dict[str, set[bool]] = {}
        for glyph, subject in key.items():
            sides.setdefault(subject, set()).add(glyph.held_out)
        return sides

    by_group = side_by({glyph: glyph.group for glyph in GLYPHS})
    without_tone = side_by({glyph: glyph.text.translate(SKIN_TONES) for glyph in GLYPHS})
    assert all(len(sides) == 1 for sides in (*by_group.values(), *without_tone.values()))


def test_people_come_in_every_skin_tone_alike() -> None:
    tones = Counter(
        character for glyph in GLYPHS for character in glyph.text if ord(character) in SKIN_TONES
    )
    assert len(tones) == 5
    assert max(tones.values()) - min(tones.values()) <= 2
    assert sum(tones.values()) == sum(glyph.class_name == "person" for glyph in GLYPHS)


def test_names_and_code_points_tell_what_an_emoji_is() -> None:
    astronaut = Glyph("\U0001f468\U0001f3fd\u200d\U0001f680", "person", "", False)
    assert astronaut.codepoints == "1F468 1F3FD 200D 1F680"
    assert astronaut.name == "man, skin type-4, rocket"
