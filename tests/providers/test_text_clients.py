"""Structured text against the sandbox: answers, refusals, cut-offs, outages and the fallback."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from vixen_pipeline.errors import Permanent, ProviderError, Transient, Unknown
from vixen_pipeline.providers.fakes import FakeTextModel, refused
from vixen_pipeline.providers.ports import CutOff, Refused, TextModel, Written
from vixen_pipeline.providers.text import FallbackText, build_text_model
from vixen_pipeline.providers.text_anthropic import build_anthropic_text
from vixen_pipeline.providers.text_openai import build_openai_text
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.settings import Settings

SYSTEM = "You write characters for a fitness audience. " * 400
BUILDERS: dict[str, Callable[[Settings], TextModel]] = {
    "anthropic": build_anthropic_text,
    "openai": build_openai_text,
}
BOTH = pytest.mark.parametrize("provider", ["anthropic", "openai"])


class Persona(BaseModel):
    name: str = Field(min_length=2, max_length=60)
    age: int = Field(ge=21, le=90)
    interests: list[str] = Field(min_length=3, max_length=8)
    backstory: str = Field(min_length=40, max_length=900)
    motto: str | None = None


def write(model: TextModel, **changes: Any) -> Any:
    asked = {"system": SYSTEM, "prompt": "Luna, 27, a runner from Lisbon.", **changes}
    return model.write(Persona, **asked)


def calls(sandbox: Sandbox, provider: str) -> int:
    counted: dict[str, int] = sandbox.control.state()["calls"]
    return sum(n for route, n in counted.items() if route.startswith(f"{provider} "))


@BOTH
def test_an_answer_fits_the_schema_and_every_token_is_billed_once(
    provider: str, settings: Settings, sandbox: Sandbox
) -> None:
    answer = write(BUILDERS[provider](settings))
    assert isinstance(answer, Written)
    assert answer.provider == provider
    assert answer.value.age >= 21
    kinds = {usage.sku.rpartition(":")[2] for usage in answer.usage}
    assert "output" in kinds
    assert kinds <= {"input", "cached_input", "cache_write", "output"}
    assert all(usage.units > 0 for usage in answer.usage)


def test_the_system_text_is_cached_at_anthropic(settings: Settings, sandbox: Sandbox) -> None:
    model = build_anthropic_text(settings)
    first, second = write(model), write(model, prompt="Another one.")
    assert "claude-haiku-5-5:cache_write" in {usage.sku for usage in first.usage}
    assert "claude-haiku-5-5:cached_input" in {usage.sku for usage in second.usage}


@BOTH
def test_a_refusal_is_a_result(provider: str, settings: Settings, sandbox: Sandbox) -> None:
    sandbox.control.fault(provider, "refuse")
    answer = write(BUILDERS[provider](settings))
    assert isinstance(answer, Refused)
    assert answer.reason


@BOTH
def test_an_answer_that_ends_early_is_cut_off(
    provider: str, settings: Settings, sandbox: Sandbox
) -> None:
    answer = write(BUILDERS[provider](settings), max_tokens=16)
    assert isinstance(answer, CutOff)
    assert "ended early" in answer.reason
    assert answer.usage


@BOTH
def test_an_answer_that_does_not_fit_says_where(
    provider: str, settings: Settings, sandbox: Sandbox
) -> None:
    sandbox.control.fault(provider, "malformed")
    answer = write(BUILDERS[provider](settings))
    assert isinstance(answer, CutOff)
    assert "does not fit" in answer.reason
    assert answer.raw


@BOTH
@pytest.mark.parametrize(
    ("kind", "phase", "status"),
    [
        ("rate_limit", "before", 429),
        ("error", "before", 500),
        ("error", "after", 503),
        ("drop_reply", "before", None),
        ("drop_reply", "after", None),
    ],
)
def test_whatever_may_work_later_is_transient_and_tried_once_by_the_sdk(
    provider: str, kind: str, phase: str, status: int | None, settings: Settings, sandbox: Sandbox
) -> None:
    sandbox.control.fault(provider, kind, phase=phase, status=status, count=1)
    with pytest.raises(Transient):
        write(BUILDERS[provider](settings))
    assert isinstance(write(BUILDERS[provider](settings)), Written)


@BOTH
def test_a_rate_limit_says_how_long_to_wait(
    provider: str, settings: Settings, sandbox: Sandbox
) -> None:
    sandbox.control.fault(provider, "rate_limit", seconds=7)
    with pytest.raises(Transient) as caught:
        write(BUILDERS[provider](settings))
    assert caught.value.retry_after == pytest.approx(7, abs=1)


@BOTH
def test_a_stall_ends_within_the_time_out(
    provider: str, settings: Settings, sandbox: Sandbox
) -> None:
    impatient = settings.model_copy(update={"text_timeout_s": 0.6})
    sandbox.control.fault(provider, "stall", seconds=3)
    begun = time.monotonic()
    with pytest.raises(Transient, match="in time"):
        write(BUILDERS[provider](impatient))
    assert time.monotonic() - begun < 2.5


def test_overload_is_transient_and_a_spent_limit_is_not(
    settings: Settings, sandbox: Sandbox
) -> None:
    model = build_anthropic_text(settings)
    sandbox.control.fault("anthropic", "overloaded")
    with pytest.raises(Transient) as overloaded:
        write(model)
    assert overloaded.value.code == "overloaded_error"
    sandbox.control.fault("anthropic", "spend_limit")
    with pytest.raises(Permanent, match="spend limit") as spent:
        write(model)
    assert spent.value.code == "quota"


def test_a_spent_quota_at_openai_is_permanent(settings: Settings, sandbox: Sandbox) -> None:
    sandbox.control.fault("openai", "insufficient_quota")
    with pytest.raises(Permanent, match="billing") as caught:
        write(build_openai_text(settings))
    assert caught.value.code == "quota"


@BOTH
def test_a_refused_key_is_permanent(provider: str, settings: Settings, sandbox: Sandbox) -> None:
    wrong = settings.model_copy(update={"sandbox_token": SecretStr("wrong-token")})
    with pytest.raises(Permanent, match="vixen doctor") as caught:
        write(BUILDERS[provider](wrong))
    assert caught.value.code == "auth"
    assert "wrong-token" not in str(caught.value)


@pytest.mark.parametrize("kind", ["overloaded", "spend_limit", "drop_reply", "error"])
def test_openai_writes_while_anthropic_cannot(
    kind: str, settings: Settings, sandbox: Sandbox
) -> None:
    model = build_text_model(settings)
    assert write(model).provider == "anthropic"
    sandbox.control.fault("anthropic", kind)
    assert write(model).provider == "openai"
    # Anthropic would answer again, but it rests: an outage costs one failed call, not one each.
    assert write(model).provider == "openai"


def test_a_refusal_does_not_go_to_the_other_provider(settings: Settings, sandbox: Sandbox) -> None:
    sandbox.control.fault("anthropic", "refuse")
    assert isinstance(write(build_text_model(settings)), Refused)
    assert calls(sandbox, "openai") == 0


# ---- the choice alone, on fakes ------------------------------------------------------------------


class Failing:
    """A TextModel that raises what it is given, then answers."""

    def __init__(self, *failures: ProviderError) -> None:
        self.failures = list(failures)
        self.calls = 0

    def write(self, schema: Any, **asked: Any) -> Any:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return FakeTextModel().write(schema, **asked)


def test_a_model_rests_for_as_long_as_it_asked_and_is_then_first_again() -> None:
    now = [100.0]
    first, second = Failing(Transient("a", "busy", retry_after=30)), Failing()
    model = FallbackText([first, second], monotonic=lambda: now[0])
    write(model)
    assert (first.calls, second.calls) == (1, 1)
    now[0] += 29
    write(model)
    assert (first.calls, second.calls) == (1, 2)
    now[0] += 2
    write(model)
    assert (first.calls, second.calls) == (2, 2)


def test_a_resting_model_is_still_asked_when_the_other_one_fails() -> None:
    first, second = Failing(Unknown("a", "lost")), Failing()
    model = FallbackText([first, second])
    write(model)
    second.failures.append(Transient("b", "busy"))
    assert isinstance(write(model), Written)
    assert (first.calls, second.calls) == (2, 2)


def test_when_both_fail_the_hopeful_failure_is_raised_and_names_both() -> None:
    first = Failing(Permanent("a", "no credit.", code="quota"))
    second = Failing(Transient("b", "busy.", retry_after=3))
    with pytest.raises(Transient, match=r"b: busy\. Also: a: no credit\.") as caught:
        write(FallbackText([first, second]))
    assert caught.value.retry_after == 3


def test_a_mistake_of_ours_is_not_sent_to_the_other_provider() -> None:
    second = Failing()
    with pytest.raises(Permanent, match="bad schema"):
        write(FallbackText([Failing(Permanent("a", "bad schema", code="400")), second]))
    assert second.calls == 0


def test_refusals_fall_back_only_when_told_and_both_are_billed() -> None:
    first, second = FakeTextModel(), FakeTextModel()
    first.answer(refused("no"), refused("no"), refused("no"))
    assert isinstance(write(FallbackText([first, second])), Refused)
    willing = FallbackText([first, second], fall_back_on_refusal=True)
    assert isinstance(write(willing), Written)
    second.answer(refused("neither"))
    answer = write(willing)
    assert isinstance(answer, Refused)
    assert answer.reason == "neither"
