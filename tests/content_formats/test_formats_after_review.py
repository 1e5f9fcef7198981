"""Composing what a person has rejected from: nothing rejected comes back, no plan hangs."""

from __future__ import annotations

import pytest
from content_kit_pieces import give_image, give_plan
from sqlalchemy import select
from vixen_identity import add_avatars, fake_services

from vixen_pipeline.content.format_choice import Still, choose
from vixen_pipeline.content.listing import PieceFilter, list_pieces
from vixen_pipeline.content.pieces import run_content_pieces
from vixen_pipeline.content.review import Decisions, review
from vixen_pipeline.db.models import ContentPiece
from vixen_pipeline.services import Services
from vixen_pipeline.stages import no_progress


@pytest.fixture
def core(settings, database) -> Services:
    return fake_services(settings, database)


def made(core, count, formats):
    (luna,) = add_avatars(core, "luna")
    give_plan(core, luna, count, formats=formats)
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "made", result
    return luna


def test_stills_rejected_without_replacement_do_not_keep_a_reopened_plan_open(core):
    luna = made(core, 4, {"carousel": 2})
    stills = list_pieces(core, luna.key, PieceFilter(format="still"))
    first, second, third, _ = (p.id for p in sorted(stills, key=lambda p: p.lineage["shot"]))
    review(core, luna.key, Decisions((), [first, second], "too dark"), by="mara")
    review(core, luna.key, Decisions((), [third], "odd hand", True), by="mara")
    with core.database.begin() as session:
        shot = session.scalars(select(ContentPiece.shot_id).where(ContentPiece.id == third)).one()
    give_image(core, luna, shot, attempt=2)
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "made", result
    assert (
        len(list_pieces(core, luna.key, PieceFilter(format="carousel", state="auto_approved"))) == 1
    )
    assert next(c for c in result.checks if c.name == "pieces_complete").passed


def test_a_carousel_rejected_for_itself_is_replaced_by_another_one(core):
    luna = made(core, 4, {"carousel": 1})
    (carousel,) = list_pieces(core, luna.key, PieceFilter(format="carousel"))
    review(core, luna.key, Decisions((), [carousel.id], "dull", True), by="mara")
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "made", result
    (fresh,) = list_pieces(core, luna.key, PieceFilter(format="carousel"))
    assert set(fresh.members) != set(carousel.members)


def test_the_only_carousel_that_can_be_composed_may_be_rejected(core):
    luna = made(core, 2, {"carousel": 1})
    (carousel,) = list_pieces(core, luna.key, PieceFilter(format="carousel"))
    review(core, luna.key, Decisions((), [carousel.id], "dull", True), by="mara")
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "made", result
    assert list_pieces(core, luna.key, PieceFilter(format="carousel")) == []


def test_four_stills_of_one_tier_give_two_slideshows():
    stills = [Still(at, at, at, at, "public", "auto_approved") for at in range(4)]
    chosen = choose("slideshow", stills, 2, seed=1)
    assert [len(choice.members) for choice in chosen] == [4, 3]
