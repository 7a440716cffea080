"""What writers that died have left half written is removed, and nothing else."""

from __future__ import annotations

from pathlib import Path

from beam_deeplab.transforms.runs.run_files import remove_temporary_files

TEMPORARY = f".part-1.parquet.{'0' * 16}.tmp"


def test_only_temporary_files_of_ours_go(tmp_path: Path) -> None:
    for folder in (".", "masks", "failures", "images", "class_areas", "attempts", "mine"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / TEMPORARY).write_bytes(b"half")
        (tmp_path / folder / ".mine").write_bytes(b"mine")
    remove_temporary_files(str(tmp_path))
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == [
        ".mine",
        "attempts/.mine",
        "class_areas/.mine",
        "failures/.mine",
        "images/.mine",
        "masks/.mine",
        "mine/.mine",
        f"mine/{TEMPORARY}",
    ]
