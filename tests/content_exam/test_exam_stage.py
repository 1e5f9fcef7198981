"""The stage against the real sandbox: who passes, who fails and why, and what it costs."""

from __future__ import annotations

import pytest
from content_kit_exam import checks, examine, exams, images, train, trained_avatars
from sqlalchemy import select, update
from vixen_identity import add_avatars

from vixen_pipeline.content.chosen_weights import chosen_weights
from vixen_pipeline.content.stages_list import EXAMS_STAGE
from vixen_pipeline.db.models import LoraWeights
from vixen_pipeline.identity.attempts import clear_failure, failures
from vixen_pipeline.identity.trainings import run_lora_trainings
from vixen_pipeline.stages import no_progress


def test_an_avatars_own_weights_pass_with_margin_and_are_chosen(core, sandbox):
    luna, mira = trained_avatars(core, sandbox, "luna", "mira")
    results = examine(core, luna.key, mira.key)
    assert [result.outcome for result in results] == ["made", "made"], results
    for result in results:
        assert checks(result) == {"weights_fit_for_use": True, "weights_not_memorised": True}
        assert set(result.metadata) == set(EXAMS_STAGE.metadata_schema)
    for exam in exams(core):
        assert exam.chosen and exam.images == 4
        assert exam.identity_mean > 0.82 and exam.identity_p10 > 0.77 and exam.diversity > 20
    chosen = chosen_weights(core, [luna.key, mira.key])
    assert {each.exam_id for each in chosen.values()} == {exam.id for exam in exams(core)}
    assert all(each.trigger_word.startswith("vxn_") for each in chosen.values())
    usd = results[0].metadata["usd"].value
    assert usd > 0 and core.costs.spent(luna.id) > usd


def test_examined_weights_are_not_paid_for_again(core, sandbox):
    (luna,) = trained_avatars(core, sandbox, "luna")
    (first,) = examine(core, luna.key)
    again = core.settings.model_copy(update={"exam_images": 6})
    core.__dict__["settings"] = again
    (second,) = examine(core, luna.key)
    assert (first.outcome, second.outcome) == ("made", "unchanged")
    assert len(images(core)) == 4 and len(sandbox.control.trainings()) == 1
    assert second.metadata["identity_mean"] == first.metadata["identity_mean"]
    assert checks(second) == checks(first)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("stranger", "identity: mean"), ("memorised", "copies of training"), ("same", "diversity: 0")],
)
def test_weights_that_learnt_the_wrong_thing_fail_for_good_and_are_never_used(
    core, sandbox, kind, reason
):
    sandbox.control.training(weights=kind)
    (luna,) = trained_avatars(core, sandbox, "luna")
    (result,) = examine(core, luna.key)
    assert (result.outcome, result.permanent) == ("failed", True), result
    assert reason in result.error
    assert "vixen materialize lora_trainings --avatar fitness:luna" in result.next_step
    assert checks(result)["weights_fit_for_use"] is False
    assert checks(result)["weights_not_memorised"] is (kind != "memorised")
    assert chosen_weights(core, [luna.key]) == {}
    (again,) = examine(core, luna.key)
    assert (again.outcome, len(images(core))) == ("failed", 4)


def test_another_avatars_weights_fail_because_they_show_another_person(core, sandbox):
    luna, mira = trained_avatars(core, sandbox, "luna", "mira")
    with core.database.begin() as session:
        of_mira = session.scalars(select(LoraWeights).filter_by(avatar_id=mira.id)).one()
        session.execute(
            update(LoraWeights)
            .where(LoraWeights.avatar_id == luna.id)
            .values(object_key=of_mira.object_key, sha256=of_mira.sha256)
        )
    lunas, miras = examine(core, luna.key, mira.key)
    assert (lunas.outcome, miras.outcome) == ("failed", "made")
    assert "identity: mean" in lunas.error
    assert list(chosen_weights(core, [luna.key, mira.key])) == [mira.id]


def test_after_a_failed_exam_another_training_is_paid_for_only_when_asked(core, sandbox):
    sandbox.control.training(weights="stranger")
    (luna,) = trained_avatars(core, sandbox, "luna")
    examine(core, luna.key)
    for _ in range(2):
        run_lora_trainings(core, [luna.key], no_progress)
    assert len(sandbox.control.trainings()) == 1
    with core.database.begin() as session:
        assert (
            "no candidate passes" in failures(session, [luna.id], "lora_trainings")[luna.id].error
        )
        clear_failure(session, luna.id, "lora_trainings")
    sandbox.control.training(weights="good")
    train(core, [luna])
    assert len(sandbox.control.trainings()) == 2
    (result,) = examine(core, luna.key)
    assert result.outcome == "made", result
    assert chosen_weights(core, [luna.key])[luna.id].sha256 == exams(core)[-1].sha256


def test_the_best_checkpoint_is_chosen_when_the_final_weights_are_overtrained(core, sandbox):
    sandbox.control.training(weights="memorised", checkpoints=3)
    (luna,) = trained_avatars(core, sandbox, "luna")
    (result,) = examine(core, luna.key)
    assert result.outcome == "made", result
    rows = exams(core)
    assert len(rows) == 4 and sum(row.chosen for row in rows) == 1
    assert result.metadata["checkpoint_step"].value == "750"
    assert chosen_weights(core, [luna.key])[luna.id].object_key == result_key(rows)
    table = result.metadata["candidates"].value
    assert [row["candidate"] for row in table][-1] == "final" and len(table) == 4


def result_key(rows):
    return next(row.object_key for row in rows if row.chosen)


def test_without_verified_weights_the_exam_waits_for_them(core, sandbox):
    (luna,) = add_avatars(core, "luna")
    (result,) = examine(core, luna.key)
    assert (result.outcome, result.waits_for) == ("blocked", "lora_weights")
    assert chosen_weights(core, [luna.key]) == {}
