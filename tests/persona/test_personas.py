"""The stage personas on a real PostgreSQL with fakes of the text providers."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from persona_kit import KEY, Make, cut_off, draft, register, run
from sqlalchemy import select, text

from vixen_pipeline.db.models import Persona, StageAttempt
from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import Transient
from vixen_pipeline.identity.attempts import clear_failure
from vixen_pipeline.identity.stages_list import PERSONAS_STAGE
from vixen_pipeline.providers.fakes import FakeEmbedder, FakeModerator, FakeTextModel, refused


def test_a_persona_is_written_once_and_then_unchanged(make: Make, database: Database) -> None:
    model = FakeTextModel(lambda *_: draft())
    services = make(text=model)
    (avatar,) = register(services, "luna")
    (result,) = run(services)
    assert result.outcome == "made"
    assert all(c.passed for c in result.checks)
    assert {c.name: c.blocking for c in result.checks} == dict(PERSONAS_STAGE.checks)
    assert set(result.metadata) == set(PERSONAS_STAGE.metadata_schema)
    (again,) = run(services)
    assert (again.outcome, len(model.calls)) == ("unchanged", 1)
    assert set(again.metadata) == set(PERSONAS_STAGE.metadata_schema)
    with database.begin() as session:
        row = session.scalars(select(Persona)).one()
    assert row.input_digest == avatar.persona_digest
    assert row.document["name"] == "Luna Rivers"
    assert row.document["languages"] == ["en", "pt"]
    # What the spec states is kept, what the model added too.
    assert row.document["traits"] == ["patient", "dry wit", "stubborn", "curious"]


def test_the_only_persona_has_no_similarity(make: Make) -> None:
    services = make()
    register(services, "luna")
    (result,) = run(services)
    (distinct,) = [c for c in result.checks if c.name == "persona_distinct"]
    assert result.metadata["similarity"].value is None
    assert distinct.metadata["similarity"].value is None


def test_every_call_has_its_cost_and_leaves_no_reservation(make: Make, database: Database) -> None:
    services = make()
    (avatar,) = register(services, "luna")
    (result,) = run(services)
    with database.begin() as session:
        lines = session.execute(
            text("SELECT sku, batch, usd, effect_id FROM vixen.cost_entries ORDER BY sku")
        ).all()
        assert session.scalar(text("SELECT count(*) FROM vixen.cost_reservations")) == 0
    kinds = {line.sku.rpartition(":")[0] + line.sku.rpartition(":")[2] for line in lines}
    assert len(lines) == len(kinds) == 3, "input and output of the text, input of the embedding"
    assert {line.batch for line in lines} == {"personas"}
    assert result.metadata["usd"].value == sum((line.usd for line in lines), Decimal(0))
    assert services.costs.spent(avatar.id) > 0


def test_facts_that_drift_are_put_right_and_said(make: Make, database: Database) -> None:
    wrong = draft(
        name="Lana Brooks", age=31, location="Porto", biography="Lana walks. " * 5 + "Lana Brooks."
    )
    services = make(text=FakeTextModel(lambda *_: wrong))
    register(services, "luna")
    (result,) = run(services)
    assert result.outcome == "made"
    assert result.metadata["repairs"].value == ["name", "age", "location"]
    with database.begin() as session:
        document = session.scalars(select(Persona.document)).one()
    assert (document["name"], document["age"], document["location"]) == (
        "Luna Rivers",
        27,
        "Lisbon",
    )
    assert "Lana" not in json.dumps(document)


def test_an_answer_that_does_not_fit_the_schema_is_repaired(make: Make) -> None:
    long = draft().model_dump() | {"traits": ["one thing"] * 3 + [f"t {i}" for i in range(40)]}
    long |= {"unasked": 1, "age": "27", "biography": "She runs every day. " * 80}
    model = FakeTextModel()
    model.answer(cut_off("```json\n" + json.dumps(long) + "\n```"))
    services = make(text=model)
    register(services, "luna")
    (result,) = run(services)
    assert result.outcome == "made"
    assert result.metadata["repairs"].value == ["schema"]
    assert len(model.calls) == 1


def test_an_answer_that_is_cut_off_is_asked_for_again_with_the_reason(make: Make) -> None:
    model = FakeTextModel()
    model.answer(cut_off('{"name": "Lu', "the token limit was reached"), draft())
    services = make(text=model)
    register(services, "luna")
    (result,) = run(services)
    assert (result.outcome, result.metadata["tries"].value) == ("made", 2)
    assert "the token limit was reached" in model.calls[1].prompt
    assert "the token limit was reached" not in model.calls[0].prompt


def test_a_wrong_age_in_the_text_is_asked_for_again(make: Make) -> None:
    model = FakeTextModel()
    told = "She is 34 years old and runs the coast path every single morning."
    model.answer(draft(biography=told), draft())
    services = make(text=model)
    register(services, "luna")
    (result,) = run(services)
    assert (result.outcome, result.metadata["tries"].value) == ("made", 2)
    assert "speaks of the age 34" in model.calls[1].prompt


def test_answers_that_never_fit_end_after_a_bounded_number_of_calls(make: Make) -> None:
    model = FakeTextModel(lambda *_: cut_off("no json at all"))
    services = make(text=model)
    register(services, "luna")
    (result,) = run(services)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert "no usable persona in 4 tries" in str(result.error)
    assert len(model.calls) == 4
    (again,) = run(services)
    assert (again.outcome, len(model.calls)) == ("failed", 4)


def test_an_operator_who_forgets_the_failure_gets_new_tries(make: Make, database: Database) -> None:
    model = FakeTextModel(lambda *_: cut_off("no json at all"))
    services = make(text=model)
    (avatar,) = register(services, "luna")
    run(services)
    with database.begin() as session:
        clear_failure(session, avatar.id, "personas")
    model.answer(draft())
    (result,) = run(services)
    assert (result.outcome, len(model.calls)) == ("made", 5)


def test_a_refusal_of_the_model_is_named_and_final(make: Make, database: Database) -> None:
    model = FakeTextModel()
    model.answer(refused("I cannot help with that"))
    services = make(text=model)
    register(services, "luna")
    (result,) = run(services)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert "declined to write the persona: I cannot help with that" in str(result.error)
    assert len(model.calls) == 1
    with database.begin() as session:
        assert session.scalars(select(StageAttempt)).one().permanent


@pytest.mark.parametrize(
    "breach",
    [
        {"backstory": "As a teen she already ran every morning along the river, " + "x " * 40},
        {"tone": "sexy"},
        {"interests": ["looks like Taylor Swift", "running", "bread"]},
        {"goals": ["become as famous as Emma Watson"]},
        {"hard_limits": ["teen look"]},
    ],
)
def test_a_breach_of_the_policy_is_asked_again_once_and_then_refused(
    make: Make, breach: dict[str, object]
) -> None:
    model = FakeTextModel(lambda *_: draft(**breach))
    services = make(text=model)
    register(services, "luna")
    (result,) = run(services)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert "breaks the policy" in str(result.error)
    assert len(model.calls) == 2
    assert "allowed:" in model.calls[1].prompt


def test_a_breach_that_is_put_right_is_fine(make: Make) -> None:
    model = FakeTextModel()
    model.answer(draft(tone="sexy"), draft())
    services = make(text=model)
    register(services, "luna")
    assert run(services)[0].outcome == "made"


def test_limits_may_name_what_they_forbid(make: Make) -> None:
    limits = ["Never anything sexual or nude", "Never engages with minors"]
    services = make(text=FakeTextModel(lambda *_: draft(hard_limits=limits)))
    register(services, "luna")
    assert run(services)[0].outcome == "made"


def test_moderation_refuses_what_the_word_lists_let_through(make: Make) -> None:
    services = make(moderator=FakeModerator(flag_words=["harbour"]))
    register(services, "luna")
    (result,) = run(services)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert "moderation: sexual" in str(result.error)


def test_moderation_that_is_down_is_never_a_pass_and_is_tried_again(
    make: Make, database: Database
) -> None:
    moderator = FakeModerator()
    moderator.unavailable = Transient("openai", "overloaded")
    model = FakeTextModel(lambda *_: draft())
    services = make(moderator=moderator, text=model)
    register(services, "luna")
    (result,) = run(services)
    assert (result.outcome, result.permanent) == ("failed", False)
    with database.begin() as session:
        assert session.scalars(select(Persona)).all() == []
        assert session.scalars(select(StageAttempt)).one().next_attempt_at is not None
    moderator.unavailable = None
    assert run(services)[0].outcome == "made"
    assert len(model.calls) == 1, "the answer was kept: it is not paid for twice"
    with database.begin() as session:
        assert session.scalars(select(StageAttempt)).all() == []


def test_an_embedder_that_is_down_costs_no_second_answer(make: Make) -> None:
    embedder = FakeEmbedder()
    embedder.fail_next = Transient("openai", "429")
    model = FakeTextModel(lambda *_: draft())
    services = make(text=model, embedder=embedder)
    register(services, "luna", "mira")
    failed = run(services, KEY, "fitness:mira")
    assert [(r.outcome, r.permanent) for r in failed] == [("failed", False)] * 2
    assert {r.outcome for r in run(services, KEY, "fitness:mira")} == {"made"}
    assert len(model.calls) == 2
