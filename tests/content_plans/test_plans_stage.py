"""The stage content_plans on a real database and the sandbox's moderation and embeddings."""

from __future__ import annotations

from collections import Counter

import pytest
from content_kit_plans import (
    KEY,
    SMALL,
    ScoringModerator,
    failed_checks,
    plans_of,
    ready_avatars,
    run_plans,
    shots_of,
    with_fakes,
)
from sqlalchemy import text
from vixen_identity import add_avatars

from vixen_pipeline.content.library import load_library
from vixen_pipeline.content.plan_judging import NEAR_DUPLICATE
from vixen_pipeline.content.plan_making import PlanMaker
from vixen_pipeline.content.plans import ask_for_plan
from vixen_pipeline.content.stages_list import PLANS_STAGE
from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import Transient
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings


@pytest.fixture
def small(settings: Settings, database: Database, sandbox: Sandbox) -> Services:
    """The core on the sandbox, with plans of 12."""
    return Services(settings.model_copy(update=SMALL), database=database)


def test_the_default_plan_has_fifty_distinct_moderated_shots_in_the_exact_mix(
    services: Services, sandbox: Sandbox
) -> None:
    (luna,) = ready_avatars(services, "luna")
    (result,) = run_plans(services)
    assert (result.outcome, result.error) == ("made", None)
    assert failed_checks(result) == []
    shots = shots_of(services, luna)
    assert len({(shot.prompt, shot.seed) for shot in shots}) == 50
    assert len({shot.prompt for shot in shots}) == 50
    assert Counter(shot.tier for shot in shots) == {"public": 30, "premium": 15, "exclusive": 5}
    assert all(shot.moderation["flagged"] is False for shot in shots)
    assert max(shot.nearest_similarity or 0 for shot in shots) < NEAR_DUPLICATE
    assert result.metadata["usd"].value > 0  # type: ignore[operator]
    assert tuple(result.metadata) == PLANS_STAGE.metadata_schema
    assert [(c.name, c.blocking) for c in result.checks] == list(PLANS_STAGE.checks)


def test_a_prompt_names_trigger_word_and_age_and_no_look_that_the_lora_knows(
    small: Services,
) -> None:
    (luna,) = ready_avatars(small, "luna")
    run_plans(small)
    looks = luna.spec.appearance
    for shot in shots_of(small, luna):
        assert shot.prompt.startswith("vxn_luna, ")
        assert "27-year-old adult woman" in shot.prompt
        for word in (looks.hair_color, looks.hair_style, "eyes", "skin tone", looks.skin_tone):
            assert word not in shot.prompt.replace("eyes closed, relaxed", "")


def test_scenes_share_their_setting_and_differ_in_angle_and_expression(small: Services) -> None:
    (luna,) = ready_avatars(small, "luna")
    run_plans(small)
    scenes: dict[int, list[dict[str, str]]] = {}
    for shot in shots_of(small, luna):
        scenes.setdefault(shot.scene, []).append(shot.choices | {"template": shot.template})
    large = [shots for shots in scenes.values() if len(shots) > 1]
    formats = plans_of(small, luna)[0].formats
    assert len(large) == sum(formats.values()) > 0
    for shots in large:
        for name in ("template", "background", "outfit", "lighting"):
            assert len({shot[name] for shot in shots}) == 1, name
        for name in ("angle", "expression"):
            assert len({shot[name] for shot in shots}) == len(shots), name


def test_the_same_plan_made_again_has_the_same_shots(
    settings: Settings, database: Database
) -> None:
    with with_fakes(settings, database, moderator=ScoringModerator(["garage"])) as services:
        (luna,) = ready_avatars(services, "luna")
        ask_for_plan(services, KEY, count=40)
        (plan,) = plans_of(services, luna)
        first, again = (PlanMaker(services, luna, plan, load_library()).made() for _ in range(2))
        assert first.shots == again.shots
        assert first.coverage == again.coverage
        plan.seed += 1
        other = PlanMaker(services, luna, plan, load_library()).made()
        assert [shot["prompt"] for shot in other.shots] != [shot["prompt"] for shot in first.shots]


def test_a_second_run_changes_nothing_and_calls_nobody(small: Services, sandbox: Sandbox) -> None:
    (luna,) = ready_avatars(small, "luna")
    run_plans(small)
    before = [shot.id for shot in shots_of(small, luna)]
    calls = sandbox.control.state()["calls"]
    (result,) = run_plans(small)
    assert result.outcome == "unchanged"
    assert failed_checks(result) == []
    assert [shot.id for shot in shots_of(small, luna)] == before
    assert sandbox.control.state()["calls"] == calls


def test_successive_plans_never_repeat_a_prompt_or_a_seed(small: Services) -> None:
    (luna,) = ready_avatars(small, "luna")
    run_plans(small)
    for _ in range(4):
        ask_for_plan(small, KEY, count=30)
        (result,) = run_plans(small)
        assert result.outcome == "made"
        assert failed_checks(result) == []
    shots = shots_of(small, luna)
    assert len(shots) == 12 + 4 * 30
    assert len({shot.prompt for shot in shots}) == len(shots)
    assert len({shot.seed for shot in shots}) == len(shots)
    assert max(shot.nearest_similarity or 0 for shot in shots) < NEAR_DUPLICATE


