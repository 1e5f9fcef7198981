"""An exam that its provider refuses: the exam of the next training is not held up by it."""

from __future__ import annotations

from content_kit_exam import examine, exams, images, train, trained_avatars
from sqlalchemy import text

from vixen_pipeline.content.chosen_weights import chosen_weights


def test_weights_that_the_provider_refuses_do_not_stop_the_next_ones(core, sandbox):
    [luna] = trained_avatars(core, sandbox, "luna")
    with core.database.begin() as session:
        session.execute(text("UPDATE vixen.lora_weights SET sha256 = repeat('0', 64)"))
    (refused,) = examine(core, luna.key)
    assert (refused.outcome, refused.permanent) == ("failed", True), refused
    with core.database.begin() as session:
        session.execute(
            text(
                "UPDATE vixen.weights_exams SET completed_at = now();"  # to be trained again
                "DELETE FROM vixen.stage_attempts"
            )
        )
    train(core, [luna])
    (result,) = examine(core, luna.key)
    assert result.outcome == "made", result
    assert luna.id in chosen_weights(core, [luna.key])
    assert [exam.chosen for exam in exams(core)] == [False, True]
    assert all(image.settled_at is not None for image in images(core))
    assert sandbox.control.state()["modal"]["images"] == 4
