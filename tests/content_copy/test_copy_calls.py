"""How the model is asked: in chunks, the first alone, with a system text that providers cache."""

from __future__ import annotations

import threading
from decimal import Decimal

from content_kit_copy import KEY, answer, copies, pieces_of, plan, run, with_persona
from persona_kit import Make
from sqlalchemy import text

from vixen_pipeline.content.copy_model import CopyAnswer
from vixen_pipeline.db.session import Database
from vixen_pipeline.providers.fakes import FakeTextModel
from vixen_pipeline.providers.schemas import anthropic_schema, openai_schema
from vixen_pipeline.sandbox.text_fit import tokens
from vixen_pipeline.services import Services
from vixen_pipeline.stages import StageProgress

LEAST_CACHED_TOKENS = 1024


def test_pieces_are_asked_for_together_and_the_first_call_is_alone(make: Make) -> None:
    first_answered, at_once = threading.Event(), threading.Barrier(3, timeout=20)

    def respond(_schema: object, _system: str, prompt: str) -> CopyAnswer:
        if not first_answered.is_set():
            assert len(model.calls) == 1, "the others wait until the cache is warm"
            first_answered.set()
        else:
            at_once.wait()
        return answer(prompt)

    model = FakeTextModel(respond)
    services = make(text=model)
    (avatar,) = with_persona(services, "luna")
    plan(services, avatar, 20)
    (result,) = run(services)
    assert result.outcome == "made", result.error
    assert [len(pieces_of(call.prompt)) for call in model.calls] == [5, 5, 5, 5]
    assert len({call.system for call in model.calls}) == 1


def test_the_system_text_is_long_enough_to_be_cached_and_the_prompt_is_short(make: Make) -> None:
    model = FakeTextModel(lambda _schema, _system, prompt: answer(prompt))
    services = make(text=model)
    (avatar,) = with_persona(services, "luna")
    plan(services, avatar, 5, notes="spring campaign")
    run(services)
    (call,) = model.calls
    assert tokens(call.system) > LEAST_CACHED_TOKENS
    assert tokens(call.prompt) < tokens(call.system) / 2
    assert "spring campaign" in call.system
    assert "Locale: en-US" in call.system
    assert "prohibited_topics" in call.system
    assert "box jumps" in call.prompt


def test_the_schema_is_one_that_both_providers_take() -> None:
    for schema in (anthropic_schema(CopyAnswer), openai_schema(CopyAnswer)):
        assert schema["additionalProperties"] is False
        assert schema["required"] == ["pieces"]


def test_the_cost_of_a_call_is_shared_out_to_its_rows_exactly(
    make: Make, database: Database
) -> None:
    services = make()
    (avatar,) = with_persona(services, "luna")
    plan(services, avatar, 7)
    (result,) = run(services)
    rows = copies(database)
    with database.begin() as session:
        lines = session.execute(
            text("SELECT sku, units, usd, batch, effect_id FROM vixen.cost_entries")
        ).all()
        assert session.scalar(text("SELECT count(*) FROM vixen.cost_reservations")) == 0
    assert {line.batch for line in lines} == {"content_copy"}
    assert {line.effect_id for line in lines} == {row.effect_id for row in rows}
    total = sum((line.usd for line in lines), Decimal(0))
    assert sum((row.usd or Decimal(0) for row in rows), Decimal(0)) == total > 0
    assert result.metadata["usd"].value == total
    read = sum(line.units for line in lines if line.sku.endswith(":input"))
    assert sum(row.input_tokens or 0 for row in rows) == read
    assert result.metadata["input_tokens_per_piece"].value == round(int(read) / 7, 1)


def test_a_budget_that_is_spent_stops_the_call_beforehand(make: Make, database: Database) -> None:
    model = FakeTextModel(lambda _schema, _system, prompt: answer(prompt))
    services = make(text=model)
    (avatar,) = with_persona(services, "luna")
    plan(services, avatar, 2)
    services.costs.set_budget(avatar.id, Decimal("0.0001"))
    (result,) = run(services)
    assert result.outcome == "failed"
    assert "budget" in str(result.error)
    assert (model.calls, copies(database)) == ([], [])


def test_without_persona_or_plan_the_stage_waits_for_them(make: Make) -> None:
    from persona_kit import register

    services = make()
    register(services, "luna")
    (result,) = run(services)
    assert (result.outcome, result.waits_for) == ("blocked", "personas")
    (other,) = with_persona(services, "nova")
    (result,) = run(services, other.key)
    assert (result.outcome, result.waits_for) == ("blocked", "content_plans")


def test_only_the_platforms_of_the_plan_are_written_for(make: Make, database: Database) -> None:
    services = make()
    (avatar,) = with_persona(services, "luna")
    plan(services, avatar, 3, platforms=["tiktok"])
    run(services)
    rows = copies(database)
    assert {row.platform for row in rows} == {"tiktok"}
    assert all(row.title and len(row.title) <= 90 for row in rows)


def test_a_second_plan_is_written_and_a_completed_one_is_left_alone(
    make: Make, database: Database
) -> None:
    services = make()
    (avatar,) = with_persona(services, "luna")
    plan(services, avatar, 2)
    run(services)
    with database.begin() as session:
        session.execute(text("UPDATE vixen.content_plans SET completed_at = now()"))
    (result,) = run(services)
    assert (result.outcome, result.metadata["captions"].value) == ("unchanged", 4)
    plan(services, avatar, 3, number=2)
    (result,) = run(services)
    assert (result.outcome, result.metadata["captions"].value) == ("made", 6)
    assert len(copies(database)) == 12 + 18


def test_a_verdict_that_would_not_pass_today_turns_the_check_red(
    make: Make, database: Database
) -> None:
    services = make()
    (avatar,) = with_persona(services, "luna")
    plan(services, avatar, 1)
    run(services)
    with database.begin() as session:
        session.execute(
            text(
                "UPDATE vixen.content_copies SET caption = repeat('x', 3000), moderation = NULL"
                " WHERE chosen AND platform = 'instagram'"
            )
        )
    (result,) = run(services)
    checks = {c.name: c.passed for c in result.checks}
    assert checks == {
        "copy_complete": True,
        "copy_within_limits": False,
        "copy_moderated": None,
    }


def test_progress_is_told_per_avatar(make: Make) -> None:
    from vixen_pipeline.content.copywriting import run_content_copy

    services: Services = make()
    (avatar,) = with_persona(services, "luna")
    plan(services, avatar, 12)
    told: list[StageProgress] = []
    run_content_copy(services, [KEY], told.append)
    assert {(step.stage, step.avatar) for step in told} == {("content_copy", KEY)}
    assert all(0 < step.done <= step.total for step in told)