def test_everything_asked_for_is_planned_in_one_run(small: Services) -> None:
    (luna,) = ready_avatars(small, "luna")
    numbers = [ask_for_plan(small, KEY, count=count, mix="premium=1") for count in (3, 5)]
    (result,) = run_plans(small)
    assert numbers == [1, 2]
    assert result.metadata["plan"].value == 2
    assert [len([s for s in shots_of(small, luna) if s.plan_id == plan.id])
            for plan in plans_of(small, luna)] == [3, 5]  # fmt: skip
    assert {shot.tier for shot in shots_of(small, luna)} == {"premium"}


def test_without_a_persona_or_examined_weights_the_avatar_is_blocked(small: Services) -> None:
    add_avatars(small, "luna", persona=False)
    add_avatars(small, "mira")
    luna, mira = run_plans(small, KEY, "fitness:mira")
    assert (luna.outcome, luna.waits_for) == ("blocked", "personas")
    assert (mira.outcome, mira.waits_for) == ("blocked", "weights_exams")


def test_while_moderation_is_down_nothing_is_planned_and_afterwards_everything(
    small: Services, sandbox: Sandbox
) -> None:
    (luna,) = ready_avatars(small, "luna")
    sandbox.control.fault("openai", "error", route="POST /v1/moderations", status=503, count=None)
    (down,) = run_plans(small)
    assert (down.outcome, down.permanent) == ("failed", False)
    assert shots_of(small, luna) == []
    assert plans_of(small, luna)[0].planned_at is None
    sandbox.control.clear_faults()
    (up,) = run_plans(small)
    assert up.outcome == "made"
    assert len(shots_of(small, luna)) == 12


def test_one_avatar_without_an_answer_leaves_the_others_alone(
    settings: Settings, database: Database
) -> None:
    class Picky(ScoringModerator):
        def moderate_texts(self, texts):  # type: ignore[no-untyped-def]
            if any("vxn_mira" in each for each in texts):
                raise Transient("moderation", "cannot tell")
            return super().moderate_texts(texts)

    with with_fakes(settings, database, moderator=Picky()) as services:
        luna, mira = ready_avatars(services, "luna", "mira")
        good, bad = run_plans(services, luna.key, mira.key)
        assert (good.outcome, bad.outcome) == ("made", "failed")
        assert (len(shots_of(services, luna)), shots_of(services, mira)) == (12, [])


def test_a_refused_prompt_is_replaced_by_another_combination(
    settings: Settings, database: Database
) -> None:
    with with_fakes(
        settings, database, moderator=ScoringModerator(["sage training set"])
    ) as services:
        (luna,) = ready_avatars(services, "luna")
        (result,) = run_plans(services)
        assert (result.outcome, failed_checks(result)) == ("made", [])
        shots = shots_of(services, luna)
        assert len(shots) == 12
        assert not [shot for shot in shots if "sage training set" in shot.prompt]
        assert plans_of(services, luna)[0].coverage["refused"]["moderation"] > 0


def test_a_moderator_that_refuses_everything_fails_the_avatar_by_name(
    settings: Settings, database: Database
) -> None:
    with with_fakes(settings, database, moderator=ScoringModerator(["photograph"])) as services:
        (luna,) = ready_avatars(services, "luna")
        (result,) = run_plans(services)
        assert (result.outcome, result.permanent) == ("failed", True)
        assert "12 of 12 shots" in str(result.error)
        assert "moderation" in str(result.error)
        assert "vixen content templates" in str(result.next_step)
        assert shots_of(services, luna) == []


def test_every_embedding_call_is_booked_and_no_reservation_stays(
    small: Services, database: Database
) -> None:
    (luna,) = ready_avatars(small, "luna")
    run_plans(small)
    with database.begin() as session:
        booked = session.execute(
            text("SELECT batch, sum(usd) > 0 FROM vixen.cost_entries GROUP BY 1")
        ).all()
        reserved = session.scalar(text("SELECT count(*) FROM vixen.cost_reservations"))
    assert [tuple(row) for row in booked] == [("content_plans", True)]
    assert reserved == 0
    assert luna.id > 0


def test_a_mistake_in_a_template_file_stops_planning_until_it_is_mended(
    settings: Settings, database: Database
) -> None:
    own = settings.home / "templates"
    own.mkdir()
    (own / "chess.yaml").write_text("niche: chess\n")
    with with_fakes(settings, database) as services:
        (luna,) = ready_avatars(services, "luna")
        (result,) = run_plans(services)
        assert (result.outcome, result.permanent) == ("failed", False)
        assert "chess.yaml, line 1: templates is missing" in str(result.error)
        assert shots_of(services, luna) == []
        (own / "chess.yaml").unlink()
        assert run_plans(services)[0].outcome == "made"
