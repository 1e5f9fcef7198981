"""The tar that a trainer returns, opened without trusting it. Belongs here: picking its files out.

Does not: reading weights (weights_file.py), fetching. Only the files named here are ever written,
under names chosen here; member names decide nothing on our disk.

Checkpoints that a trainer offers beside the final weights are `checkpoint-500.lora.safetensors`
(the public SDXL trainer, in `unet/`), `checkpoint-000500/lora.safetensors` or
`lora-000500.safetensors`; whatever else belongs to a checkpoint is left in the archive.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import zlib
from dataclasses import dataclass, field
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
MOST_CHECKPOINTS = 4
"""How many checkpoints are taken out: the latest, because early ones have not learnt the person."""
_CHECKPOINT = re.compile(r"(?:^|/)checkpoint-\d+(?=[/._])|(?:^|/)lora[-_]\d+\.safetensors$")
_CHECKPOINT_LORA = re.compile(
    r"(?:^|/)(?:checkpoint-(?P<folder>\d{1,9})/lora|checkpoint-(?P<file>\d{1,9})(?:\.lora)?"
    r"|lora[-_](?P<lora>\d{1,9}))\.safetensors$"
)
_CHUNK = 1024 * 1024
_BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The files taken out of the archive; what was not in it is None.

    `checkpoints` are LoRA files by training step, at most MOST_CHECKPOINTS, the latest.
    """

    lora: Path
    embeddings: Path | None
    special_params: Path | None
    checkpoints: dict[int, Path] = field(default_factory=dict[int, Path])


def unpack_weights(archive: Path, folder: Path) -> Unpacked:
    """Take the known files of `archive` out into `folder` (which must exist).

    Raises BadWeights with the reason: a web page, not a tar, cut off, a member that points
    outside, a file too large, no LoRA in it.
    """
    _refuse_other_formats(archive)
    taken: dict[str, Path] = {}
    checkpoints: dict[int, Path] = {}
    unpacked = 0
    try:
        with tarfile.open(archive, "r:*") as tar:
            for number, member in enumerate(tar):
                if number >= MAX_MEMBERS:
                    raise BadWeights(f"the archive has more than {MAX_MEMBERS} members")
                unpacked += member.size
                if unpacked > MAX_UNPACKED_BYTES:
                    raise BadWeights(f"the archive unpacks to more than {MAX_UNPACKED_BYTES} bytes")
                _take(tar, member, folder, taken, checkpoints)
    except _BROKEN as error:
        raise BadWeights(f"the archive is damaged or truncated ({error})") from error
    except OSError as error:
        if error.errno is not None:  # our own disk; gzip and bzip2 state none
            raise
        raise BadWeights(f"the archive is damaged or truncated ({error})") from error
    lora = taken.get("lora.safetensors")
    if lora is None:
        raise BadWeights("the archive holds no lora.safetensors")
    return Unpacked(
        lora,
        taken.get("embeddings.pti"),
        taken.get("special_params.json"),
        dict(sorted(checkpoints.items())),
    )


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
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    folder: Path,
    taken: dict[str, Path],
    checkpoints: dict[int, Path],
) -> None:
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise BadWeights(f"the archive holds a member that points outside: {member.name[:80]!r}")
    if member.isdir():
        return
    if not member.isreg():
        raise BadWeights(f"the archive holds a link or device: {member.name[:80]!r}")
    if _CHECKPOINT.search(str(path)) is not None:
        _take_checkpoint(tar, member, path, folder, checkpoints)
        return
    limit = MAX_FILE_BYTES.get(path.name)
    if limit is None:
        return
    if path.name in taken:
        raise BadWeights(f"the archive holds {path.name} twice")
    target = folder / path.name
    _extract(tar, member, target, path.name, limit)
    taken[path.name] = target


def _take_checkpoint(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    path: PurePosixPath,
    folder: Path,
    checkpoints: dict[int, Path],
) -> None:
    """Keep the latest: an earlier one than all that are kept is not even written."""
    match = _CHECKPOINT_LORA.search(str(path))
    if match is None:
        return
    step = int(match["folder"] or match["file"] or match["lora"])
    if step in checkpoints:
        raise BadWeights(f"the archive holds the checkpoint of step {step} twice")
    if len(checkpoints) == MOST_CHECKPOINTS:
        earliest = min(checkpoints)
        if step < earliest:
            return
        checkpoints.pop(earliest).unlink()
    target = folder / f"checkpoint-{step}.safetensors"
    limit = MAX_FILE_BYTES["lora.safetensors"]
    _extract(tar, member, target, f"the checkpoint of step {step}", limit)
    checkpoints[step] = target


def _extract(
    tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, name: str, limit: int
) -> None:
    if member.size > limit:
        raise BadWeights(f"{name} has {member.size} bytes, at most {limit}")
    source = tar.extractfile(member)
    if source is None:
        raise BadWeights(f"{name} cannot be read from the archive")
    written = _copy(source, target)
    if written != member.size:
        raise BadWeights(f"the archive is truncated: {written} of {member.size} bytes of {name}")


def _copy(source: IO[bytes], target: Path) -> int:
    written = 0
    with target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            file.write(chunk)
            written += len(chunk)
    return written
