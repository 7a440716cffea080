"""The flags that decide which mask a picture gets; every command that infers takes them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

from beam_deeplab.deeplab.engines.choice import ENGINES, PRECISIONS
from beam_deeplab.deeplab.engines.scales import PLAIN, ScaleError, checked_scales
from beam_deeplab.deeplab.zoo import BUNDLED_MODELS, OFFICIAL_MODELS
from beam_deeplab.pipeline.options.errors import UsageError, refusing
from beam_deeplab.pipeline.options.values import FlagOptions, positive, probability
from beam_deeplab.transforms.decoding.options import DEFAULT_MAX_PIXELS, DecodeOptions


@dataclass(frozen=True)
class NetworkOptions(FlagOptions):
    """What shall compute the masks, and from which pictures.

    Attributes:
        canvas: (height, width) of the network's input; None for the model's own.
        bucketed: Whether narrower canvases spare pictures their padding (``--canvas auto``).
        decoding: How files are decoded.
        eval_scales: Factors on the canvas's sides, ascending: the network is asked at each.
    """

    model: str
    labels: str | None = None
    canvas: tuple[int, int] | None = None
    bucketed: bool = True
    engine: str = "auto"
    precision: str = "f32"
    output_stride: int | None = None
    decoding: DecodeOptions = field(default_factory=DecodeOptions)
    eval_scales: tuple[float, ...] = PLAIN
    flip: bool = False
    ignore_below: float = 0.0

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> NetworkOptions:
        """Takes parsed flags.

        Raises:
            UsageError: There is no ``--model``, ``--canvas`` is neither ``official`` nor
                ``auto`` nor two sizes, or ``--eval_scales`` are none.
        """
        if arguments.model is None:
            raise UsageError(
                "--model is missing: give a checkpoint's path, or the name of a model: "
                f"{', '.join([*OFFICIAL_MODELS, *BUNDLED_MODELS])}"
            )
        with refusing("--eval_scales", ScaleError):
            eval_scales = checked_scales(arguments.eval_scales)
        return cls.take(
            arguments,
            canvas=_canvas(arguments.canvas),
            bucketed=arguments.canvas == ["auto"],
            decoding=DecodeOptions(
                arguments.max_pixels, arguments.truncated, arguments.sample_bits
            ),
            eval_scales=eval_scales,
            ignore_below=getattr(arguments, "ignore_below", 0.0),  # a flag where masks are made
        )


def add_network_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of :class:`NetworkOptions`, as a group."""
    network = parser.add_argument_group("the network")
    network.add_argument(
        "--model",
        metavar="MODEL",
        help="a name of `beam-deeplab models`, or a local or gs:// path of a checkpoint, "
        "frozen graph or archive",
    )
    add_labels_flag(network)
    network.add_argument(
        "--canvas",
        nargs="+",
        default=["auto"],
        metavar=("auto|official|H", "W"),
        help="the network's input size; pictures that are larger are reduced to fit. official: "
        "the model's own, as its makers evaluate it; auto (default): the same, but padded less "
        "where the picture is not square, which is faster and changes labels a little",
    )
    network.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what computes the network (default auto: TensorFlow on a GPU, else OpenVINO)",
    )
    network.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="f32",
        help="of the arithmetic; bf16 is faster where the CPU or GPU has it, and changes some "
        "labels at boundaries; int8 is faster still on CPUs, and calibrated on a sample of the "
        "inputs if the model is not one of `quantize` (default %(default)s)",
    )
    network.add_argument(
        "--output_stride",
        type=int,
        choices=(8, 16),
        help="8 is finer and about three times slower (default: the model's own where its file "
        "says it, else 16)",
    )
    network.add_argument(
        "--eval_scales",
        nargs="+",
        type=float,
        default=PLAIN,
        metavar="S",
        help="ask the network at several scales of each picture, and take the mean of its "
        "probabilities, as the official evaluation does with 0.5 0.75 1 1.25 1.5 1.75; the cost "
        "grows with the sum of their squares (default 1)",
    )
    network.add_argument(
        "--flip",
        action="store_true",
        help="ask about each picture's mirror image too; twice the cost",
    )
    network.add_argument(
        "--max_pixels",
        type=positive,
        default=DEFAULT_MAX_PIXELS,
        metavar="N",
        help="refuse pictures that claim more pixels, before decoding (default %(default)s)",
    )
    network.add_argument(
        "--truncated",
        choices=("refuse", "keep"),
        default="refuse",
        help="pictures whose file is cut short: refuse them as CORRUPT (default), or keep what is "
        "there; the rest is grey or black then, and the output marks them",
    )
    network.add_argument(
        "--sample_bits",
        type=int,
        choices=range(9, 17),
        default=16,
        metavar="N",
        help="significant bits of samples that files store in 16, such as 10, 12 or 14 of cameras "
        "and microscopes (default %(default)s: the full range)",
    )


def add_masks_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of :class:`NetworkOptions` that are of masks only, as a group."""
    parser.add_argument_group("the masks").add_argument(
        "--ignore_below",
        type=probability,
        default=0.0,
        metavar="P",
        help="pixels whose label has a smaller probability, 0 to 1, become 255 and belong to no "
        "class: for masks that a network is to be trained on (default: every pixel has a class)",
    )


def add_labels_flag(parser: argparse._ActionsContainer) -> None:
    """Adds ``--labels``."""
    parser.add_argument(
        "--labels",
        metavar="FILE",
        help="a local or gs:// file with the names, and if you like colours and genres, of the "
        'model\'s classes: JSON as ["road", {"name": "cow", "color": [70, 130, 180], "genre": '
        '"animal"}], one name a line, or '
        "what CVAT, COCO, mmsegmentation, Hugging Face and others write (default: the dataset's)",
    )


def _canvas(words: list[str]) -> tuple[int, int] | None:
    if words in (["official"], ["auto"]):
        return None
    if len(words) == 2 and all(word.isdigit() for word in words):
        return int(words[0]), int(words[1])
    raise UsageError(
        f"--canvas {' '.join(words)}: give 'official', 'auto', or height and width: 513 513"
    )
