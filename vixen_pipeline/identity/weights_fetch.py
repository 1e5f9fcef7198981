"""Weights from the provider into the object store. Belongs here: fetch, open, check, store.

Does not: rows (weights_rows.py), which training (weights.py). The provider deletes outputs an hour
after the end, so this runs at once; everything streams through files, never through memory.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import LoraTraining
from vixen_pipeline.errors import BadWeights, Permanent
from vixen_pipeline.identity.image_disk import room_on_disk
from vixen_pipeline.identity.prompts import trigger_word
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.training_plan import FAMILY
from vixen_pipeline.identity.weights_archive import MAX_ARCHIVE_BYTES, unpack_weights
from vixen_pipeline.identity.weights_file import inspect_embeddings, inspect_lora
from vixen_pipeline.providers.ports import RemoteJob
from vixen_pipeline.stages import Check

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

GONE = frozenset({"404", "gone", "too_large"})
CHECK_NAMES = ("weights_opened", "weights_family", "weights_rank", "weights_checksum")


@dataclass
class FetchedWeights:
    """What came of it: the columns of the row, the checks so far, why it is refused.

    `checkpoints` are the columns of those that are usable; one that is not is left out, because
    the final weights are there in any case.
    """

    values: Json = field(default_factory=dict[str, object])
    checkpoints: list[Json] = field(default_factory=list[Json])
    checks: list[Check] = field(default_factory=list[Check])
    failure: str | None = None

    def check(self, name: str, passed: bool, text: str) -> None:
        self.checks.append(Check(name, passed, text))
        if not passed and self.failure is None:
            self.failure = text

    def all_checks(self) -> tuple[Check, ...]:
        """Every declared check; what was never reached is "not measured"."""
        seen = {check.name for check in self.checks}
        rest = [Check(n, None, "Not reached.") for n in CHECK_NAMES if n not in seen]
        return (*self.checks, *rest)


def fetch_weights(
    services: Services, avatar: AvatarRef, training: LoraTraining, job: RemoteJob
) -> FetchedWeights:
    """Fetch the output of `job`, open and check it, store it by digest.

    Weights that are refused come back with `failure` (the archive is kept for inspection). Raises
    Transient or Unknown when the provider, Unavailable when the store or the disk is the problem.
    """
    found = FetchedWeights()
    with room_on_disk(), tempfile.TemporaryDirectory(prefix="vixen-weights-") as scratch:
        folder = Path(scratch)
        archive = folder / "output"
        if not _download(services, job, archive, found):
            return found
        place = f"avatars/{avatar.niche}/{avatar.handle}/weights"
        sha256 = _sha256(archive)
        stored = services.objects.put_file(f"{place}/{sha256}.tar", archive, "application/x-tar")
        found.values |= {"archive_key": stored.key, "archive_sha256": sha256}
        found.values["trigger_word"] = trigger_word(avatar.handle)
        try:
            _open(services, folder, archive, place, training, found)
        except BadWeights as error:
            found.check("weights_opened", False, error.message)
    return found


def _download(services: Services, job: RemoteJob, target: Path, found: FetchedWeights) -> bool:
    if not job.outputs:
        text = "the provider states no output: it is deleted an hour after the training's end"
        found.check("weights_opened", False, text)
        return False
    try:
        services.trainer.fetch(job.outputs[0], target, MAX_ARCHIVE_BYTES)
    except Permanent as error:
        if error.code not in GONE:
            raise
        found.check("weights_opened", False, f"the output cannot be fetched: {error.message}")
        return False
    return True


def _open(
    services: Services,
    folder: Path,
    archive: Path,
    place: str,
    training: LoraTraining,
    found: FetchedWeights,
) -> None:
    opened = folder / "opened"
    opened.mkdir()
    unpacked = unpack_weights(archive, opened)
    lora = inspect_lora(unpacked.lora)
    tokens = inspect_embeddings(unpacked.embeddings) if unpacked.embeddings else 0
    found.check(
        "weights_opened",
        True,
        f"{lora.layer_count} layers in {lora.tensor_count} tensors, {tokens} trained tokens.",
    )
    found.values |= {
        "family": lora.family,
        "rank": lora.rank,
        "tensor_count": lora.tensor_count,
        "bytes": unpacked.lora.stat().st_size,
    }
    wanted = int(training.settings["rank"])
    found.check(
        "weights_family",
        lora.family == FAMILY,
        f"the LoRA is for {lora.family}; inference uses {FAMILY}",
    )
    stated = "of several ranks" if lora.rank is None else f"of rank {lora.rank}"
    found.check(
        "weights_rank", lora.rank == wanted, f"the LoRA is {stated}; rank {wanted} was ordered"
    )
    if found.failure is None:
        _store(services, unpacked.lora, unpacked.embeddings, place, found)
    if found.failure is None:
        _store_checkpoints(services, unpacked.checkpoints, place, wanted, found)


def _store(
    services: Services, lora: Path, embeddings: Path | None, place: str, found: FetchedWeights
) -> None:
    """Store by digest, then read back what inference will get."""
    sha256 = _sha256(lora)
    key = f"{place}/{sha256}.safetensors"
    services.objects.put_file(key, lora, "application/octet-stream")
    found.values |= {"object_key": key, "sha256": sha256}
    if embeddings is not None:
        digest = _sha256(embeddings)
        embeddings_key = f"{place}/{digest}.pti"
        services.objects.put_file(embeddings_key, embeddings, "application/octet-stream")
        found.values |= {"embeddings_key": embeddings_key, "embeddings_sha256": digest}
    read_back = hashlib.sha256(services.objects.get(key)).hexdigest()
    found.check(
        "weights_checksum",
        read_back == sha256,
        f"stored as {sha256[:12]}…, read back as {read_back[:12]}…",
    )


def _store_checkpoints(
    services: Services, files: Mapping[int, Path], place: str, rank: int, found: FetchedWeights
) -> None:
    """Verify each as the final weights are, and store the good ones."""
    for step, path in files.items():
        try:
            lora = inspect_lora(path)
        except BadWeights as error:
            log.warning("identity.checkpoint_refused", step=step, place=place, error=error.message)
            continue
        if lora.family != FAMILY or lora.rank != rank:
            text = f"for {lora.family}, of rank {lora.rank}"
            log.warning("identity.checkpoint_refused", step=step, place=place, error=text)
            continue
        sha256 = _sha256(path)
        key = f"{place}/{sha256}.safetensors"
        services.objects.put_file(key, path, "application/octet-stream")
        values: Json = {"step": step, "object_key": key, "sha256": sha256}
        found.checkpoints.append({**values, "bytes": path.stat().st_size})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
