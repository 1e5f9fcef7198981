"""Archives and headers made to break the reader: each is refused, none ends the stage."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import tarfile
from pathlib import Path

import pytest

from vixen_pipeline.errors import BadWeights
from vixen_pipeline.identity import weights_archive
from vixen_pipeline.identity.weights_archive import unpack_weights
from vixen_pipeline.identity.weights_file import read_header


def tar_of(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("readme.bin")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def header_of(text: str) -> bytes:
    return len(text).to_bytes(8, "little") + text.encode()


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_archive_that_is_damaged_is_refused(compress, tmp_path: Path):
    # Incompressible, so that its first member is read before the damage is met.
    packed = bytearray(compress(tar_of(random.Random(1).randbytes(2_000_000))))
    packed[-100:-8] = bytes(92)
    archive = tmp_path / "output"
    archive.write_bytes(packed)
    with pytest.raises(BadWeights):
        unpack_weights(archive, tmp_path)


def test_an_archive_that_unpacks_without_end_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(weights_archive, "MAX_UNPACKED_BYTES", 1_000_000)
    archive = tmp_path / "output"
    archive.write_bytes(gzip.compress(tar_of(bytes(2_000_000))))
    with pytest.raises(BadWeights, match="unpacks to more than"):
        unpack_weights(archive, tmp_path)


@pytest.mark.parametrize(
    "header",
    [
        '{"a":' + "[" * 200_000,
        json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).replace(
            "[1]", "[1e999]"
        ),
    ],
)
def test_a_header_made_to_break_the_reader_is_refused(header: str, tmp_path: Path):
    file = tmp_path / "lora.safetensors"
    file.write_bytes(header_of(header))
    with pytest.raises(BadWeights):
        read_header(file)
