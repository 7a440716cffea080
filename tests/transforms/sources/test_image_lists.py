"""Lists of images: each format's URIs, and one clear line for what is no list."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_deeplab.transforms.records import Failure, FailureCode
from beam_deeplab.transforms.sources.image_lists import ImageListError, is_image_list, read_uris
from beam_deeplab.transforms.sources.reading import read_image
from beam_deeplab.transforms.sources.versions import with_versions
from tests.gcs_emulator import Gcs

pytest_plugins = ("tests.gcs_emulator",)


def test_text_is_one_uri_a_line(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(
        b"\xef\xbb\xbfgs://b/a b.jpg\r\n\r\n# a.jpg\n c.jpg \n \nphotos/../d.jpg\n"
        b"s3://b/e#1.jpg\nfile:///f%20g.jpg\n/h//./i.jpg\nGS://b//j.jpg\nlast.jpg"
    )
    assert list(read_uris(str(file))) == [
        "gs://b/a b.jpg",
        f"{tmp_path}/# a.jpg",
        f"{tmp_path}/ c.jpg ",
        f"{tmp_path}/d.jpg",
        "s3://b/e#1.jpg",
        "/f g.jpg",
        "/h/i.jpg",
        "gs://b//j.jpg",
        f"{tmp_path}/last.jpg",
    ]


def test_a_relative_line_counts_from_the_folder_of_the_list(gcs: Gcs) -> None:
    gcs.put("lists/list.txt", b"a.jpg\n./b.jpg\n../photos/c.jpg\nd//e.jpg\n/local.jpg\n")
    assert list(read_uris(gcs.uri("lists/list.txt"))) == [
        gcs.uri("lists/a.jpg"),
        gcs.uri("lists/b.jpg"),
        gcs.uri("photos/c.jpg"),
        gcs.uri("lists/d//e.jpg"),
        "/local.jpg",
    ]


def test_csv_has_a_column(tmp_path: Path) -> None:
    file = tmp_path / "list.CSV"
    file.write_text('label,image_uri\ncat,"/a,b.jpg"\n\ndog, c.jpg\n', encoding="utf-8")
    assert list(read_uris(str(file))) == ["/a,b.jpg", f"{tmp_path}/ c.jpg"]


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.binary(),
     pa.dictionary(pa.int32(), pa.string())],
)  # fmt: skip
def test_parquet_has_a_column(tmp_path: Path, kind: pa.DataType) -> None:
    file = tmp_path / "list.parquet"
    uris = pa.array(["/a.jpg", "b.jpg"]).cast(kind)
    pq.write_table(pa.table({"image_version": ["1", "2"], "image_uri": uris}), file)
    assert list(read_uris(str(file))) == ["/a.jpg", f"{tmp_path}/b.jpg"]


def test_a_line_that_can_name_no_image_flows_like_the_others(tmp_path: Path) -> None:
    odd = [
        "https://example.invalid/b.jpg", "ftp://host/a.jpg", "s3://bucket/a.jpg", "gs:///a.jpg",
        "gs://", "gs://bucket", "data:image/png;base64,AAAA", "null", "\x1b[31m", "a\x00b.jpg",
        f"{tmp_path}", "x" * 200_000, "C:\\photos\\a.jpg",
    ]  # fmt: skip
    text, table, parquet = (tmp_path / f"list.{kind}" for kind in ("txt", "csv", "parquet"))
    text.write_text("\n".join(["a.jpg", *odd, "b.jpg"]))
    table.write_text("image_uri\na.jpg\n" + "".join(f'"{each}"\n' for each in odd) + "b.jpg\n")
    pq.write_table(pa.table({"image_uri": ["a.jpg", *odd, "b.jpg"]}), parquet)
    for file in (text, table, parquet):
        first, *lines, last = read_uris(str(file))
        assert (first, last) == (f"{tmp_path}/a.jpg", f"{tmp_path}/b.jpg")
        assert [line.removeprefix(f"{tmp_path}/") for line in lines] == odd
        refs = list(with_versions(lines))
        assert all(not ref.version for ref in refs)
        codes = [outcome.code for ref in refs if isinstance(outcome := read_image(ref), Failure)]
        assert len(codes) == len(odd)
        assert set(codes) == {FailureCode.READ_ERROR, FailureCode.NOT_FOUND}


def test_a_blank_cell_is_named_by_its_place(tmp_path: Path) -> None:
    table, parquet = tmp_path / "list.csv", tmp_path / "list.parquet"
    table.write_text('label,image_uri\ncat,a.jpg\ndog\ncow," "\n"hen"x,c.jpg\npig,d.jpg\n')
    pq.write_table(pa.table({"image_uri": ["a.jpg", None, " ", "", "d.jpg"]}), parquet)
    for file in (table, parquet):
        assert list(read_uris(str(file))) == [
            f"{tmp_path}/a.jpg",
            *(f"{file}#row={number}" for number in (2, 3, 4)),
            f"{tmp_path}/d.jpg",
        ]
    pq.write_table(pa.table({"image_uri": pa.nulls(2)}), parquet)
    assert list(read_uris(str(parquet))) == [f"{parquet}#row=1", f"{parquet}#row=2"]


def test_names_that_are_not_utf8_are_read_as_they_are(gcs: Gcs, tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")
    Path(path).write_bytes(b"x")
    text, table, parquet = (tmp_path / f"list.{kind}" for kind in ("txt", "csv", "parquet"))
    text.write_bytes(b"caf\xe9.jpg\ngs://b/caf\xe9.jpg\n\xed\xa0\x80.jpg\n")
    table.write_bytes(b"image_uri\n" + text.read_bytes())
    names = pa.array(text.read_bytes().splitlines(), pa.binary()).view(pa.string())
    pq.write_table(pa.table({"image_uri": names}), parquet)
    for file in (text, table, parquet):
        assert list(read_uris(str(file))) == [
            f"file://{tmp_path}/caf%E9.jpg",
            "gs://b/caf\\xe9.jpg",
            f"file://{tmp_path}/%ED%A0%80.jpg",
        ]
        (found, *_) = with_versions(read_uris(str(file)))
        assert found.version


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", b"uri,label\n/a.jpg,cat\n", "needs a column 'image_uri'.*'uri', 'label'"),
        ("a.csv", b"", "needs a column 'image_uri'; its columns are none"),
        ("a.csv", b'image_uri\na.jpg\n"b.jpg\nc.jpg\n', "line 3: a quote opens that nothing"),
        ("a.txt", "a.jpg\n".encode("utf-16"), "is UTF-16"),
        ("a.csv", "image_uri\na.jpg\n".encode("utf-16"), "is UTF-16"),
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
    pq.write_table(pa.table({"image_uri": [1, 2]}), file)
    with pytest.raises(ImageListError, match="'image_uri' holds int64, not text"):
        list(read_uris(str(file)))


def test_a_missing_list_is_told(tmp_path: Path) -> None:
    for name in ("a.txt", "a.csv", "a.parquet"):
        with pytest.raises(FileNotFoundError):
            list(read_uris(str(tmp_path / name)))


def test_lists_are_known_by_their_suffix() -> None:
    assert is_image_list("gs://b/out/failures/*.PARQUET")
    assert not is_image_list("photos/*.jpg")
