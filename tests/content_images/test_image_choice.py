"""Choosing: duplicates over the whole history by the index, seeds, the queue."""

from __future__ import annotations

from typing import Any

import pytest
from content_kit_images import (
    NOW,
    PASSES,
    complete_plan,
    number,
    plant_plan,
    ready_avatars,
    render_all,
    rows,
)
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from vixen_pipeline.content.image_choice import choose, nearest_twins
from vixen_pipeline.content.image_shots import seed_of_attempt
from vixen_pipeline.content.render_queue import RenderQueue
from vixen_pipeline.db.models import RenderedImage
from vixen_pipeline.pictures.quality import Thresholds, hash_bits
from vixen_pipeline.services import Services

HASH = 0x0F0F_3C3C_55AA_1234


def plant_images(services: Services, avatar_id: int, hashes: list[int], *, selected: bool) -> None:
    """Settled images, one for each shot that has none, with these hashes."""
    shots = rows(
        services,
        "SELECT s.id, s.plan_id FROM vixen.content_shots s WHERE avatar_id = :id AND NOT EXISTS"
        " (SELECT 1 FROM vixen.rendered_images i WHERE i.shot_id = s.id) ORDER BY s.id",
        id=avatar_id,
    )
    with services.database.begin() as session:
        effect = session.scalar(text("SELECT min(id) FROM vixen.effects"))
        for shot, value in zip(shots, hashes, strict=False):
            session.add(
                RenderedImage(
                    avatar_id=avatar_id, shot_id=shot.id, attempt=1,
                    request_id=f"shot-{shot.id}-1", effect_id=effect, prompt="p",
                    prompt_sha256=f"{shot.id}", seed=1, weights_sha256="w", object_key="k",
                    width=1024, height=1024, sharpness=500.0, identity_score=0.95,
                    identity_scorer="appearance", moderation=PASSES, phash=value,
                    phash_bits=hash_bits(value), selected=selected, settled_at=NOW,
                )
            )  # fmt: skip


def images(services: Services, avatar_id: int, *, selected: bool) -> list[Any]:
    from sqlalchemy import select

    with services.database.begin() as session:
        return list(
            session.scalars(
                select(RenderedImage)
                .where(RenderedImage.avatar_id == avatar_id, RenderedImage.selected == selected)
                .order_by(RenderedImage.id)
            )
        )


@pytest.mark.parametrize(("bits", "twin"), [(0, True), (8, True), (9, False)])
def test_an_image_like_one_of_a_former_plan_is_refused(
    core: Services, bits: int, twin: bool
) -> None:
    [luna] = ready_avatars(core, "luna", shots=1)
    plant_images(core, luna.id, [HASH], selected=True)
    complete_plan(core, number(core, "SELECT id FROM vixen.content_plans"))
    plant_plan(core, luna, 1, number=2)
    plant_images(core, luna.id, [HASH ^ ((1 << bits) - 1)], selected=False)
    [candidate] = images(core, luna.id, selected=False)
    choice = choose(core, [candidate], frozenset(), Thresholds())
    assert bool(choice.duplicates) is twin
    assert len(choice.selected) == (not twin)
    assert number(core, "SELECT count(*) FROM vixen.rendered_images WHERE duplicate_of IS NOT NULL"
                  ) == twin  # fmt: skip


def test_the_stage_makes_another_image_where_history_has_a_twin(core: Services) -> None:
    [luna] = ready_avatars(core, "luna", shots=1)
    plant_images(core, luna.id, [HASH], selected=True)
    complete_plan(core, number(core, "SELECT id FROM vixen.content_plans"))
    plant_plan(core, luna, 1, number=2)
    plant_images(core, luna.id, [HASH ^ 0b101], selected=False)
    [result] = render_all(core, [luna])
    assert result.outcome == "made"
    [made] = rows(core, "SELECT * FROM vixen.rendered_images WHERE selected AND attempt = 2")
    assert made.duplicate_of is None
    assert result.metadata["rejected_by_reason"].value == {"duplicate": 1}


def test_images_of_other_avatars_are_no_duplicates_and_hide_none(core: Services) -> None:
    luna, mara = ready_avatars(core, "luna", "mara", shots=30)
    plant_images(core, mara.id, [HASH ^ (1 << n) for n in range(30)], selected=True)
    plant_images(core, luna.id, [HASH ^ 0b111], selected=True)
    plant_images(core, luna.id, [HASH], selected=False)
    [candidate] = images(core, luna.id, selected=False)
    with core.database.begin() as session:
        twins = nearest_twins(session, [candidate], 8)
    assert twins[candidate.id].bits == 3


