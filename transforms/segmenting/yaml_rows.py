"""Segmentation for Beam YAML: rows in, rows out, failures by YAML's own error handling.

A pipeline in YAML names it as any Python transform, and needs Beam's extra ``yaml``::

    providers:
      - type: python
        config: {}
        transforms:
          SegmentImages: beam_deeplab.transforms.segmenting.yaml_rows.SegmentRows
"""

# No postponed annotations here: Beam makes schemas of these types when it runs.
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import apache_beam as beam
from apache_beam.typehints.row_type import RowTypeConstraint

from beam_deeplab.transforms.records import Failure, ImageRef, Segmentation
from beam_deeplab.transforms.segmenting.composites import SegmentImages

_GOOD: Final = "good"
"""What Beam YAML calls the rows that came through."""


class AreaRow(NamedTuple):
    """How much of a picture belongs to one class; see :class:`transforms.records.ClassArea`."""

    class_id: int
    class_name: str
    pixels: int
    fraction: float
    mean_confidence: float


class MaskRow(NamedTuple):
    """A segmented image: its mask as an indexed PNG of the original size, and its areas."""

    image_uri: str
    image_version: str
    width: int
    height: int
    mask: bytes
    areas: Sequence[AreaRow]


class ImageFailedError(RuntimeError):
    """An image came to nothing, and the pipeline does not say what is to become of it."""


_ELEMENT = RowTypeConstraint.from_fields([("image_uri", str)])
_ERROR = RowTypeConstraint.from_fields(
    [("element", _ELEMENT), ("msg", str), ("stack", str), ("stage", str), ("code", str)]
)
"""Beam YAML's row of an error, and where and why the image failed."""


class SegmentRows(beam.PTransform):
    """Rows that name images -> rows of masks and areas (:class:`MaskRow`).

    With ``error_handling: {output: NAME}`` a failed image is a row of that output (``element``,
    ``msg``, ``stack``, ``stage``, ``code``); without it, it fails the pipeline.

    Args:
        model: A zoo name, a path or a ``gs://`` path.
        image_uri: The column that names the image.
        canvas: ``auto`` or ``official``; see :class:`transforms.SegmentImages`.
        engine: ``auto``, ``tensorflow`` or ``openvino``.
        precision: ``f32``, ``bf16`` or ``f16``.
        output_stride: Of the backbone, 8 or 16; None for the model's own.
        error_handling: Where failures go.
    """

    def __init__(
        self,
        model: str,
        *,
        image_uri: str = "image_uri",
        canvas: str = "auto",
        engine: str = "auto",
        precision: str = "f32",
        output_stride: int | None = None,
        error_handling: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        if canvas not in ("auto", "official"):
            raise ValueError(f"canvas: {canvas!r} is neither auto nor official")
        if error_handling is not None and not error_handling.get("output"):
            raise ValueError("error_handling: name its output, as in {output: failed}")
        self._column = image_uri
        self._errors = None if error_handling is None else error_handling["output"]
        self._segment = SegmentImages(
            model, canvas, output_stride=output_stride, engine=engine, precision=precision
        )

    def expand(self, rows: beam.PCollection) -> dict[str, beam.PCollection]:
        """Gives ``good``, and the errors under their name if they have one."""
        column = self._column
        results = (
            rows
            | "Name" >> beam.Map(lambda row: ImageRef(str(getattr(row, column))))
            | beam.Reshuffle()
            | self._segment
        )
        good = results.segmentations | "Rows" >> beam.Map(mask_row).with_output_types(MaskRow)
        if self._errors is None:
            refused = results.failures | beam.FlatMap(_refuse).with_output_types(MaskRow)
            return {_GOOD: (good, refused) | beam.Flatten()}
        errors = results.failures | "Errors" >> beam.Map(error_row).with_output_types(_ERROR)
        return {_GOOD: good, self._errors: errors}


def mask_row(segmentation: Segmentation) -> MaskRow:
    """A mask as YAML's rows have it."""
    ref = segmentation.ref
    areas = [
        AreaRow(area.class_id, area.class_name, area.pixels, area.fraction, area.mean_confidence)
        for area in segmentation.areas
    ]
    size = segmentation.original
    return MaskRow(ref.uri, ref.version, size.width, size.height, segmentation.mask_png, areas)


def error_row(failure: Failure) -> Any:
    """A failure as YAML's rows have it."""
    return beam.Row(
        element=beam.Row(image_uri=failure.ref.uri),
        msg=failure.message,
        stack="",
        stage=str(failure.stage),
        code=str(failure.code),
    )


def _refuse(failure: Failure) -> Iterable[MaskRow]:
    raise ImageFailedError(f"{failure.ref.uri}: {failure.code}: {failure.message}")
