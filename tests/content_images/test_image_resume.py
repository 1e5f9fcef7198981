"""A run that ends anywhere: the next one loses nothing, doubles nothing, pays nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from content_kit_images import (
    Crash,
    crash_at,
    number,
    ready_avatars,
    render_all,
    rows,
    selected,
    unusable,
)

from vixen_pipeline.content import images, render, render_rows
from vixen_pipeline.content.reconcilers import CONTENT_RECONCILERS
from vixen_pipeline.content.render_orders import RenderOrder
from vixen_pipeline.effects import Reconcilers
from vixen_pipeline.errors import Transient
from vixen_pipeline.providers.endpoints import modal_endpoint
from vixen_pipeline.providers.inference_ports import InferenceBatch
from vixen_pipeline.providers.modal_inference import ModalInference
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings

Open = Callable[..., Services]


def assert_paid_once(services: Services, sandbox: Sandbox, shots: int) -> None:
    assert selected(services) == shots
    paid = sandbox.control.state()["modal"]
    assert paid["images"] == number(services, "SELECT count(*) FROM vixen.rendered_images")
    [effects] = rows(
        services,
        "SELECT count(*) AS calls, count(*) FILTER (WHERE state = 'confirmed') AS confirmed,"
        " (SELECT count(DISTINCT effect_id) FROM vixen.cost_entries) AS booked"
        " FROM vixen.effects WHERE provider = 'modal'",
    )
    assert effects.calls == effects.confirmed == effects.booked == paid["runs"]
    assert number(services, "SELECT count(*) FROM vixen.rendered_images WHERE usd IS NULL") == 0


@pytest.mark.parametrize("point", ["dispatched", "called", "saved"])
def test_a_crash_at_a_checkpoint_of_the_effect_costs_nothing(
    open_services: Open, sandbox: Sandbox, point: str
) -> None:
    dying = open_services()
    avatars = ready_avatars(dying, "luna", shots=5)
    crash_at(dying, point)
    with pytest.raises(Crash):
        render_all(dying, avatars)
    dying.close()
    living = open_services()
    [result] = render_all(living, avatars)
    assert result.outcome == "made"
    assert_paid_once(living, sandbox, 5)


@pytest.mark.parametrize("where", ["intended", "stored", "settled"])
def test_a_crash_between_the_commits_costs_nothing(
    open_services: Open, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def crash(*_: object, **__: object) -> Any:
        raise Crash(where)

    services = open_services()
    avatars = ready_avatars(services, "luna", shots=5)
    with monkeypatch.context() as patch:
        if where == "intended":
            patch.setattr(render, "answer_of", crash)
        elif where == "stored":
            patch.setattr(render, "settle_call", crash)
        else:
            patch.setattr(images.ShotsFilling, "take", crash)
        with pytest.raises(Crash):
            render_all(services, avatars)
    services.close()
    [result] = render_all(open_services(), avatars)
    assert result.outcome == "made"
    assert_paid_once(open_services(), sandbox, 5)


def test_open_calls_are_resumed_as_they_were_grouped(
    open_services: Open, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = open_services()
    avatars = ready_avatars(services, "luna", shots=5)
    with monkeypatch.context() as patch:
        patch.setattr(images.Renderer, "_submit", _crash)
        with pytest.raises(Crash):
            render_all(services, avatars)
    [call] = render_rows.open_calls(services, avatars, "shot", lambda _: True)
    asked = [row.request_id for row in call.rows]
    other = open_services(modal_batch=1)
    render_all(other, avatars)
    effects = rows(other, "SELECT * FROM vixen.effects WHERE id = :id", id=call.effect.id)
    assert [prompt["id"] for prompt in effects[0].request["prompts"]] == asked
    assert set(effects[0].result["images"]) == set(asked)
    assert_paid_once(other, sandbox, 5)


def _crash(*_: object, **__: object) -> None:
    raise Crash("submit")


class Leaving:
    """Inference whose caller dies while the call runs on."""

    def __init__(self, settings: Settings) -> None:
        self._real = ModalInference(modal_endpoint(settings), longest_s=0.2)

    def generate(self, *args: Any) -> InferenceBatch:
        try:
            return self._real.generate(*args)
        except Transient as error:
            raise Crash("it runs on") from error

    def find(self, *args: Any) -> InferenceBatch | None:
        return self._real.find(*args)


def test_a_call_that_runs_on_without_us_is_waited_for_and_fetched(
    open_services: Open, sandbox: Sandbox
) -> None:
    dying = open_services()
    avatars = ready_avatars(dying, "luna", shots=2)
    sandbox.control.latency("modal_work", 2.0)
    sandbox.control.latency("modal_redirect", 0.1)
    dying.__dict__["inference"] = Leaving(dying.settings)
    with pytest.raises(Crash):
        render_all(dying, avatars)
    dying.close()
    services = open_services()
    [result] = render_all(services, avatars)
    assert result.outcome == "made"
    assert_paid_once(services, sandbox, 2)
    [effect] = rows(services, "SELECT attempts FROM vixen.effects WHERE provider = 'modal'")
    assert effect.attempts == 1, "it was sent once, and read back"


def test_a_result_that_the_provider_has_forgotten_is_named_and_made_again(
    open_services: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = open_services()
    avatars = ready_avatars(dying, "luna", shots=2)
    crash_at(dying, "saved")
    with pytest.raises(Crash):
        render_all(dying, avatars)
    services = open_services()
    monkeypatch.setattr(services.inference, "find", lambda *_: None)
    [result] = render_all(services, avatars)
    assert result.outcome == "made"
    assert selected(services) == 2
    assert unusable(services) == ["lost: the provider does not know the call any more"] * 2


def test_an_effect_in_doubt_is_read_back_by_command(open_services: Open, sandbox: Sandbox) -> None:
    dying = open_services()
    avatars = ready_avatars(dying, "luna", shots=2)
    crash_at(dying, "called")
    with pytest.raises(Crash):
        render_all(dying, avatars)
    services = open_services()
    registry = Reconcilers[Services](CONTENT_RECONCILERS)
    [row] = rows(services, "SELECT id FROM vixen.effects WHERE provider = 'modal'")
    effect = registry.reconcile(services, services.effects, row.id)
    assert (effect.state, effect.remote_id) == ("dispatched", effect.key)
    render_all(services, avatars)
    assert_paid_once(services, sandbox, 2)


def test_render_hands_out_what_exists_and_asks_for_the_rest(
    core: Services, sandbox: Sandbox
) -> None:
    from vixen_pipeline.content.chosen_weights import chosen_weights
    from vixen_pipeline.content.image_anchors import load_anchors
    from vixen_pipeline.pictures.scorers import build_scorer

    [avatar] = ready_avatars(core, "luna", shots=3)
    weights = chosen_weights(core, [avatar.key])[avatar.id]
    anchors = load_anchors(core, [avatar], build_scorer(core.settings))
    orders = [
        RenderOrder(avatar, row.id, "shot", 1, row.prompt, "", row.seed, weights)
        for row in rows(core, "SELECT * FROM vixen.content_shots ORDER BY id")
    ]
    seen: list[str] = []
    for wanted in (orders[:2], orders):
        errors = render.render(core, wanted, anchors, lambda row: seen.append(row.request_id))
        assert errors == {}
    names = [order.request_id for order in orders]
    assert sorted(seen[:2]) == names[:2]
    assert sorted(seen[2:]) == names
    assert sandbox.control.state()["modal"]["images"] == 3
