"""``beam-deeplab export``: the results of a committed run as the files of other tools."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from apache_beam.options.pipeline_options import GoogleCloudOptions

from beam_deeplab.deeplab.labels import LabelSet
from beam_deeplab.pipeline.beam_flags import pipeline_options
from beam_deeplab.pipeline.exports import begin_export, check_export_output, read_export
from beam_deeplab.pipeline.launch import run_to_end, set_verbosity
from beam_deeplab.pipeline.options import refusing
from beam_deeplab.pipeline.options.export import ExportOptions
from beam_deeplab.pipeline.progress.display import watch
from beam_deeplab.pipeline.progress.exports import ExportWatcher
from beam_deeplab.pipeline.recipes import describe_versions
from beam_deeplab.pipeline.runner_checks import check_runner, open_pipeline
from beam_deeplab.pipeline.runs import read_committed, read_run
from beam_deeplab.pipeline.terminal import safe_line, say
from beam_deeplab.pipeline.workers import check_reachable
from beam_deeplab.pipeline.writers import check_free, writing
from beam_deeplab.transforms.exporting.composites import ExportRun
from beam_deeplab.transforms.exporting.formats import make_format, results_of
from beam_deeplab.transforms.exporting.interface import Format
from beam_deeplab.transforms.exporting.records import FORMAT_VERSION
from beam_deeplab.transforms.runs.manifest import Manifest
from beam_deeplab.transforms.runs.part_list import read_part_list


def export(options: ExportOptions, beam_arguments: Sequence[str] = ()) -> int:
    """Runs the job and waits for it; gives the exit code 0.

    Raises:
        UsageError: Something asked for cannot be had; nothing was touched then.
        RunFailedError: The job ended before the export was whole.
    """
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    segmented, output, job = options.segmented, options.output, options.job
    beam_options = pipeline_options(beam_arguments, job.workers)
    check_runner(beam_options)
    check_reachable(beam_options, [segmented, output], shared=job.shared_paths)
    manifest = read_committed(segmented, "RUN", results_of(options.format))
    form = make_format(options.format, LabelSet.from_dict(manifest.model["labels"]), options.flags)
    begun = _describe_export(options, form, manifest, started)
    dead = check_free(output, beam_options)
    check_export_output(output, begun, resume=options.resume, overwrite=options.overwrite)
    set_verbosity(verbose=job.verbose)
    with refusing("RUN", OSError, ValueError):
        parts = read_part_list(segmented, manifest.parts)
        root = read_run(segmented).images_root
    pipeline = open_pipeline(beam_options)
    template = beam_options.view_as(GoogleCloudOptions).template_location
    images = {f"part-{part.shard}": part.rows for part in parts if part.dataset == manifest.dataset}
    with writing(output, beam_options, started, dead) as claim:
        begin_export(output, begun, overwrite=options.overwrite)
        pipeline | ExportRun(segmented, output, form, begun, root)
        looker = partial(ExportWatcher, images=images)
        with watch(output, quiet=job.quiet or bool(template), looker=looker):
            run_to_end(pipeline, claim, quiet=job.quiet, verbose=job.verbose)
    if not job.quiet:
        _tell(begun if template else read_export(output), options, template)
    return 0


def _describe_export(
    options: ExportOptions, form: Format, manifest: Manifest, started: str
) -> dict[str, Any]:
    """What ``begun.json`` says, and ``export.json`` with the counts of what was written."""
    return {
        "format_version": FORMAT_VERSION,
        "format": options.format,
        "options": dict(options.flags),
        "run": {
            "run_id": manifest.run_id,
            "committed": manifest.committed,
            "images": manifest.counts[f"total_{manifest.dataset}"],
            "failures": manifest.counts["total_failures"],
        },
        "labels": form.labels.to_dict(),
        "owns": list(form.owns),
        "versions": describe_versions(),
        "started": started,
    }


def _tell(export: dict[str, Any], options: ExportOptions, template: str | None) -> None:
    if template:
        print(safe_line(f"Wrote the job's template to {template}; it exports to {options.output}"))
        return
    print(
        safe_line(
            f"Exported: {export['images']:,} images, {export['files']:,} files as "
            f"{options.format}: {options.output}"
        )
    )
    if unreadable := export["unreadable"]:
        say(
            f"{unreadable:,} of them could not be read again, or are not what was segmented, and "
            "are not in the files: unreadable.csv says why"
        )
    failures = export["run"]["failures"]
    if failures:
        images = "image" if failures == 1 else "images"
        say(f"{failures:,} {images} of the run failed there, and are not in the export")
