"""The flags that say what ground truth is; every command that reads some takes them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beam_deeplab.transforms.decoding.options import DEFAULT_MAX_PIXELS

if TYPE_CHECKING:
    from beam_deeplab.deeplab.labels import LabelSet
    from beam_deeplab.deeplab.truth import TruthRule

AUTO = "auto"
TRUTH_FORMATS = (AUTO, "ids", "cityscapes", "ade20k", "colors")


@dataclass(frozen=True)
class TruthOptions:
    """How truth files are named and understood, as the flags' help says it."""

    truth_format: str = AUTO
    truth_suffix: str | None = None
    ignore_labels: tuple[int, ...] = ()

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> TruthOptions:
        """Takes parsed flags."""
        return cls(
            arguments.truth_format, arguments.truth_suffix, tuple(arguments.ignore_label or ())
        )

    def rule(self, labels: LabelSet, max_pixels: int = DEFAULT_MAX_PIXELS) -> TruthRule:
        """The rule of these options.

        Raises:
            deeplab.labels.LabelError: The options do not suit the classes.
        """
        from beam_deeplab.deeplab.truth import TruthFormat, TruthRule

        truth_format = None if self.truth_format == AUTO else TruthFormat(self.truth_format)
        return TruthRule(labels, truth_format, self.ignore_labels, max_pixels)


def add_truth_flags(parser: argparse._ActionsContainer) -> None:
    """Adds the flags of :class:`TruthOptions`."""
    parser.add_argument(
        "--truth_format",
        choices=TRUTH_FORMATS,
        default=AUTO,
        help="what the pixels of the truth stand for. ids: class ids, and 255 for ignored; "
        "cityscapes: the official ids of labelIds; ade20k: 1 to 150, and 0 for ignored; colors: "
        "the colours of the classes, greys too; auto (default): what the classes and the file "
        "names suggest. Files of colours, and palettes in another order, are understood by the "
        "colours of the classes in every format",
    )
    parser.add_argument(
        "--truth_suffix",
        metavar="ENDING",
        help="what the names of truths end with, such as _manual1, before .png (default: the "
        "image's own name, or with what Cityscapes, CamVid, ISIC, Carvana and annotation tools "
        "append: _gtFine_labelIds, _L, _mask, _seg, ...)",
    )
    parser.add_argument(
        "--ignore_label",
        action="extend",
        nargs="+",
        type=int,
        metavar="N",
        help="a value of the truth's pixels that counts nowhere, beside 255; repeatable",
    )
