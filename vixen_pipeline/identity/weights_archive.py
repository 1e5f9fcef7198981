"""The tar that a trainer returns, opened without trusting it. Belongs here: picking its files out.

Does not: reading weights (weights_file.py), fetching. Only the files named here are ever written,
under names chosen here; member names decide nothing on our disk.
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from vixen_pipeline.errors import BadWeights

MAX_MEMBERS = 2_000
MAX_ARCHIVE_BYTES = 4 * 1024**3
MAX_FILE_BYTES = {
    "lora.safetensors": 2 * 1024**3,
    "embeddings.pti": 64 * 1024**2,
    "special_params.json": 64 * 1024,
}
"""What is taken out, and how large each may be (bytes)."""
MAX_UNPACKED_BYTES = 2 * MAX_ARCHIVE_BYTES
"""Of all members together: skipping one in a compressed archive means decompressing it."""
_CHUNK = 1024 * 1024
_BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The files taken out of the archive; what was not in it is None."""

    lora: Path
    embeddings: Path | None
    special_params: Path | None


def unpack_weights(archive: Path, folder: Path) -> Unpacked:
    """Take the known files of `archive` out into `folder` (which must exist).

    Raises BadWeights with the reason: a web page, not a tar, cut off, a member that points
    outside, a file too large, no LoRA in it.
    """
    _refuse_other_formats(archive)
    taken: dict[str, Path] = {}
    unpacked = 0
    try:
        with tarfile.open(archive, "r:*") as tar:
            for number, member in enumerate(tar):
                if number >= MAX_MEMBERS:
                    raise BadWeights(f"the archive has more than {MAX_MEMBERS} members")
                unpacked += member.size
                if unpacked > MAX_UNPACKED_BYTES:
                    raise BadWeights(f"the archive unpacks to more than {MAX_UNPACKED_BYTES} bytes")
                _take(tar, member, folder, taken)
    except _BROKEN as error:
        raise BadWeights(f"the archive is damaged or truncated ({error})") from error
    except OSError as error:
        if error.errno is not None:  # our own disk; gzip and bzip2 state none
            raise
        raise BadWeights(f"the archive is damaged or truncated ({error})") from error
    lora = taken.get("lora.safetensors")
    if lora is None:
        raise BadWeights("the archive holds no lora.safetensors")
    return Unpacked(lora, taken.get("embeddings.pti"), taken.get("special_params.json"))


def _refuse_other_formats(archive: Path) -> None:
    with archive.open("rb") as file:
        start = file.read(512)
    if not start:
        raise BadWeights("the archive is empty")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise BadWeights("the provider sent a web page (HTML) instead of a tar")
    if start.startswith(b"PK"):
        raise BadWeights("the provider sent a zip instead of a tar")


def _take(
    tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, taken: dict[str, Path]
) -> None:
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise BadWeights(f"the archive holds a member that points outside: {member.name[:80]!r}")
    if member.isdir():
        return
    if not member.isreg():
        raise BadWeights(f"the archive holds a link or device: {member.name[:80]!r}")
    limit = MAX_FILE_BYTES.get(path.name)
    if limit is None:
        return
    if path.name in taken:
        raise BadWeights(f"the archive holds {path.name} twice")
    if member.size > limit:
        raise BadWeights(f"{path.name} has {member.size} bytes, at most {limit}")
    source = tar.extractfile(member)
    if source is None:
        raise BadWeights(f"{path.name} cannot be read from the archive")
    target = folder / path.name
    written = _copy(source, target)
    if written != member.size:
        raise BadWeights(
            f"the archive is truncated: {written} of {member.size} bytes of {path.name}"
        )
    taken[path.name] = target


def _copy(source: IO[bytes], target: Path) -> int:
    written = 0
    with target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            file.write(chunk)
            written += len(chunk)
    return written
