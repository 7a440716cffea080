"""What may be started, resumed or removed in an output, and what is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from beam_deeplab.pipeline.options import RunFailedError, UsageError
from beam_deeplab.pipeline.runs import (
    check_output,
    differing_options,
    read_manifest,
    read_run,
    remove_run,
    start_run,
)
from beam_deeplab.transforms.records import ImageRef
from beam_deeplab.transforms.runs.attempts import note_plan
from beam_deeplab.transforms.runs.manifest import RunRecord, fingerprint_of
from beam_deeplab.transforms.runs.sharding import Sharding
from beam_deeplab.transforms.runs.writing import write_shard
from tests.plans import commit_run, plan_shards
from tests.rows import FACTS, LABELS, shard_rows

OPTIONS = {"canvas": [513, 513], "model_digest": "a" * 64, "precision": "f32"}
RUN = RunRecord(
    run_id="r1",
    fingerprint=fingerprint_of(OPTIONS),
    options=OPTIONS,
    settings={"input": ["a/*"]},
    model={"labels": LABELS.to_dict()},
    versions={},
    started="2026-01-01T00:00:00.000+00:00",
)


def _commit(output: Path) -> None:
    run = start_run(str(output), RUN, resume=False, overwrite=False)
    refs = [ImageRef(name, "1") for name in ("a", "b", "c")]
    plan = plan_shards(refs, (), run.fingerprint, Sharding(2))
    parts = [
        part
        for shard in plan.shards
        for part in write_shard(str(output), shard.id, shard_rows(shard, ["b"]), FACTS)
    ]
    commit_run(str(output), run, plan.summary(), parts)


def _files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def _refusal(output: Path, *, resume: bool = False, overwrite: bool = False) -> str:
    with pytest.raises(UsageError) as error:
        check_output(str(output), resume=resume, overwrite=overwrite)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_an_empty_or_missing_output_is_taken(tmp_path: Path) -> None:
    check_output(str(tmp_path), resume=False, overwrite=False)
    check_output(str(tmp_path / "new" / "er"), resume=False, overwrite=False)
    assert _files(tmp_path) == []


def test_a_committed_output_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    _commit(tmp_path)
    refusal = _refusal(tmp_path)
    for words in ("committed run", "--resume", "--overwrite", "--output"):
        assert words in refusal
    check_output(str(tmp_path), resume=True, overwrite=False)
    check_output(str(tmp_path), resume=False, overwrite=True)


def test_a_manifest_alone_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    assert "committed run" in _refusal(tmp_path)


def test_a_started_output_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    start_run(str(tmp_path), RUN, resume=False, overwrite=False)
    refusal = _refusal(tmp_path)
    for words in ("not committed", "--resume", "--overwrite"):
        assert words in refusal


def test_two_runs_that_start_at_once_do_not_share_an_output(tmp_path: Path) -> None:
    check_output(str(tmp_path), resume=False, overwrite=False)
    start_run(str(tmp_path), RUN, resume=False, overwrite=False)
    with pytest.raises(UsageError, match="another run, which began just now"):
        start_run(str(tmp_path), replace(RUN, run_id="r2"), resume=False, overwrite=False)
    assert read_run(str(tmp_path)) == RUN


def test_a_folder_in_the_place_of_the_run_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    for resume in (True, False):
        with pytest.raises(UsageError, match=r"run\.json is no file"):
            start_run(str(tmp_path), RUN, resume=resume, overwrite=False)


def test_a_resume_goes_on_under_the_first_run_s_name(tmp_path: Path) -> None:
    _commit(tmp_path)
    for name in ("masks", "attempts"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / ".part-1.parquet.0123456789abcdef.tmp").write_bytes(b"half")
    (tmp_path / "masks" / ".mine").write_bytes(b"mine")
    later = replace(RUN, run_id="r2", started="2026-02-02T00:00:00.000+00:00")
    run = start_run(str(tmp_path), later, resume=True, overwrite=False)
    assert (run.run_id, run.started) == ("r1", later.started)
    assert (tmp_path / "manifest.json").exists(), "until all that stands there has been read"
    assert not list(tmp_path.rglob("*.tmp"))
    assert (tmp_path / "masks" / ".mine").exists()
    assert read_run(str(tmp_path)) == RUN


def test_what_a_killed_run_has_planned_is_not_the_plan_of_the_one_that_resumes_it(
    tmp_path: Path,
) -> None:
    start_run(str(tmp_path), RUN, resume=False, overwrite=False)
    note_plan(str(tmp_path), plan_shards([], (), "print", Sharding(2)).summary())
    start_run(str(tmp_path), RUN, resume=True, overwrite=False)
    assert _files(tmp_path) == ["run.json"]


def test_a_resume_of_nothing_begins(tmp_path: Path) -> None:
    assert start_run(str(tmp_path / "new"), RUN, resume=True, overwrite=False) == RUN
    assert read_run(str(tmp_path / "new")) == RUN


def test_a_resume_with_other_options_names_each(tmp_path: Path) -> None:
    _commit(tmp_path)
    before = _files(tmp_path)
    options = {**OPTIONS, "canvas": [257, 257], "engine": "openvino"}
    other = replace(RUN, options=options, fingerprint=fingerprint_of(options))
    with pytest.raises(UsageError) as error:
        start_run(str(tmp_path), other, resume=True, overwrite=False)
    assert "canvas was [513, 513], is [257, 257]" in str(error.value)
    assert "engine was None, is openvino" in str(error.value)
    assert "precision" not in str(error.value)
    assert _files(tmp_path) == before
    assert read_manifest(str(tmp_path)).run_id == "r1"


def test_settings_may_differ(tmp_path: Path) -> None:
    _commit(tmp_path)
    other = replace(RUN, settings={"input": ["b/*"], "shard_size": 3})
    assert start_run(str(tmp_path), other, resume=True, overwrite=False).settings == other.settings


def test_long_values_are_cut_short() -> None:
    (line,) = differing_options({"labels": ["x" * 500]}, {"labels": []})
    assert len(line) < 100


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}", b'{"format_version": 2}', b'{"run_id": 3}'],
)
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_damaged_run_record_is_refused_and_kept(
    tmp_path: Path, content: bytes, overwrite: bool
) -> None:
    _commit(tmp_path)
    (tmp_path / "run.json").write_bytes(content)
    before = _files(tmp_path)
    with pytest.raises(UsageError, match=r"run\.json is not a file of beam-deeplab") as error:
        start_run(str(tmp_path), RUN, resume=not overwrite, overwrite=overwrite)
    assert "\n" not in str(error.value)
    assert _files(tmp_path) == before


def test_a_run_record_of_a_later_layout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(replace(RUN, format_version=3).to_json())
    with pytest.raises(UsageError, match=r"run\.json has layout 3; this version reads 2"):
        start_run(str(tmp_path), RUN, resume=True, overwrite=False)


def test_overwriting_removes_our_files_and_no_others(tmp_path: Path) -> None:
    _commit(tmp_path)
    (tmp_path / "masks" / ".part-1.parquet.0123456789abcdef.tmp").write_bytes(b"half")
    (tmp_path / "attempts").mkdir(exist_ok=True)
    (tmp_path / "attempts" / f"{'0' * 16}.begun").write_bytes(b"[]")
    theirs = [
        "notes.txt",
        "masks/part-1.parquet",
        "masks/mine.parquet",
        "masks/.hidden",
        "attempts/first.begun",
        "models/part-0123456789abcdef.parquet",
        "failures/deeper/part-0123456789abcdef.parquet",
    ]
    for name in theirs:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"mine")
    remove_run(str(tmp_path))
    assert _files(tmp_path) == sorted(theirs)
    remove_run(str(tmp_path))


def test_a_manifest_that_is_not_ours_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "an app"}')
    with pytest.raises(UsageError, match="not ours"):
        start_run(str(tmp_path), RUN, resume=False, overwrite=True)
    assert _files(tmp_path) == ["manifest.json"]


def test_an_output_without_a_manifest_is_not_committed(tmp_path: Path) -> None:
    start_run(str(tmp_path), RUN, resume=False, overwrite=False)
    with pytest.raises(RunFailedError, match=r"not committed.*--resume continues"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize("name", ["masks", "images", "attempts"])
def test_what_a_link_in_the_output_leads_to_is_not_removed(tmp_path: Path, name: str) -> None:
    output, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    _commit(output)
    (output / name).rename(elsewhere) if (output / name).exists() else elsewhere.mkdir()
    (output / name).symlink_to(elsewhere)
    before = _files(tmp_path)
    with pytest.raises(UsageError, match=f"{name} is a link"):
        check_output(str(output), resume=False, overwrite=True)
    assert _files(tmp_path) == before
