"""A stuck effect is read back by command, by the reconciler of its kind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from vixen_pipeline.effects import Accepted, Done, Effect, Intent, Outcome, Reconcilers
from vixen_pipeline.errors import NotFound, Unknown
from vixen_pipeline.services import Services


def _stuck(services: Services, kind: str) -> Effect:
    (effect,) = services.effects.intend(
        [Intent(kind, f"{kind}/1", "replicate", {}, None, timedelta(hours=1))]
    )

    def call(_: Effect) -> Outcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        services.effects.perform(effect, call, lambda _: None)
    return services.effects.get(effect.id)


def _find_training(services: Services, effect: Effect) -> Outcome:
    assert services.run_id is None
    return Done("t-1", {"key": effect.key})


def test_a_stuck_effect_is_reconciled_by_its_kind(services: Services) -> None:
    registry = Reconcilers[Services]({"training": _find_training}, {"image": lambda _, __: None})
    effect = _stuck(services, "training")
    found = registry.reconcile(services, services.effects, effect.id)
    assert (found.state, found.remote_id) == ("confirmed", "t-1")
    assert found.result == {"key": "training/1"}


def test_what_the_provider_does_not_list_stays_unknown_within_the_grace(
    services: Services,
) -> None:
    registry = Reconcilers[Services]({"image": lambda _, __: None})
    effect = _stuck(services, "image")
    assert registry.reconcile(services, services.effects, effect.id).state == "unknown"


def test_an_accepted_effect_whose_event_never_came_is_settled_by_reading_back(
    services: Services,
) -> None:
    (effect,) = services.effects.intend(
        [Intent("training", "t/1", "replicate", {}, None, timedelta(hours=1))]
    )
    services.effects.perform(effect, lambda _: Accepted("t-1"), lambda _: None)
    registry = Reconcilers[Services]({"training": _find_training})
    assert registry.reconcile(services, services.effects, effect.id).state == "confirmed"


def test_an_unlisted_effect_with_a_remote_id_is_never_sent_again(services: Services) -> None:
    (effect,) = services.effects.intend(
        [Intent("training", "t/1", "replicate", {}, None, timedelta(hours=1))]
    )
    services.effects.perform(effect, lambda _: Accepted("t-1"), lambda _: None)
    left = services.effects.reconcile(effect, lambda _: None)
    assert (left.state, left.remote_id) == ("dispatched", "t-1")


def test_a_kind_without_reconciler_says_which_kinds_have_one(services: Services) -> None:
    registry = Reconcilers[Services]({"image": lambda _, __: None})
    effect = _stuck(services, "post")
    with pytest.raises(NotFound, match=r"'post'.*Kinds that can: image"):
        registry.reconcile(services, services.effects, effect.id)


def test_two_systems_cannot_claim_one_kind() -> None:
    with pytest.raises(ValueError, match="image"):
        Reconcilers[Services]({"image": lambda _, __: None}, {"image": lambda _, __: None})


def test_unknown_is_raised_when_reading_back_says_so(services: Services) -> None:
    effect = _stuck(services, "image")

    def unsure(_: Effect) -> Outcome:
        raise Unknown("replicate", "list timed out")

    with pytest.raises(Unknown):
        services.effects.reconcile(effect, unsure)
    assert services.effects.get(effect.id).state == "unknown"