def test_twins_that_come_together_leave_the_earlier_shot_its_image(core: Services) -> None:
    [luna] = ready_avatars(core, "luna", shots=3)
    plant_images(core, luna.id, [HASH, HASH ^ 1, ~HASH & 0x7FFF_FFFF_FFFF_FFFF], selected=False)
    first, second, third = images(core, luna.id, selected=False)
    choice = choose(core, [first, second, third], frozenset(), Thresholds())
    assert [row.id for row in choice.selected] == [first.id, third.id]
    assert choice.duplicates[second.id].id == first.id


def test_a_shot_never_gets_two_images_whoever_chooses(core: Services) -> None:
    [luna] = ready_avatars(core, "luna", shots=1)
    plant_images(core, luna.id, [HASH], selected=False)
    [candidate] = images(core, luna.id, selected=False)
    with core.database.begin() as session:
        session.execute(
            text(
                "INSERT INTO vixen.rendered_images (avatar_id, shot_id, attempt, request_id,"
                " effect_id, prompt, prompt_sha256, seed, weights_sha256, selected)"
                " SELECT avatar_id, shot_id, 2, 'other', effect_id, prompt, 'x', 2, 'w', true"
                " FROM vixen.rendered_images"
            )
        )
    assert choose(core, [candidate], frozenset(), Thresholds()).selected == []


@pytest.mark.long
def test_the_nearest_image_is_asked_of_the_index_however_long_the_history(core: Services) -> None:
    [luna] = ready_avatars(core, "luna", shots=1)
    plant_images(core, luna.id, [HASH], selected=True)
    with core.database.begin() as session:
        session.execute(
            text(
                "INSERT INTO vixen.content_shots (avatar_id, plan_id, position, scene, tier,"
                " template, choices, prompt, negative_prompt, prompt_sha256, seed, embedding,"
                " embedding_model, moderation) SELECT avatar_id, plan_id, n, n, tier, template,"
                " choices, prompt, '', n::text, n, embedding, 'none', moderation"
                " FROM vixen.content_shots, generate_series(100, 4099) n"
            )
        )
        session.execute(
            text(
                "INSERT INTO vixen.rendered_images (avatar_id, shot_id, attempt, request_id,"
                " effect_id, prompt, prompt_sha256, seed, weights_sha256, selected, phash_bits)"
                " SELECT avatar_id, id, 1, 'r' || id, (SELECT min(id) FROM vixen.effects), '',"
                " prompt_sha256, 1, 'w', true, (('x' || md5(id::text))::bit(64))"
                " FROM vixen.content_shots WHERE embedding_model = 'none'"
            )
        )
        session.execute(text("ANALYZE vixen.rendered_images"))
        from vixen_pipeline.content import image_choice

        plan = session.execute(
            text(f"EXPLAIN {image_choice._NEAREST.text}"),
            {"ids": [1, 2], "bits": [hash_bits(HASH)] * 2, "most": 10},
        ).scalars()
        assert "ix_rendered_images_phash_bits" in "\n".join(plan)


@given(st.integers(0, 2**31 - 1))
def test_the_seeds_of_a_shots_attempts_all_differ_and_the_first_is_the_planned_one(
    seed: int,
) -> None:
    seeds = [seed_of_attempt(seed, attempt) for attempt in range(1, 60)]
    assert seeds[0] == seed
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= each < 2**31 for each in seeds)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9)), max_size=12), st.integers(1, 5))
def test_the_queue_gives_every_order_once_full_calls_first_one_avatar_each(
    arrivals: list[tuple[int, int]], batch: int
) -> None:
    queue, put = RenderQueue(batch), 0
    for avatar, count in arrivals:
        queue.put([_Order(avatar, put + n) for n in range(count)])  # type: ignore[misc]
        put += count
    taken: list[Any] = []
    partial = False
    while call := queue.take():
        assert len({order.avatar.id for order in call}) == 1
        assert len(call) == batch or (partial := True)
        assert not (partial and len(call) == batch)
        taken += call
    assert sorted(order.number for order in taken) == list(range(put))


class _Order:
    """What the queue looks at of an order."""

    purpose = "shot"

    def __init__(self, avatar: int, number: int) -> None:
        self.avatar = self
        self.weights = self
        self.id = avatar
        self.sha256 = "w"
        self.number = number
