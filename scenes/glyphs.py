"""Which emoji stand for which class, and which of them training never sees.

What two classes could claim is left out: cooked animals, grapes and mushrooms, riders and rowers, a
house with a garden, a picture of a whole city. So are smileys, drinks, and emoji that are newer
than Unicode 14.
"""

from __future__ import annotations

import hashlib
import itertools
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

HELD_OUT_SHARE = 0.15
"""Of the groups of every class, what is kept out of training."""

_SKIN_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_VARIATION_SELECTOR = "\ufe0f"
_JOINER = "\u200d"

# A group, joined by "+", is one subject in several drawings and stays on one side of the split.
# People that come in skin tones are drawn in one of the five each, in turn.
_TONED_PEOPLE = """
    👨‍⚕️+👩‍⚕️ 👨‍🎓+👩‍🎓 👨‍⚖️+👩‍⚖️ 👨‍🌾+👩‍🌾 👨‍🍳+👩‍🍳 👨‍🔧+👩‍🔧
    👨‍🏭+👩‍🏭 👨‍💼+👩‍💼 👨‍🔬+👩‍🔬 👨‍🎤+👩‍🎤 👨‍🎨+👩‍🎨 👨‍✈️+👩‍✈️
    👨‍🚀+👩‍🚀 👨‍🚒+👩‍🚒 👮‍♂️+👮‍♀️ 💂‍♂️+💂‍♀️ 👷‍♂️+👷‍♀️ 🥷 👸+🤴
    🤵‍♂️+🤵‍♀️ 🎅+🤶 🦸‍♂️+🦸‍♀️ 🦹‍♂️+🦹‍♀️ 🧙‍♂️+🧙‍♀️ 🙋‍♂️+🙋‍♀️
    🙅‍♂️+🙅‍♀️ 🙆‍♂️+🙆‍♀️ 💁‍♂️+💁‍♀️ 🤷‍♂️+🤷‍♀️ 🚶‍♂️+🚶‍♀️
    🏃‍♂️+🏃‍♀️ 🧍‍♂️+🧍‍♀️ 🧎‍♂️+🧎‍♀️ 💃 🕺 🧘‍♂️+🧘‍♀️ 🤸‍♂️+🤸‍♀️
    🤾‍♂️+🤾‍♀️ 🧕 👲 🧔 👴 👵 👦+👧 👨+👩
"""
_GROUPS = {
    "animal": """
        🐵 🐒 🦍 🐶 🐩 🦊 🦝 🐱 🐈 🦁 🐯 🐆 🐎 🦓 🦌 🐮 🐄 🐷 🐗 🐏 🐪+🐫 🦙 🦒 🐘 🦏 🐭 🐹 🐰
        🐻+🐻‍❄️ 🐨 🐼 🦘 🐔 🐧 🦉 🦆 🦩 🦚 🦜 🐸 🐊 🐢 🐍 🐳 🐬 🐟 🐠 🐙 🦋 🐝 🐞
    """,
    "food": """
        🍉 🍊 🍋 🍌 🍍 🍎+🍏 🍐 🍒 🍓 🥝 🍅 🥑 🍆 🥕 🌽 🥒 🍞 🥐 🥖 🥨 🥞 🧀 🍖 🍗 🥓 🍔 🍟 🍕 🌭
        🥪 🌮 🥚 🍳 🍿 🍣 🍱 🍙 🍝 🍦 🍩 🍪 🎂 🍰 🧁 🍫
    """,
    "vehicle": """
        🚂 🚃+🚋 🚄 🚅 🚆 🚇 🚈 🚊 🚝 🚞 🚌 🚍 🚎 🚐 🚑 🚒 🚓 🚔 🚕 🚖 🚗 🚘 🚙 🛻 🚚 🚛 🚜
        🏎️ 🏍️ 🛵 🛺 🚲 🛴 ⛵ 🛶 🚤 🛳️ ⛴️ 🛥️ 🚢 ✈️ 🛩️ 🛫+🛬 🚁 🚟 🚠 🚡 🚀 🛸
    """,
    "plant": "🌱 🪴 🌲 🌳 🌴 🌵 🌾 🌿 ☘️+🍀 🍁 🍂 🍃 💐 🌸 🪷 🌹 🥀 🌺 🌻 🌼 🌷 🎄 🎋 🎍",
    "building": """
        🏠 🏘️ 🏚️ 🏢 🏣 🏤 🏥 🏦 🏨 🏩 🏪 🏫 🏬 🏭 🏯 🏰 💒 🗼 ⛪ 🕌 🛕 🕍 🕋 ⛩️ 🏛️ 🏗️
        🛖 ⛺ 🎪 🏟️
    """,
}


@dataclass(frozen=True, slots=True)
class Glyph:
    """An emoji with a class.

    Attributes:
        text: Its code points, variation selectors included.
        class_name: One of the names of :data:`deeplab.labels.SCENES` but background.
        group: The emoji that stands for all drawings of the subject.
        held_out: Whether it is kept out of training, as its whole group then is.
    """

    text: str
    class_name: str
    group: str
    held_out: bool

    @property
    def codepoints(self) -> str:
        """The code points as the Unicode standard lists sequences: ``1F468 200D 1F680``."""
        return " ".join(f"{ord(character):04X}" for character in self.text)

    @property
    def name(self) -> str:
        """The characters' Unicode names: ``man, medium skin tone, rocket``."""
        names = (
            unicodedata.name(character).lower().replace("emoji modifier fitzpatrick ", "skin ")
            for character in self.text
            if character not in (_VARIATION_SELECTOR, _JOINER)
        )
        return ", ".join(names)


def all_glyphs() -> Iterator[Glyph]:
    """The emoji of every class, class after class, those of a group one after another."""
    people = _TONED_PEOPLE.split()
    yield from _of_class("person", people, toned=True)
    for class_name, groups in _GROUPS.items():
        yield from _of_class(class_name, groups.split(), toned=False)


def _of_class(class_name: str, groups: list[str], *, toned: bool) -> Iterator[Glyph]:
    held_out = _held_out(groups)
    drawings = [(text, group) for group in groups for text in group.split("+")]
    for (text, group), tone in zip(drawings, itertools.cycle(_SKIN_TONES), strict=False):
        glyph = _in_skin_tone(text, tone) if toned else text
        yield Glyph(glyph, class_name, group.split("+")[0], group in held_out)


def _held_out(groups: list[str]) -> frozenset[str]:
    """The share of the groups whose digests are lowest: a choice that nobody made by hand."""
    by_digest = sorted(groups, key=lambda group: hashlib.sha256(group.encode()).digest())
    return frozenset(by_digest[: round(len(groups) * HELD_OUT_SHARE)])


def _in_skin_tone(text: str, tone: str) -> str:
    # The tone follows the first character, in the place of a variation selector.
    return text[0] + tone + text[1:].removeprefix(_VARIATION_SELECTOR)
