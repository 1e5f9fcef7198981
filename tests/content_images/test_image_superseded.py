"""Calls for weights that are used no more: they stop nothing that comes after."""

from __future__ import annotations

from content_kit_images import number, ready_avatars, render_all, rows, selected
from sqlalchemy import text

from vixen_pipeline.identity.attempts import clear_failure
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services

_BREAK = (
    "UPDATE vixen.weights_exams SET sha256 = repeat('0', 64) WHERE avatar_id = :a",
    "UPDATE vixen.lora_weights SET sha256 = repeat('0', 64) WHERE avatar_id = :a",
)
_RETRAIN = (
    "INSERT INTO vixen.effects (kind, provider, key, state, request, request_digest, deadline_s,"
    " deadline, avatar_id) VALUES ('t', 'test', 'again', 'confirmed', '{}', '', 1, now(), :a)",
    "INSERT INTO vixen.lora_trainings (avatar_id, dataset_id, settings_digest, settings, effect_id,"
    " status, estimate_usd, next_poll_at, deadline) SELECT avatar_id, dataset_id, 'again', '{}',"
    " (SELECT id FROM vixen.effects WHERE key = 'again'), 'succeeded', 0, now(), now()"
    " FROM vixen.lora_trainings WHERE avatar_id = :a",
    "INSERT INTO vixen.lora_weights (avatar_id, training_id, object_key, sha256, trigger_word)"
    " SELECT avatar_id, (SELECT max(id) FROM vixen.lora_trainings), object_key, :sha, trigger_word"
    " FROM vixen.lora_weights WHERE avatar_id = :a",
    "INSERT INTO vixen.weights_exams (avatar_id, weights_id, sha256, object_key, exam_digest,"
    " portrait_id, scorer, images, identity_mean, identity_p10, diversity, nearest_training,"
    " scores, chosen, completed_at) SELECT avatar_id, (SELECT max(id) FROM vixen.lora_weights),"
    " :sha, object_key, exam_digest, portrait_id, scorer, images, identity_mean, identity_p10,"
    " diversity, nearest_training, scores, true, completed_at FROM vixen.weights_exams"
    " WHERE avatar_id = :a",
)


def _run(services: Services, avatar: AvatarRef, *statements: str, **values: str) -> None:
    with services.database.begin() as session:
        for statement in statements:
            session.execute(text(statement), {"a": avatar.id, **values})
        clear_failure(session, avatar.id, "content_images")


def test_weights_that_the_provider_refused_are_followed_by_others(
    services: Services, sandbox: Sandbox
) -> None:
    [avatar] = ready_avatars(services, "luna", shots=4)
    [good] = rows(services, "SELECT sha256 FROM vixen.lora_weights")
    _run(services, avatar, *_BREAK)
    [refused] = render_all(services, [avatar])
    assert (refused.outcome, refused.permanent) == ("failed", True)
    _run(services, avatar, *_RETRAIN, sha=good.sha256)
    [result] = render_all(services, [avatar])
    assert result.outcome == "made", result.error
    assert selected(services) == 4
    assert sandbox.control.state()["modal"]["images"] == 4
    assert (
        number(services, "SELECT count(*) FROM vixen.rendered_images WHERE settled_at IS NULL") == 0
    )
    assert services.effects.overdue() == []
