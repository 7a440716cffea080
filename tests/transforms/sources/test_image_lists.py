"""Lists of images: each format's URIs, and one clear line for what is no list."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_deeplab.transforms.sources.image_lists import ImageListError, is_image_list, read_uris


def test_text_is_one_uri_a_line(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(
        b"\xef\xbb\xbfgs://b/a b.jpg\r\n\r\n# a comment\n  /abs/c.jpg  \nphotos/../d.jpg\n"
        b"s3://b/e#1.jpg\nfile:///f%20g.jpg\nlast.jpg"
    )
    assert list(read_uris(str(file))) == [
        "gs://b/a b.jpg",
        "/abs/c.jpg",
        f"{tmp_path}/d.jpg",
        "s3://b/e#1.jpg",
        "file:///f%20g.jpg",
        f"{tmp_path}/last.jpg",
    ]


def test_csv_has_a_column(tmp_path: Path) -> None:
    file = tmp_path / "list.CSV"
    file.write_text('label,image_uri\ncat,"/a,b.jpg"\n\ndog,c.jpg\n', encoding="utf-8")
    assert list(read_uris(str(file))) == ["/a,b.jpg", f"{tmp_path}/c.jpg"]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_parquet_has_a_column(tmp_path: Path, kind: pa.DataType) -> None:
    file = tmp_path / "list.parquet"
    uris = pa.array(["/a.jpg", "b.jpg"]).cast(kind)
    pq.write_table(pa.table({"image_version": ["1", "2"], "image_uri": uris}), file)
    assert list(read_uris(str(file))) == ["/a.jpg", f"{tmp_path}/b.jpg"]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", b"uri,label\n/a.jpg,cat\n", "needs a column 'image_uri'.*'uri', 'label'"),
        ("a.csv", b"", "needs a column 'image_uri'; its columns are none"),
        ("a.csv", b"label,image_uri\ncat\n", "line 2 has no image_uri"),
        ("a.csv", b"image_uri\n/a\xff.jpg\n", "is not UTF-8"),
        ("a.txt", b"/caf\xe9.jpg\n", "is not UTF-8"),
        ("a.parquet", b"not parquet at all", "cannot be read as Parquet"),
        ("a.parquet", b"", "cannot be read as Parquet"),
    ],
)
def test_what_is_no_list_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageListError, match=complaint) as caught:
        list(read_uris(str(tmp_path / name)))
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_parquet_without_uris_is_told(tmp_path: Path) -> None:
    file = tmp_path / "list.parquet"
    pq.write_table(pa.table({"uri": ["/a.jpg"]}), file)
    with pytest.raises(ImageListError, match="needs a column 'image_uri'; its columns are 'uri'"):
        list(read_uris(str(file)))
    for bad in (pa.array(["/a.jpg", None]), pa.array(["/a.jpg", ""]), pa.array([1, 2])):
        pq.write_table(pa.table({"image_uri": bad}), file)
        with pytest.raises(ImageListError, match=r"row [12] has no image_uri"):
            list(read_uris(str(file)))


def test_a_missing_list_is_told(tmp_path: Path) -> None:
    for name in ("a.txt", "a.csv", "a.parquet"):
        with pytest.raises(FileNotFoundError):
            list(read_uris(str(tmp_path / name)))


def test_lists_are_known_by_their_suffix() -> None:
    assert is_image_list("gs://b/out/failures/*.PARQUET")
    assert not is_image_list("photos/*.jpg")
