"""The training archive: one layout, the same bytes for the same content, one image at a time."""

from __future__ import annotations

import csv
import io
import json
import zipfile

from vixen_pipeline.identity.archive import ArchiveImage, write_archive


def images(count):
    return [
        ArchiveImage(n, lambda n=n: b"\xff\xd8\xff" + bytes([n]) * 100, f"vxn_a, shot {n}, 'q', x")
        for n in range(1, count + 1)
    ]


def test_an_archive_holds_images_captions_and_manifest(tmp_path):
    written = write_archive(tmp_path / "a.zip", images(3), {"trigger_word": "vxn_a"})
    with zipfile.ZipFile(written.path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "001.jpg", "001.txt", "002.jpg", "002.txt", "003.jpg", "003.txt",
            "caption.csv", "manifest.json",
        ]  # fmt: skip
        assert archive.read("002.txt") == b"vxn_a, shot 2, 'q', x"
        assert json.loads(archive.read("manifest.json")) == {"trigger_word": "vxn_a"}
        rows = list(csv.DictReader(io.StringIO(archive.read("caption.csv").decode())))
        assert [row["image_file"] for row in rows] == ["001.jpg", "002.jpg", "003.jpg"]
        assert rows[0]["caption"] == "vxn_a, shot 1, 'q', x"
    assert written.bytes == written.path.stat().st_size


def test_the_same_content_gives_the_same_bytes(tmp_path):
    one = write_archive(tmp_path / "a.zip", images(4), {"b": 1, "a": 2})
    two = write_archive(tmp_path / "b.zip", images(4), {"a": 2, "b": 1})
    other = write_archive(tmp_path / "c.zip", images(3), {"a": 2, "b": 1})
    assert one.sha256 == two.sha256 != other.sha256
    assert one.path.read_bytes() == two.path.read_bytes()


def test_images_are_read_one_at_a_time_and_in_order(tmp_path):
    order = []

    def lazily():
        for image in images(3):
            order.append(("asked", image.number))
            yield ArchiveImage(
                image.number, lambda n=image.number: (order.append(("read", n)), b"x")[1], "c"
            )

    write_archive(tmp_path / "a.zip", lazily(), {})
    assert order == [
        ("asked", 1),
        ("read", 1),
        ("asked", 2),
        ("read", 2),
        ("asked", 3),
        ("read", 3),
    ]
