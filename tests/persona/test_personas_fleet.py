"""The stage personas over many avatars: neighbours, failures of one, budgets, locks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from decimal import Decimal

import pytest
from persona_kit import KEY, Make, check, draft, fake_services, register, run
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from vixen_pipeline.costs import PaidCall
from vixen_pipeline.db.models import Persona
from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import NotFound, Permanent, Unavailable
from vixen_pipeline.identity.attempts import clear_failure
from vixen_pipeline.identity.persona_store import similar_personas
from vixen_pipeline.identity.personas import run_personas
from vixen_pipeline.identity.registry import land_specs, register_landed
from vixen_pipeline.identity.spec import ParsedSpec
from vixen_pipeline.providers.fakes import FakeEmbedder, FakeTextModel, refused
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings
from vixen_pipeline.stages import StageProgress


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


def test_a_budget_spent_by_the_writing_stops_the_embedding_of_that_avatar_only(
    make: Make, database: Database
) -> None:
    embedder = FakeEmbedder()
    services = make(embedder=embedder)
    luna, mira = register(services, "luna", "mira")
    original = services.costs.record

    def spend(calls: Sequence[PaidCall], session: Session | None = None) -> None:
        original(calls, session)
        if any(call.avatar_id == luna.id for call in calls):
            services.costs.set_budget(luna.id, services.costs.spent(luna.id))

    services.costs.record = spend  # type: ignore[method-assign]
    first, second = run(services, luna.key, mira.key)
    assert (first.outcome, first.permanent, second.outcome) == ("failed", True, "made")
    assert "budget of fitness:luna" in str(first.error)
    assert [len(texts) for texts in embedder.calls] == [1]
    with database.begin() as session:
        assert session.scalar(text("SELECT count(*) FROM vixen.cost_reservations")) == 0


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
