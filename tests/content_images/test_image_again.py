"""What a former run, or another process, has asked for already: money and races."""

from __future__ import annotations

from decimal import Decimal

import pytest
from content_kit_images import Crash, ready_avatars, render_all, rows

from vixen_pipeline.content import images
from vixen_pipeline.content.chosen_weights import chosen_weights
from vixen_pipeline.content.image_anchors import load_anchors
from vixen_pipeline.content.render import Renderer
from vixen_pipeline.content.render_orders import RenderOrder
from vixen_pipeline.content.render_rows import intend_call
from vixen_pipeline.errors import Busy
from vixen_pipeline.identity.attempts import clear_failure
from vixen_pipeline.pictures.scorers import build_scorer
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services


def _crash(*_: object, **__: object) -> None:
    raise Crash("submit")


def test_calls_left_by_a_killed_run_are_not_sent_without_the_money(
    core: Services, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    [avatar] = ready_avatars(core, "luna", shots=2)  # one call: nothing else asks for money
    with monkeypatch.context() as patch:
        patch.setattr(images.Renderer, "_submit", _crash)
        with pytest.raises(Crash):
            render_all(core, [avatar])
    core.costs.set_budget(avatar.id, Decimal("0.001"))
    [result] = render_all(core, [avatar])
    assert result.outcome == "failed"
    assert "the budget of fitness:luna" in str(result.error)
    assert sandbox.control.state()["modal"]["images"] == 0
    core.costs.set_budget(avatar.id, Decimal(100))
    with core.database.begin() as session:
        clear_failure(session, avatar.id, "content_images")
    [result] = render_all(core, [avatar])
    assert result.outcome == "made"
    assert sandbox.control.state()["modal"]["images"] == 2


def test_orders_that_another_process_has_just_asked_for_are_no_permanent_failure(
    core: Services, sandbox: Sandbox
) -> None:
    [avatar] = ready_avatars(core, "luna", shots=2)
    weights = chosen_weights(core, [avatar.key])[avatar.id]
    orders = [
        RenderOrder(avatar, row.id, "shot", 1, row.prompt, "", row.seed, weights)
        for row in rows(core, "SELECT * FROM vixen.content_shots ORDER BY id")
    ]
    intend_call(core, orders[:1])
    anchors = load_anchors(core, [avatar], build_scorer(core.settings))
    renderer = Renderer(core, anchors, lambda _: ())
    renderer.run(orders)
    assert isinstance(renderer.errors[avatar.id], Busy)
    assert sandbox.control.state()["modal"]["images"] == 0
