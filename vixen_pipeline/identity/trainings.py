"""Stage `lora_trainings`: jobs submitted at the trainer, and everything that happens to them.

Belongs here: the stage, landed webhooks, the poll for those that never come, cancel. Does not:
submitting one (training_submit.py), the meaning of a statement (training_settle.py), the weights.
No worker waits for a training: the stage is complete when the job is submitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog

from vixen_pipeline.db.models import LoraTraining, TrainingDataset
from vixen_pipeline.errors import (
    BudgetExceeded,
    Busy,
    NotFound,
    Permanent,
    ProviderError,
    StageFailed,
    VixenError,
)
from vixen_pipeline.identity.attempts import failures
from vixen_pipeline.identity.registry import AvatarRef, avatar_ref
from vixen_pipeline.identity.stage_run import StageRun, run_stage
from vixen_pipeline.identity.training_plan import TrainingSettings, TrainingTask
from vixen_pipeline.identity.training_rows import (
    FAILED,
    OPEN,
    claim_due,
    current_datasets,
    failed_exam,
    last_attempt,
    newest_trainings,
    weights_of,
)
from vixen_pipeline.identity.training_settle import STAGE, another_attempt, settle_training
from vixen_pipeline.identity.training_submit import submit_training
from vixen_pipeline.providers.ports import TERMINAL, RemoteJob
from vixen_pipeline.stages import Check, Meta, Outcome, Progress, StageResult

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

THREADS = 8
POLL_BATCH = 200
GONE = frozenset({"404", "gone"})


def run_lora_trainings(
    services: Services, keys: Sequence[str], progress: Progress
) -> list[StageResult]:
    """One submitted training for each avatar's dataset; see `RunStage`."""
    return run_stage(services, STAGE, keys, _run)


def _run(run: StageRun) -> None:
    with run.services.database.begin() as session:
        datasets = current_datasets(session, run.avatars)
        trainings = newest_trainings(session, [each.id for each in datasets.values()])
    for avatar in run.avatars:
        if avatar.id not in datasets:
            run.block(avatar, "training_datasets")
    wanted = [
        avatar
        for avatar in run.still_open(run.avatars)
        if needs_training(run.services, avatar, trainings.get(datasets[avatar.id].id))
    ]
    _submit_all(run, run.refuse_failed(wanted), datasets)
    with run.services.database.begin() as session:
        trainings = newest_trainings(session, [each.id for each in datasets.values()])
    for avatar in run.still_open(run.avatars):
        training = trainings[datasets[avatar.id].id]
        _report(run, avatar, training, "made" if avatar in wanted else "unchanged")


def needs_training(services: Services, avatar: AvatarRef, training: LoraTraining | None) -> bool:
    """Whether a training is to be submitted now.

    After one that was spent, only when a person has asked: the failure that was kept with its end
    is then forgotten. Weights that were refused are first fetched again when asked for; another
    training is paid for when only the failure of *this* stage was forgotten. Likewise for weights
    that failed their exam, when the failure that the exam left here was forgotten.
    """
    if training is None or training.status in FAILED:
        return True
    if training.status in OPEN:
        return False
    with services.database.begin() as session:
        weights = weights_of(session, [training.id]).get(training.id)
        if weights is None:
            return False
        mine = failures(session, [avatar.id], STAGE)
        if weights.failure is None:
            return failed_exam(session, weights.id) and not mine
        of_weights = failures(session, [avatar.id], "lora_weights")
    return bool(of_weights) and not mine


def _submit_all(
    run: StageRun, avatars: Sequence[AvatarRef], datasets: dict[int, TrainingDataset]
) -> None:
    if not avatars:
        return
    with ThreadPoolExecutor(min(THREADS, len(avatars)), "trainings") as pool:
        mine = [datasets[avatar.id] for avatar in avatars]
        outcomes = pool.map(partial(_submit, run.services), avatars, mine)
        for avatar, error in zip(avatars, outcomes, strict=True):
            if error is not None:
                run.fail(avatar, error)


def _submit(services: Services, avatar: AvatarRef, dataset: TrainingDataset) -> VixenError | None:
    """The failure of this avatar's submission, None when it is submitted."""
    settings = TrainingSettings.of(services.settings)
    with services.database.begin() as session:
        attempt = last_attempt(session, dataset.id, settings.digest) + 1
    task = TrainingTask(avatar, dataset, settings, attempt, services.settings.replicate_owner)
    try:
        submit_training(services, task)
    except (ProviderError, BudgetExceeded, Busy) as error:
        return error
    return None


