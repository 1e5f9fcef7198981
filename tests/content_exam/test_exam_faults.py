"""Exams on a bad day: images that fail, moderation that is down, a run that is killed."""

from __future__ import annotations

import pytest
from content_kit_exam import SMALL, checks, examine, exams, images, trained_avatars

from vixen_pipeline.content import exam_rule
from vixen_pipeline.content.chosen_weights import chosen_weights
from vixen_pipeline.content.exam_render import STAGE
from vixen_pipeline.db.models import GeneratedImage
from vixen_pipeline.effects import Effects
from vixen_pipeline.errors import Transient
from vixen_pipeline.identity.attempts import clear_failure, failures
from vixen_pipeline.services import Services


@pytest.fixture
def luna(core, sandbox):
    return trained_avatars(core, sandbox, "luna")[0]


def test_an_image_that_cannot_be_scored_is_made_again_with_another_seed(core, luna, sandbox):
    sandbox.control.fault("modal", "black", count=1)
    sandbox.control.fault("modal", "missing", count=1)
    (result,) = examine(core, luna.key)
    assert result.outcome == "made", result
    rows = images(core)
    assert len(rows) == 6 and sum(row.unusable is not None for row in rows) == 2
    assert sorted(row.attempt for row in rows)[:4] == [1, 2, 3, 4]
    assert len({row.seed for row in rows}) == 6
    assert exams(core)[0].images == 4


def test_an_exam_whose_images_cannot_be_made_says_so_and_blames_no_training(core, luna, sandbox):
    sandbox.control.fault("modal", "missing", count=None)
    (result,) = examine(core, luna.key)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert "could not be made" in result.error and "CUDA" in result.error
    assert "materialize weights_exams" in result.next_step
    assert checks(result)["weights_fit_for_use"] is None
    with core.database.begin() as session:
        assert failures(session, [luna.id], "lora_trainings") == {}
        clear_failure(session, luna.id, STAGE)
    sandbox.control.clear_faults()
    assert examine(core, luna.key)[0].outcome == "made"


def test_an_exam_waits_while_moderation_is_down_and_pays_for_no_image_twice(core, luna):
    down = {"texts": True, "image": True}
    real = core.moderator

    class Moderator:
        def moderate_texts(self, texts):
            if down["texts"]:
                raise Transient("openai", "503")
            return real.moderate_texts(texts)

        def moderate_image(self, data, content_type):
            if down["image"]:
                raise Transient("openai", "503", retry_after=0)
            return real.moderate_image(data, content_type)

    core.__dict__["moderator"] = Moderator()
    (result,) = examine(core, luna.key)
    assert (result.outcome, result.permanent, images(core)) == ("failed", False, [])
    down["texts"] = False
    (result,) = examine(core, luna.key)
    assert (result.outcome, result.permanent) == ("failed", False), result
    assert chosen_weights(core, [luna.key]) == {}
    made = len(images(core))
    down["image"] = False
    (result,) = examine(core, luna.key)
    assert (result.outcome, len(images(core)), made) == ("made", 4, 4)


class Crash(BaseException):
    """Ends a run as a kill would."""


@pytest.mark.parametrize("point", ["dispatched", "called", "saved"])
def test_a_killed_exam_goes_on_and_no_image_is_paid_for_twice(
    settings, database, sandbox, luna, point
):
    def checkpoint(reached):
        if reached == point:
            raise Crash(point)

    changed = settings.model_copy(update=SMALL)
    with Services(changed, database=database) as first:
        effects = Effects(database, first.locks, first.clock, changed, checkpoint=checkpoint)
        first.__dict__["effects"] = effects
        with pytest.raises(Crash):
            examine(first, luna.key)
    with Services(changed, database=database) as second:
        (result,) = examine(second, luna.key)
        assert result.outcome == "made", result
        assert len(images(second)) == 4
    assert sandbox.control.state()["modal"] == {"runs": 1, "images": 4}


def test_a_portrait_that_cannot_be_described_never_passes(core, luna, monkeypatch):
    from vixen_pipeline.pictures.scorers_appearance import AppearanceScorer

    monkeypatch.setattr(AppearanceScorer, "describe", lambda self, picture: None)
    (result,) = examine(core, luna.key)
    assert (result.outcome, images(core)) == ("failed", []), "nothing is paid for"
    assert chosen_weights(core, [luna.key]) == {}


def test_a_lost_portrait_stops_the_exam_of_its_own_avatar_only(core, sandbox):
    luna, mira = trained_avatars(core, sandbox, "luna", "mira")
    with core.database.begin() as session:
        lost = session.query(GeneratedImage).filter_by(avatar_id=luna.id, purpose="portrait")
        lost.update({"object_key": "avatars/lost.jpg"})
    lunas, miras = examine(core, luna.key, mira.key)
    assert (lunas.outcome, lunas.permanent, miras.outcome) == ("failed", True, "made")
    assert "no reference portrait" in lunas.error


def test_weights_of_former_looks_are_not_used(core, luna):
    examine(core, luna.key)
    assert chosen_weights(core, [luna.key])
    with core.database.begin() as session:
        session.query(GeneratedImage).filter_by(purpose="portrait").update({"selected": False})
    assert chosen_weights(core, [luna.key]) == {}


def test_thresholds_that_rose_since_take_weights_out_of_use(core, luna, monkeypatch):
    examine(core, luna.key)
    monkeypatch.setitem(exam_rule.IDENTITY_MEAN, "appearance", 0.99)
    assert chosen_weights(core, [luna.key]) == {}
    (result,) = examine(core, luna.key)
    assert (result.outcome, len(images(core))) == ("failed", 4)
    assert not exams(core)[0].chosen
