"""Money, weights, moderation, addresses: what stops one avatar, and never another."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

import pytest
from content_kit_images import number, ready_avatars, render_all, rows, selected
from sqlalchemy import text

from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services

Open = Callable[..., Services]


def images_of(services: Services, avatar_id: int) -> int:
    query = "SELECT count(*) FROM vixen.rendered_images WHERE avatar_id = :id AND selected"
    return number(services, query, id=avatar_id)


def test_an_avatar_without_the_money_for_its_plan_spends_nothing(
    core: Services, sandbox: Sandbox
) -> None:
    luna, mara = ready_avatars(core, "luna", "mara", shots=4)
    core.costs.set_budget(luna.id, Decimal("0.01"))
    refused, made = render_all(core, [luna, mara])
    assert (refused.outcome, refused.permanent) == ("failed", True)
    assert "the budget of fitness:luna" in str(refused.error)
    assert made.outcome == "made"
    assert (images_of(core, luna.id), images_of(core, mara.id)) == (0, 4)
    assert sandbox.control.state()["modal"]["images"] == 4
    assert number(core, "SELECT count(*) FROM vixen.cost_reservations") == 0


def test_weights_that_are_not_what_they_were_stop_their_own_avatar_only(core: Services) -> None:
    luna, mara = ready_avatars(core, "luna", "mara", shots=3)
    [lora] = rows(core, "SELECT object_key FROM vixen.lora_weights WHERE avatar_id = :id",
                  id=luna.id)  # fmt: skip
    good = core.objects.get(lora.object_key)
    _overwrite(core, lora.object_key, good[:-4] + b"none")
    refused, made = render_all(core, [luna, mara])
    assert (refused.outcome, refused.permanent) == ("failed", True)
    assert "SHA-256" in str(refused.error)
    assert (made.outcome, images_of(core, mara.id)) == ("made", 3)
    _overwrite(core, lora.object_key, good)
    with core.database.begin() as session:
        session.execute(text("DELETE FROM vixen.stage_attempts"))
    [again] = render_all(core, [luna])
    assert (again.outcome, images_of(core, luna.id)) == ("made", 3)


def _overwrite(services: Services, key: str, data: bytes) -> None:
    """Put other bytes under a key: the store itself writes a key once."""
    import httpx

    url = services.objects.presign(key)
    root = services.settings.home / "objects"
    [path] = [p for p in root.rglob("*") if p.is_file() and p.read_bytes() == httpx.get(url).content
              and p.stat().st_size > 1000]  # fmt: skip
    path.write_bytes(data)


def test_a_lost_portrait_stops_its_own_avatar_before_anything_is_paid(
    core: Services, sandbox: Sandbox
) -> None:
    luna, mara = ready_avatars(core, "luna", "mara", shots=2)
    with core.database.begin() as session:
        session.execute(
            text("UPDATE vixen.generated_images SET object_key = 'gone' WHERE avatar_id = :id"),
            {"id": luna.id},
        )
    refused, made = render_all(core, [luna, mara])
    assert "reference portrait cannot be described" in str(refused.error)
    assert made.outcome == "made"
    assert sandbox.control.state()["modal"]["images"] == 2


def test_while_moderation_is_down_images_wait_and_are_not_made_again(
    core: Services, sandbox: Sandbox
) -> None:
    avatars = ready_avatars(core, "luna", shots=4)
    sandbox.control.fault("openai", "error", route="POST */moderations", status=503, count=None)
    [waiting] = render_all(core, avatars)
    assert (waiting.outcome, waiting.permanent) == ("failed", False)
    assert "moderation is unavailable" in str(waiting.error)
    assert selected(core) == 0
    paid = sandbox.control.state()["modal"]["images"]
    assert paid > 0
    sandbox.control.clear_faults()
    [made] = render_all(core, avatars)
    assert made.outcome == "made"
    assert sandbox.control.state()["modal"]["images"] == 4
    moderated = "SELECT count(*) FROM vixen.rendered_images WHERE moderation->>'flagged' = 'false'"
    assert number(core, moderated) == 4


def test_a_presigned_url_cannot_run_out_while_a_call_waits_for_its_slot(
    open_services: Open, sandbox: Sandbox
) -> None:
    services = open_services(presign_seconds=3, modal_concurrency=1)
    avatars = ready_avatars(services, "luna", shots=6)
    sandbox.control.latency("modal_work", 1.2)
    began = time.monotonic()
    [result] = render_all(services, avatars)
    assert result.outcome == "made"
    assert time.monotonic() - began > 3 * 2 * 1.2, "the last call waited longer than a URL lives"
    [effects] = rows(services, "SELECT max(attempts) AS most FROM vixen.effects"
                               " WHERE provider = 'modal'")  # fmt: skip
    assert effects.most == 1


def test_a_url_that_ran_out_all_the_same_is_made_anew(
    core: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    avatars = ready_avatars(core, "luna", shots=2)
    real, spoilt = core.objects.presign, ["once"]

    def presign(key: str, seconds: int | None = None) -> str:
        if spoilt:
            return real(key, seconds).replace("X-Amz-Signature=", f"X-Amz-Signature={spoilt.pop()}")
        return real(key, seconds)

    monkeypatch.setattr(core.objects, "presign", presign)
    [result] = render_all(core, avatars)
    assert result.outcome == "made"
    [effect] = rows(core, "SELECT * FROM vixen.effects WHERE provider = 'modal'")
    assert effect.attempts == 2
    assert "X-Amz" not in str(effect.request) + str(effect.error) + str(effect.result)


def test_bad_credentials_are_told_once_per_avatar_and_end_well_when_they_are_right(
    open_services: Open, sandbox: Sandbox
) -> None:
    wrong = open_services()
    avatars = ready_avatars(wrong, "luna", "mara", shots=2)
    from dataclasses import replace

    from vixen_pipeline.providers.endpoints import modal_endpoint
    from vixen_pipeline.providers.modal_inference import ModalInference

    endpoint = replace(modal_endpoint(wrong.settings), secret="wrong")
    wrong.__dict__["inference"] = ModalInference(endpoint)
    results = render_all(wrong, avatars)
    assert [(r.outcome, r.permanent) for r in results] == [("failed", True)] * 2
    with wrong.database.begin() as session:
        session.execute(text("DELETE FROM vixen.stage_attempts"))
    right = open_services()
    assert [r.outcome for r in render_all(right, avatars)] == ["made", "made"]
    assert sandbox.control.state()["modal"]["images"] == 4


def test_a_lost_picture_of_a_finished_plan_stops_only_the_telling_of_its_avatar(
    core: Services,
) -> None:
    luna, mara = ready_avatars(core, "luna", "mara", shots=2)
    assert [each.outcome for each in render_all(core, [luna, mara])] == ["made", "made"]
    with core.database.begin() as session:
        session.execute(
            text("UPDATE vixen.rendered_images SET object_key = 'gone' WHERE avatar_id = :id"),
            {"id": luna.id},
        )
    refused, told = render_all(core, [luna, mara])
    assert (refused.outcome, told.outcome) == ("failed", "unchanged")