def _report(run: StageRun, avatar: AvatarRef, training: LoraTraining, outcome: Outcome) -> None:
    metadata = _metadata(training)
    check = Check(
        "training_submitted",
        training.remote_id is not None,
        f"Training {training.remote_id}, attempt {training.attempt}, is {training.status}.",
    )
    if training.status in FAILED:
        # Ended between submitting and now.
        message = f"training {training.remote_id} {training.status}: {training.error}"
        error = StageFailed(STAGE, message, next_step=another_attempt(avatar.key))
        run.fail(avatar, error, metadata=metadata)
        return
    if training.status == "succeeded" and _refused(run.services, training):
        # Its failure stays: that a person forgets it is what pays for another attempt.
        run.results[avatar.key] = StageResult(avatar.key, outcome, metadata, (check,))
        return
    run.complete(avatar, outcome, metadata, (check,))


def _refused(services: Services, training: LoraTraining) -> bool:
    """Whether the training's weights are unusable: refused, or of a failed exam."""
    with services.database.begin() as session:
        weights = weights_of(session, [training.id]).get(training.id)
        if weights is None:
            return False
        return weights.failure is not None or failed_exam(session, weights.id)


def _metadata(training: LoraTraining) -> dict[str, Meta]:
    return {
        "training_id": Meta("text", training.remote_id or ""),
        "training_status": Meta("text", training.status),
        "attempt": Meta("int", training.attempt),
        "trainer": Meta("text", str(training.settings.get("trainer", ""))),
        "steps": Meta("int", int(training.settings.get("steps", 0))),
        "rank": Meta("int", int(training.settings.get("rank", 0))),
        "estimate_usd": Meta("usd", training.estimate_usd),
        "billed_seconds": Meta("float", training.billed_seconds),
        "usd": Meta("usd", training.cost_usd or 0),
        "submitted_at": Meta("timestamp", training.created_at),
    }


# ---- what the provider reports ------------------------------------------------------------------


def apply_events(services: Services) -> int:
    """Take in every landed Replicate delivery that can be had now; how many were handled."""
    handled = 0
    while events := services.inbox.claim("replicate"):
        for event in events:
            handling = services.inbox.handling(event)
            with handling as session:
                try:
                    job = services.trainer.parse_webhook(event.body)
                except ValueError as error:
                    raise Permanent("replicate", f"the delivery is no job: {error}") from error
                if settle_training(services, session, job) is None:
                    # Deliveries may be faster than our own commit: tried again, then dead.
                    raise NotFound(f"no training has the id {job.id} (yet).")
            handled += handling.outcome == "handled"
    return handled


def poll_due(services: Services) -> int:
    """Ask for open trainings whose poll is due, and end those past their deadline.

    Returns how many ended. The provider being away is no error here: they are asked again.
    """
    now = services.clock.now()
    every = timedelta(seconds=services.settings.training_poll_s)
    with services.database.begin() as session:
        due = claim_due(session, now, every, POLL_BATCH)
    if not due:
        return 0
    with ThreadPoolExecutor(min(THREADS, len(due)), "polls") as pool:
        return sum(pool.map(partial(_poll, services), due))


def _poll(services: Services, training: LoraTraining) -> bool:
    """Whether the training has ended by this poll."""
    remote_id = training.remote_id or ""
    overdue = services.clock.now() >= training.deadline
    try:
        job = services.trainer.get(remote_id)
        if overdue and job.status not in TERMINAL:
            job = _aborted(services.trainer.cancel(remote_id), training)
    except ProviderError as error:
        log.warning("identity.poll_failed", training=remote_id, error=str(error))
        # Past its deadline, a training that the provider does not know any more is over. A key
        # that it refuses says nothing about the training.
        if not (overdue and isinstance(error, Permanent) and error.code in GONE):
            return False
        job = RemoteJob(remote_id, "aborted", error=f"not known to the provider: {error}")
    with services.database.begin() as session:
        settled = settle_training(services, session, job)
        return settled is not None and settled.status not in OPEN


def _aborted(job: RemoteJob, training: LoraTraining) -> RemoteJob:
    """What a training past its deadline ends as: a success in the last moment is a success."""
    if job.status == "succeeded":
        return job
    limit = training.deadline - training.created_at
    return replace(job, status="aborted", error=f"no end within {limit}; it was canceled")


def cancel(services: Services, key: str) -> str:
    """Cancel the avatar's open training at the provider; its status afterwards.

    Raises NotFound when there is none, ProviderError when the provider does not answer.
    """
    avatar = avatar_ref(services, key)
    with services.database.begin() as session:
        datasets = current_datasets(session, [avatar])
        found = newest_trainings(session, [each.id for each in datasets.values()])
    training = next((each for each in found.values() if each.status in OPEN), None)
    if training is None or training.remote_id is None:
        raise NotFound(f"{key} has no training under way.")
    job = services.trainer.cancel(training.remote_id)
    if job.status == "canceled":
        job = replace(job, error=job.error or "canceled by an operator")
    with services.database.begin() as session:
        settled = settle_training(services, session, job)
    return settled.status if settled is not None else training.status
