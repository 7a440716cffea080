"""A storage that fails for everything stops the run with its reason, and a resume goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_deeplab.transforms.sources import reading
from tests.faults.conftest import Job, write_pictures
from tests.gcs_emulator import Gcs

pytest_plugins = ("tests.gcs_emulator",)


@pytest.fixture
def six_in_a_row(gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many faults are too many, and none takes long."""
    monkeypatch.setenv("BEAM_DEEPLAB_RETRY_SECONDS", "0.01")
    monkeypatch.setenv("BEAM_DEEPLAB_FAULTS_IN_A_ROW", "6")
    monkeypatch.setattr(reading, "_faults", reading.Streaks())


@pytest.mark.slow
@pytest.mark.usefixtures("six_in_a_row", "colour_engine")
def test_a_storage_that_is_down_stops_the_run_and_loses_nothing(
    gcs: Gcs, job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{number:04}.png" for number in range(40)]
    folder = write_pictures(tmp_path / "pictures", len(names))
    for name in names:
        gcs.put(f"in/{name}", (folder / name).read_bytes())
    for name in names[10:]:
        gcs.server.fail(f"in/{name}", *[503] * 100_000)
    job.inputs = [gcs.uri("in")]
    assert job.main("--workers=1") == 1
    error = capsys.readouterr().err
    assert "reads in a row from gs:// failed, the last with: 503" in error
    assert "--resume continues" in error
    assert not job.is_committed()
    assert len(job.names("failures")) < 12
    kept = job.names("masks")
    assert set(kept) <= set(names[:10])
    gcs.server.reset()
    assert job.main("--resume", "--workers=1") == 0
    job.assert_each_once(*names)
    assert job.manifest().counts["skipped"] >= len(kept)
