"""The stage personas on a real PostgreSQL with fakes of the text providers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from decimal import Decimal

import pytest
from persona_kit import draft, fake_services, register
from sqlalchemy import select, text

from vixen_pipeline.db.models import Persona, StageAttempt
from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import NotFound, Permanent, Transient, Unavailable
from vixen_pipeline.identity.attempts import clear_failure
from vixen_pipeline.identity.persona_store import similar_personas
from vixen_pipeline.identity.personas import run_personas
from vixen_pipeline.identity.registry import land_specs, register_landed
from vixen_pipeline.identity.spec import ParsedSpec
from vixen_pipeline.identity.stages_list import PERSONAS_STAGE
from vixen_pipeline.providers.fakes import FakeEmbedder, FakeModerator, FakeTextModel, refused
from vixen_pipeline.providers.ports import CutOff
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings
from vixen_pipeline.stages import StageProgress, StageResult, no_progress

KEY = "fitness:luna"
Make = Callable[..., Services]


@pytest.fixture
def make(settings: Settings, database: Database) -> Generator[Make]:
    made: list[Services] = []

    def build(**fakes: object) -> Services:
        made.append(fake_services(settings, database, **fakes))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for services in made:
        services.close()


def run(services: Services, *keys: str) -> list[StageResult]:
    return run_personas(services, keys or (KEY,), no_progress)


def check(result: StageResult, name: str) -> bool | None:
    return next(c.passed for c in result.checks if c.name == name)


def cut_off(raw: str, reason: str = "the answer does not fit") -> CutOff:
    return CutOff(reason, raw, "fake", "fake-text", ())


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


def test_one_avatar_that_fails_leaves_the_others_alone(make: Make) -> None:
    def respond(_: object, __: str, prompt: str) -> object:
        return refused("no") if "Name: Bad" in prompt else draft()

    services = make(text=FakeTextModel(respond))  # type: ignore[arg-type]
    register(services, "luna")
    register(services, "bad", name="Bad One")
    results = run(services, "fitness:bad", KEY, "fitness:nobody")
    assert [r.outcome for r in results] == ["failed", "made", "failed"]
    assert "no avatar has the key" in str(results[2].error)


def test_many_avatars_are_written_at_once_and_embedded_in_one_call(
    make: Make, settings: Settings
) -> None:
    at_once, most, lock = 0, 0, threading.Lock()
    meet = threading.Barrier(4)

    def respond(*_: object) -> object:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        meet.wait(20)  # passes only when four are in here together
        with lock:
            at_once -= 1
        return draft()

    embedder = FakeEmbedder()
    services = make(text=FakeTextModel(respond), embedder=embedder)  # type: ignore[arg-type]
    handles = [f"luna{n}" for n in range(8)]
    register(services, *handles)
    seen: list[StageProgress] = []
    keys = [f"fitness:{handle}" for handle in handles]
    results = run_personas(services, keys, seen.append)
    assert [r.avatar for r in results] == keys
    assert {r.outcome for r in results} == {"made"}
    assert [len(call) for call in embedder.calls] == [8]
    assert 4 <= most <= settings.text_concurrency
    assert {p.avatar for p in seen} == set(keys)


def test_a_near_duplicate_is_flagged_with_the_neighbour_named(make: Make) -> None:
    services = make()
    register(services, "luna")
    assert check(run(services)[0], "persona_distinct") is True
    register(services, "twin")
    (twin,) = run(services, "fitness:twin")
    assert twin.outcome == "made"
    flagged = next(c for c in twin.checks if c.name == "persona_distinct")
    assert (flagged.passed, flagged.blocking) == (False, False)
    assert "near-duplicate of fitness:luna" in flagged.description
    assert twin.metadata["neighbour"].value == "fitness:luna"
    # The first one, looked at again, knows its twin too.
    assert check(run(services)[0], "persona_distinct") is False


def test_similar_personas_come_nearest_first(make: Make) -> None:
    answers = {
        "Ada": draft(),
        "Bea": draft(tone="calm and slow", traits=["quiet", "exact", "kind"]),
        "Cyd": draft(
            biography="Cyd repairs old radios and listens to distant stations at night.",
            backstory="Cyd inherited a bench full of valves, learned which ones sing, and now "
            "spends evenings coaxing music out of dust and solder in a cellar workshop.",
            interests=["valves", "antennas", "night radio"],
            goals=["hear every continent"],
        ),
    }

    def respond(_: object, __: str, prompt: str) -> object:
        name = next(name for name in answers if f"Name: {name}" in prompt)
        return answers[name].model_copy(update={"name": name})

    services = make(text=FakeTextModel(respond))  # type: ignore[arg-type]
    for name in answers:
        register(services, name.lower(), name=name)
    run(services, "fitness:ada", "fitness:bea", "fitness:cyd")
    found = similar_personas(services, "fitness:ada")
    assert [n.key for n in found] == ["fitness:bea", "fitness:cyd"]
    assert found[0].similarity > found[1].similarity
    with pytest.raises(NotFound, match="no avatar"):
        similar_personas(services, "fitness:none")
    register(services, "new", name="New One")
    with pytest.raises(NotFound, match="no persona yet"):
        similar_personas(services, "fitness:new")


def test_a_changed_spec_gets_a_new_persona_and_the_old_one_stays_on_record(
    make: Make, database: Database
) -> None:
    services = make()
    (before,) = register(services, "luna")
    run(services)
    spec = before.spec.model_copy(update={"location": "Porto"})
    land_specs(services, [ParsedSpec(spec, "luna.yaml")])
    register_landed(services)
    assert run(services)[0].outcome == "made"
    with database.begin() as session:
        places = session.scalars(select(Persona.document["location"].astext)).all()
    assert sorted(places) == ["Lisbon", "Porto"]


def test_a_spent_budget_refuses_beforehand(database: Database, settings: Settings) -> None:
    poor = settings.model_copy(update={"budget_avatar_usd": Decimal("0.000001")})
    model = FakeTextModel(lambda *_: draft())
    with fake_services(poor, database, text=model) as services:
        register(services, "luna")
        (result,) = run(services)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert "budget of fitness:luna" in str(result.error)
    assert model.calls == []


def test_a_wrong_key_at_the_provider_is_final_and_a_new_key_gets_a_new_try(
    make: Make, database: Database
) -> None:
    model = FakeTextModel()
    model.answer(Permanent("anthropic", "401 invalid key"))
    services = make(text=model)
    (avatar,) = register(services, "luna")
    (result,) = run(services)
    assert (result.outcome, result.permanent) == ("failed", True)
    assert "401" in str(result.error)
    with database.begin() as session:
        clear_failure(session, avatar.id, "personas")
    model.answer(draft())
    assert run(services)[0].outcome == "made"


def test_a_database_that_is_down_is_everybodys_failure(make: Make) -> None:
    model = FakeTextModel()
    model.answer(Unavailable("the database does not answer."))
    services = make(text=model)
    register(services, "luna")
    with pytest.raises(Unavailable):
        run(services)


def test_another_run_that_works_on_the_avatar_is_waited_for(
    make: Make, settings: Settings, database: Database
) -> None:
    services = make()
    (avatar,) = register(services, "luna")
    with (
        Services(settings, database=database) as other,
        other.locks.hold("identity", avatar.id) as held,
    ):
        assert held
        (result,) = run(services)
    assert result.outcome == "waiting"
    assert run(services)[0].outcome == "made"
