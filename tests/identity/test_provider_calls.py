"""The calls of System 1 at the provider: when they wait, what is read back, what money is held."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert, select, text
from vixen_identity import add_avatars

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.db.models import GeneratedImage, LoraTraining, TrainingDataset
from vixen_pipeline.errors import Permanent, Transient, Unknown
from vixen_pipeline.identity.image_filling import Filling
from vixen_pipeline.identity.image_making import find_image, make_image
from vixen_pipeline.identity.image_tasks import Collection, ImageTask, Slot
from vixen_pipeline.identity.training_plan import TrainingSettings, TrainingTask
from vixen_pipeline.identity.training_submit import submit_training
from vixen_pipeline.identity.trainings import poll_due
from vixen_pipeline.pictures.measuring import Anchor
from vixen_pipeline.pictures.scorers import build_scorer
from vixen_pipeline.providers.fakes import FakeImageModel, FakeTrainer, MemoryObjectStore
from vixen_pipeline.services import Services

MODEL = "zsxkib/instant-id:1"


class WatchedSlots:
    """Slots that note what state every effect is in when a caller begins to wait for one."""

    def __init__(self, services):
        self.services = services
        self.seen = []

    @contextmanager
    def hold(self, provider):
        with self.services.database.begin() as session:
            self.seen.append(list(session.scalars(text("SELECT state FROM vixen.effects"))))
        yield

    def close(self):
        pass


@pytest.fixture
def core(settings, database):
    with Services(
        settings,
        database=database,
        images=FakeImageModel(),
        trainer=FakeTrainer(),
        objects=MemoryObjectStore(),
    ) as services:
        yield services


@pytest.fixture
def watched(core):
    core.__dict__["slots"] = WatchedSlots(core)
    return core.slots


def image_task(avatar):
    slot = Slot(0, "a picture", {}, None)
    collection = Collection(
        avatar, "portrait", "reference_portraits", "d" * 64, MODEL, (slot,), None, 4
    )
    return ImageTask(collection, slot, 1)


def training_task(services):
    (avatar,) = add_avatars(services, "luna")
    with services.database.begin() as session:
        effect = text(
            "INSERT INTO vixen.effects (kind, key, provider, request, request_digest, deadline_s,"
            " deadline, state) VALUES ('t', 't', 'replicate', '{}', '', 1, now(), 'confirmed')"
            " RETURNING id"
        )
        values = {"avatar_id": avatar.id, "input_digest": avatar.appearance_digest}
        portrait = session.scalars(
            insert(GeneratedImage).returning(GeneratedImage),
            {
                **values,
                "purpose": "portrait",
                "slot": 0,
                "attempt": 1,
                "effect_id": session.execute(effect).scalar_one(),
                "model": "m",
                "prompt": "p",
                "seed": 1,
                "shot": {},
                "selected": True,
            },
        ).one()
        dataset = session.scalars(
            insert(TrainingDataset).returning(TrainingDataset),
            {
                **values,
                "portrait_id": portrait.id,
                "image_count": 50,
                "manifest": {},
                "archive_key": "a.zip",
                "archive_sha256": "a" * 64,
                "archive_bytes": 1,
            },
        ).one()
    settings = TrainingSettings.of(services.settings)
    return TrainingTask(avatar, dataset, settings, 1, "vixen")


def reserved(services):
    with services.database.begin() as session:
        return session.scalar(text("SELECT sum(usd) FROM vixen.cost_reservations"))


def overdue_training(services):
    submit_training(services, training_task(services))
    with services.database.begin() as session:
        past = services.clock.now() - timedelta(minutes=1)
        session.execute(text("UPDATE vixen.lora_trainings SET deadline = :past"), {"past": past})


def training_status(services):
    with services.database.begin() as session:
        return session.scalars(select(LoraTraining)).one().status


def away(*_):
    raise Transient("replicate", "cannot be reached")


def test_an_image_waits_for_its_slot_before_it_counts_as_sent(core, watched):
    (avatar,) = add_avatars(core, "luna")
    task = image_task(avatar)
    (effect,) = core.effects.intend([task.intent()])
    anchor = Anchor(build_scorer(core.settings), None, is_portrait=True)
    core.__dict__["moderator"] = object()
    with pytest.raises(AttributeError):  # there is no moderator: past the call, which is enough
        make_image(core, task, effect, anchor)
    assert watched.seen[0] == ["intended"]
    assert len(core.images.requests) == 1


def test_a_training_waits_for_its_slot_before_it_counts_as_sent(core, watched):
    submit_training(core, training_task(core))
    assert sorted(watched.seen[0]) == ["confirmed", "intended"]
    assert len(core.trainer.requests) == 1


def test_an_image_whose_look_ups_fail_was_never_sent(core):
    (avatar,) = add_avatars(core, "luna")
    task = image_task(avatar)
    (effect,) = core.effects.intend([task.intent()])
    core.images.prepare = away
    with pytest.raises(Transient):
        make_image(core, task, effect, Anchor(build_scorer(core.settings), None))
    now = core.effects.get(effect.id)
    assert (now.state, now.attempts, core.images.requests) == ("intended", 0, [])


def test_a_training_whose_look_ups_fail_was_never_sent_and_its_money_is_free(core):
    core.trainer.prepare = away
    with pytest.raises(Transient):
        submit_training(core, training_task(core))
    with core.database.begin() as session:
        dispatches = session.scalar(text("SELECT sum(attempts) FROM vixen.effects"))
    assert (dispatches, core.trainer.requests, reserved(core)) == (0, [], None)


def test_an_image_that_failed_unseen_is_kept_as_unusable_and_does_not_block_its_slot(core):
    (avatar,) = add_avatars(core, "luna")
    core.__dict__["images"] = FakeImageModel(outcome=lambda _: "failed")
    core.images.failures.after.append(Unknown("replicate", "the reply was lost"))
    task = image_task(avatar)
    (effect,) = core.effects.intend([task.intent()])
    made = make_image(core, task, effect, Anchor(build_scorer(core.settings), None))
    assert made.measured.unusable == "the provider says failed: the fake failed"
    assert core.effects.get(effect.id).state == "dispatched"  # ends with the image's row
    assert core.effects.reconcile(effect, lambda e: find_image(core, e)).state == "dispatched"


def test_a_prediction_that_the_provider_has_lost_is_an_unusable_image(core):
    (avatar,) = add_avatars(core, "luna")
    core.images.failures.after.append(Unknown("replicate", "the reply was lost"))
    task = image_task(avatar)
    (effect,) = core.effects.intend([task.intent()])
    core.images.get = lambda _: (_ for _ in ()).throw(Permanent("replicate", "gone", code="404"))
    made = make_image(core, task, effect, Anchor(build_scorer(core.settings), None))
    assert made.measured.unusable is not None and "not known any more" in made.measured.unusable


def test_the_money_of_a_training_stays_set_aside_while_nobody_knows_whether_it_began(core):
    core.trainer.failures.after.append(Unknown("replicate", "the reply was lost"))
    core.trainer.find = away
    with pytest.raises(Transient):
        submit_training(core, training_task(core))
    assert reserved(core) > Decimal(1)


def test_the_money_of_a_training_that_was_refused_is_free_again(core):
    core.trainer.failures.before.append(Permanent("replicate", "no"))
    with pytest.raises(Permanent):
        submit_training(core, training_task(core))
    assert reserved(core) is None


def test_the_money_of_images_stays_set_aside_while_they_queue(settings, database):
    clock = ManualClock(datetime.now(UTC))
    with Services(settings, database=database, clock=clock) as services:
        (avatar,) = add_avatars(services, "luna")
        anchor = Anchor(build_scorer(settings), None, is_portrait=True)
        Filling(services, image_task(avatar).collection, anchor).reserve(3)
        clock.advance(timedelta(hours=2))
        states = services.costs.budgets(avatar.id)
    assert states[0].reserved > 0


def test_a_refused_key_does_not_end_an_overdue_training(core):
    overdue_training(core)
    core.trainer.get = lambda _: (_ for _ in ()).throw(Permanent("replicate", "no", code="auth"))
    assert poll_due(core) == 0
    assert training_status(core) == "submitted"


def test_an_overdue_training_that_the_provider_does_not_know_is_over(core):
    overdue_training(core)
    core.trainer.jobs.clear()
    assert poll_due(core) == 1
    assert training_status(core) == "aborted"


@pytest.mark.parametrize(("timeout", "life"), [(3 * 3600.0, 4 * 3600), (30 * 86_400.0, 604_800)])
def test_the_archive_can_be_fetched_for_as_long_as_a_training_may_take(core, timeout, life):
    object.__setattr__(core.settings, "training_timeout_s", timeout)
    asked = []
    core.objects.presign = lambda key, seconds=None: asked.append(seconds) or f"https://x/{key}"
    submit_training(core, training_task(core))
    assert asked == [life]
