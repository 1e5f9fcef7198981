"""Likeness to the past: found in small histories and large ones, at a cost that does not grow."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from time import perf_counter

import pytest
from content_kit_plans import KEY, plans_of, ready_avatars, run_plans, shots_of, with_fakes
from sqlalchemy import insert, text, update

from vixen_pipeline.content import plan_rows
from vixen_pipeline.content.library import load_library
from vixen_pipeline.content.plan_making import PlanMaker
from vixen_pipeline.content.plan_rows import nearest_similarities, vector_text
from vixen_pipeline.content.plans import ask_for_plan
from vixen_pipeline.db.models import ContentPlan
from vixen_pipeline.db.session import Database
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.providers.fakes import FakeEmbedder
from vixen_pipeline.providers.ports import Usage
from vixen_pipeline.sandbox.text_vectors import embed
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings

MODEL = "history"
_FILL = text(
    """
    INSERT INTO vixen.content_shots (avatar_id, plan_id, position, scene, tier, template, choices,
      prompt, negative_prompt, prompt_sha256, seed, embedding, embedding_model, moderation)
    SELECT :avatar, :plan, n, n, 'public', 't', '{}', 'p', 'n', 'd' || n, n,
      (SELECT array_agg(sin(n * 12.9898 + i * 78.233 + :avatar)) FROM generate_series(1, 1536) AS i)
        ::vector, :model, '{}'
    FROM generate_series(1, :count) AS n
    """
)


def vector(seed: int) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(0, 1) for _ in range(1536)]


def mixed(one: Sequence[float], other: Sequence[float], share: float) -> list[float]:
    """About `share` of the first direction."""
    rest = math.sqrt(1 - share * share)
    return [share * a + rest * b for a, b in zip(one, other, strict=True)]


def give_history(services: Services, avatar: AvatarRef, count: int) -> None:
    """A completed plan of `count` shots with vectors of their own."""
    with services.database.begin() as session:
        plan = session.scalar(
            insert(ContentPlan)
            .values(
                avatar_id=avatar.id, number=1, count=count, mix={}, platforms=[], formats={},
                seed=1, requested_by="test", planned_at=services.clock.now(),
            )
            .returning(ContentPlan.id)
        )  # fmt: skip
        asked = {"avatar": avatar.id, "plan": plan, "model": MODEL, "count": count}
        session.execute(_FILL, asked)


def asked(services: Services, avatar: AvatarRef, vectors: Sequence[Sequence[float]]) -> list[float]:
    with services.database.begin() as session:
        return [
            found if found is not None else -9
            for found in nearest_similarities(session, avatar.id, MODEL, vectors)
        ]


@pytest.mark.parametrize("by_index", [False, True])
def test_the_nearest_shot_is_the_avatars_own_by_either_way(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, by_index: bool
) -> None:
    monkeypatch.setattr(plan_rows, "EXACT_UP_TO", 0 if by_index else 10_000)
    with with_fakes(settings, database) as services:
        luna, mira = ready_avatars(services, "luna", "mira")
        assert asked(services, luna, [vector(1)]) == [-9]
        for avatar in (luna, mira):
            give_history(services, avatar, 60)
        mine, other = vector(1), vector(2)
        with database.begin() as session:
            for avatar, kept in ((luna, mixed(mine, other, 0.8)), (mira, mine)):
                session.execute(
                    text(
                        "UPDATE vixen.content_shots SET embedding = CAST(:v AS vector)"
                        " WHERE avatar_id = :a AND position = 30"
                    ),
                    {"v": vector_text(kept), "a": avatar.id},
                )
        near, far = asked(services, luna, [mine, vector(3)])
        assert near == pytest.approx(0.8, abs=0.05)
        assert far < 0.3
        assert asked(services, mira, [mine])[0] == pytest.approx(1.0, abs=1e-4)


def test_other_embedding_models_are_not_compared(settings: Settings, database: Database) -> None:
    with with_fakes(settings, database) as services:
        (luna,) = ready_avatars(services, "luna")
        run_plans(services)
        (shot, *_) = shots_of(services, luna)
        with database.begin() as session:
            same = nearest_similarities(session, luna.id, "fake-embedding", [shot.embedding])
            other = nearest_similarities(session, luna.id, "another", [shot.embedding])
        assert same == [pytest.approx(1.0, abs=1e-4)]
        assert other == [None]


def test_a_plan_that_would_repeat_the_past_takes_other_combinations(
    settings: Settings, database: Database
) -> None:
    """The same seed again: without a look at the past the plan would be the same."""
    with with_fakes(settings, database) as services:
        (luna,) = ready_avatars(services, "luna")
        run_plans(services)
        ask_for_plan(services, KEY)
        with database.begin() as session:
            first = session.scalar(text("SELECT seed FROM vixen.content_plans WHERE number = 1"))
            session.execute(update(ContentPlan).values(seed=first))
        (result,) = run_plans(services)
        assert result.outcome == "made"
        shots = shots_of(services, luna)
        assert len({shot.prompt for shot in shots}) == len(shots) == 24


def test_an_embedder_that_finds_everything_alike_fails_the_plan_by_name(
    settings: Settings, database: Database
) -> None:
    class Flat(FakeEmbedder):
        def embed(self, texts):  # type: ignore[no-untyped-def]
            return super().embed(["the same"] * len(texts))

    with with_fakes(settings, database, embedder=Flat(), content_pieces=3) as services:
        (luna,) = ready_avatars(services, "luna")
        (result,) = run_plans(services)
        assert (result.outcome, result.permanent) == ("failed", True)
        assert "2 of 3 shots" in str(result.error)
        assert "near_duplicate" in str(result.error)
        assert shots_of(services, luna) == []


class SandboxVectors(FakeEmbedder):
    """The sandbox's vectors, without its server."""

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], tuple[Usage, ...]]:
        _, usage = super().embed(texts)
        return [embed(each, 1536) for each in texts], usage


