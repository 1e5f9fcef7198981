"""Stage `lora_weights`: the trained weights, ours, opened and checked. The avatar is then ready.

Belongs here: which weights are missing, what the stage says about each, a link to use them. Does
not: fetching and checking (weights_fetch.py), rows (weights_rows.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from vixen_pipeline.db.models import LoraTraining, LoraWeights
from vixen_pipeline.errors import Busy, NotFound, ProviderError, StageFailed, VixenError
from vixen_pipeline.identity.registry import AvatarRef, avatar_ref
from vixen_pipeline.identity.stage_run import StageRun, run_stage
from vixen_pipeline.identity.training_plan import FAMILY
from vixen_pipeline.identity.training_rows import (
    FAILED,
    OPEN,
    current_datasets,
    newest_trainings,
    weights_of,
)
from vixen_pipeline.identity.weights_fetch import FetchedWeights, fetch_weights
from vixen_pipeline.identity.weights_rows import (
    STAGE,
    refused_next_step,
    save_refused,
    save_verified,
)
from vixen_pipeline.stages import Check, Meta, Outcome, Progress, StageResult

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

THREADS = 4


def run_lora_weights(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    """Verified weights for each avatar whose training has succeeded; see `RunStage`."""
    return run_stage(services, STAGE, keys, _run)


def presigned_weights_url(services: Services, key: str) -> str:
    """A link to the avatar's LoRA, made for one use: never store or log it.

    Raises NotFound while the avatar has no verified weights.
    """
    return services.objects.presign(ready_weights(services, key).object_key or "")


def ready_weights(services: Services, key: str) -> LoraWeights:
    """The verified weights of the avatar's present looks. Raises NotFound while there are none."""
    avatar = avatar_ref(services, key)
    with services.database.begin() as session:
        datasets = current_datasets(session, [avatar])
        trainings = newest_trainings(session, [each.id for each in datasets.values()])
        found = weights_of(session, [each.id for each in trainings.values()])
    for weights in found.values():
        if weights.failure is None and weights.object_key is not None:
            return weights
    raise NotFound(f"{key} has no verified weights.", next_step=f"See `vixen avatar show {key}`.")


def _run(run: StageRun) -> None:
    services = run.services
    with services.database.begin() as session:
        datasets = current_datasets(session, run.avatars)
        by_dataset = newest_trainings(session, [each.id for each in datasets.values()])
        weights = weights_of(session, [each.id for each in by_dataset.values()])
    trainings = {
        avatar.id: by_dataset[datasets[avatar.id].id]
        for avatar in run.avatars
        if avatar.id in datasets and datasets[avatar.id].id in by_dataset
    }
    missing: list[AvatarRef] = []
    for avatar in run.avatars:
        training = trainings.get(avatar.id)
        if training is None:
            run.block(avatar, "lora_trainings")
        elif training.status in FAILED:
            run.block(avatar, f"lora_trainings: training {training.remote_id} {training.status}")
        elif training.status in OPEN:
            text = f"training {training.remote_id} at Replicate ({training.status})"
            run.wait(avatar, text, training.created_at)
        elif _verified(weights.get(training.id)):
            _report(run, avatar, "unchanged", weights[training.id], ())
        else:
            missing.append(avatar)
    _fetch_all(run, run.refuse_failed(missing), trainings)


def _verified(weights: LoraWeights | None) -> bool:
    return weights is not None and weights.failure is None


def _fetch_all(
    run: StageRun, avatars: Sequence[AvatarRef], trainings: dict[int, LoraTraining]
) -> None:
    if not avatars:
        return
    with ThreadPoolExecutor(min(THREADS, len(avatars)), "weights") as pool:
        mine = [trainings[avatar.id] for avatar in avatars]
        results = pool.map(partial(_fetch, run.services), avatars, mine)
        for avatar, result in zip(avatars, results, strict=True):
            if isinstance(result, FetchedWeights):
                _keep(run, avatar, trainings[avatar.id], result)
            else:
                run.fail(avatar, result)


def _fetch(
    services: Services, avatar: AvatarRef, training: LoraTraining
) -> FetchedWeights | VixenError:
    """The provider is asked again for the output: a webhook's body is not trusted with a URL."""
    try:
        job = services.trainer.get(training.remote_id or "")
        return fetch_weights(services, avatar, training, job)
    except (ProviderError, Busy) as error:
        return error


def _keep(run: StageRun, avatar: AvatarRef, training: LoraTraining, found: FetchedWeights) -> None:
    if found.failure is not None:
        save_refused(run.services, avatar, training.id, found.values, found.failure)
        error = StageFailed(
            STAGE, f"the weights are refused: {found.failure}",
            next_step=refused_next_step(avatar.key),
        )  # fmt: skip
        run.results[avatar.key] = StageResult(
            avatar.key,
            "failed",
            {},
            found.all_checks(),
            error=error.message,
            next_step=error.next_step,
            permanent=True,
        )
        return
    save_verified(run.services, avatar, training.id, found.values, found.checkpoints)
    with run.services.database.begin() as session:
        row = weights_of(session, [training.id])[training.id]
    _report(run, avatar, "made", row, found.all_checks())


def _report(
    run: StageRun,
    avatar: AvatarRef,
    outcome: Outcome,
    row: LoraWeights,
    checks: tuple[Check, ...],
) -> None:
    metadata = {
        "object_key": Meta("text", row.object_key or ""),
        "sha256": Meta("text", row.sha256 or ""),
        "bytes": Meta("int", row.bytes or 0),
        "family": Meta("text", row.family or ""),
        "rank": Meta("int", row.rank or 0),
        "tensor_count": Meta("int", row.tensor_count or 0),
        "trigger_word": Meta("text", row.trigger_word or ""),
        "embeddings_key": Meta("text", row.embeddings_key or ""),
        "training_id": Meta("int", row.training_id),
        "usd_total": Meta("usd", run.services.costs.spent(avatar.id)),
    }
    embeddings = Check(
        "weights_embeddings",
        row.embeddings_key is not None,
        "Trained tokens for the trigger word came with the LoRA."
        if row.embeddings_key
        else "No trained tokens came: the trigger word alone means nothing to the model.",
        blocking=False,
    )
    run.complete(avatar, outcome, metadata, (*(checks or _stored_checks(row)), embeddings))


def _stored_checks(row: LoraWeights) -> tuple[Check, ...]:
    """The checks of weights that were verified before, from what was kept."""
    return (
        Check("weights_opened", True, f"Opened when fetched: {row.tensor_count} tensors."),
        Check("weights_family", row.family == FAMILY, f"The LoRA is for {row.family}."),
        Check("weights_rank", row.rank is not None, f"The LoRA is of rank {row.rank}."),
        Check("weights_checksum", row.sha256 is not None, f"SHA-256 {row.sha256}."),
    )