@pytest.mark.long
def test_asking_the_past_does_not_grow_with_it(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times the history, by the index both times: far less than ten times the wait."""
    monkeypatch.setattr(plan_rows, "EXACT_UP_TO", 0)
    with with_fakes(settings, database) as services:
        luna, mira = ready_avatars(services, "luna", "mira")
        seconds: list[float] = []
        for avatar, count in ((luna, 500), (mira, 5_000)):
            with database.begin() as session:
                session.execute(text("DROP INDEX IF EXISTS vixen.ix_content_shots_embedding"))
            give_history(services, avatar, count)
            with database.begin() as session:
                session.execute(
                    text(
                        "CREATE INDEX ix_content_shots_embedding ON vixen.content_shots"
                        " USING hnsw (embedding vector_cosine_ops) WITH (ef_construction = 40)"
                    )
                )
            vectors = [vector(each) for each in range(40)]
            asked(services, avatar, vectors[:4])
            start = perf_counter()
            asked(services, avatar, vectors)
            seconds.append(perf_counter() - start)
        print(f"40 questions: {seconds[0]:.3f} s of 500, {seconds[1]:.3f} s of 5,000 shots")
        assert seconds[1] < 5 * seconds[0] + 0.1, seconds


@pytest.mark.long
def test_a_plan_of_two_thousand_recombines_and_is_complete(
    settings: Settings, database: Database
) -> None:
    """More than the niche's own combinations: all there, all distinct, the mix still exact."""
    with with_fakes(settings, database, embedder=SandboxVectors()) as services:
        (luna,) = ready_avatars(services, "luna")
        ask_for_plan(services, KEY, count=2000, mix="public=1,premium=1,exclusive=1")
        (plan,) = plans_of(services, luna)
        made = PlanMaker(services, luna, plan, load_library()).made()
        assert len({shot["prompt_sha256"] for shot in made.shots}) == 2000
        assert len({shot["seed"] for shot in made.shots}) == 2000
        tiers = Counter(shot["tier"] for shot in made.shots)
        assert tiers == {"public": 667, "premium": 667, "exclusive": 666}
        assert made.coverage["level"] >= 1
        angles = made.coverage["words"]["angle"].values()
        assert max(angles) - min(angles) <= 4
