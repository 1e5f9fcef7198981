"""Composing a plan's formats: exact counts, once, from members that may be shown."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from content_kit_formats import add_plan, add_still, picture
from sqlalchemy import select, update
from vixen_identity import add_avatars

from vixen_pipeline.content.format_video import CONTENT_TYPE
from vixen_pipeline.content.formats import compose
from vixen_pipeline.db.models import ContentPiece, PieceFile, PieceMember
from vixen_pipeline.errors import Transient
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.providers.fakes_media import MemoryObjectStore
from vixen_pipeline.providers.inference_ports import Video, VideoRequest
from vixen_pipeline.providers.slideshow import FfmpegVideo
from vixen_pipeline.safety.credentials import load_credentials
from vixen_pipeline.safety.provenance import read_provenance
from vixen_pipeline.services import Services

SHOTS = [(scene, "public", "auto_approved") for scene in (0, 0, 0, 1, 1, 2, 2)]
FORMATS = {"carousel": 2, "slideshow": 1}


class SmallVideo:
    """The real maker on small frames, which may be told to fail."""

    def __init__(self) -> None:
        self.requests: list[VideoRequest] = []
        self.failure: Exception | None = None
        self._maker = FfmpegVideo()

    @property
    def name(self) -> str:
        return self._maker.name

    def make(self, request: VideoRequest) -> Video:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        small = VideoRequest(request.frames, request.seconds, 72, 128, request.seed)
        return self._maker.make(small)


@pytest.fixture
def video() -> SmallVideo:
    return SmallVideo()


@pytest.fixture
def core(settings: Any, database: Any, video: SmallVideo) -> Generator[Services]:
    with Services(settings, database=database, objects=MemoryObjectStore(), video=video) as made:
        yield made


@pytest.fixture
def avatar(core: Services) -> AvatarRef:
    return add_avatars(core, "luna", persona=False)[0]


def composed(core: Services, plan_id: int) -> list[ContentPiece]:
    with core.database.begin() as session:
        query = select(ContentPiece).where(
            ContentPiece.plan_id == plan_id, ContentPiece.format != "still"
        )
        return list(session.scalars(query.order_by(ContentPiece.id)))


def members(core: Services, piece_id: int) -> list[int]:
    with core.database.begin() as session:
        query = select(PieceMember.member_id).where(PieceMember.piece_id == piece_id)
        return list(session.scalars(query.order_by(PieceMember.position)))


def set_state(core: Services, piece_id: int, state: str) -> None:
    with core.database.begin() as session:
        session.execute(update(ContentPiece).where(ContentPiece.id == piece_id).values(state=state))


def test_a_plan_gets_its_carousels_and_a_signed_video_once(
    core: Services, avatar: AvatarRef, video: SmallVideo
) -> None:
    plan_id, stills = add_plan(core, avatar, SHOTS, FORMATS)
    [result] = compose(core, [plan_id])
    assert result.complete and result.made == FORMATS == result.total
    first, second, show = composed(core, plan_id)
    assert members(core, first.id) == stills[:3]
    assert (first.key, second.key) == (f"carousel:{plan_id}:0:0", f"carousel:{plan_id}:1:0")
    assert show.key == f"slideshow:{plan_id}:0" and show.state == "auto_approved"
    assert first.disclosure == {"instagram": "AI 0"}
    assert first.lineage["copy_shot"] and first.usd == 0
    with core.database.begin() as session:
        file = session.scalars(select(PieceFile).where(PieceFile.piece_id == show.id)).one()
    assert (file.content_type, file.duration_ms) == (CONTENT_TYPE, 7200)
    signed = read_provenance(
        core.objects.get(file.object_key), CONTENT_TYPE, load_credentials(core.settings)
    )
    assert signed and signed.made_by_ai and signed.state == "trusted"
    assert signed.piece == show.key and len(signed.ingredients) == 6
    told = " ".join(signed.ingredients)
    assert f"model:{'b' * 64}" in told and f"lora:{'a' * 64}" in told
    [again] = compose(core, [plan_id])
    assert again.complete and again.made == {"carousel": 0, "slideshow": 0}
    assert len(composed(core, plan_id)) == 3 and len(video.requests) == 1


def test_a_rejected_member_takes_its_pieces_with_it_and_others_take_their_place(
    core: Services, avatar: AvatarRef
) -> None:
    plan_id, stills = add_plan(core, avatar, SHOTS, {"carousel": 1, "slideshow": 0})
    compose(core, [plan_id])
    [before] = composed(core, plan_id)
    set_state(core, stills[0], "rejected")
    [result] = compose(core, [plan_id])
    assert result.complete and result.total["carousel"] == 1
    old, new = composed(core, plan_id)
    assert old.id == before.id and (old.state, old.state_reason) == (
        "rejected",
        "a member was rejected",
    )
    assert stills[0] not in members(core, new.id) and new.key != old.key


def test_pending_members_and_manual_review_make_pending_pieces(
    core: Services, avatar: AvatarRef
) -> None:
    shots = [(0, "public", "approved"), (0, "public", "pending_review")]
    plan_id, _ = add_plan(core, avatar, shots, {"carousel": 1})
    compose(core, [plan_id])
    [piece] = composed(core, plan_id)
    assert piece.state == "pending_review"


def test_the_tier_of_a_composed_piece_is_the_narrowest_of_its_members(
    core: Services, avatar: AvatarRef
) -> None:
    shots = [(0, "public", "approved"), (0, "exclusive", "approved")]
    plan_id, _ = add_plan(core, avatar, shots, {"carousel": 1, "slideshow": 1})
    compose(core, [plan_id])
    assert [(piece.format, piece.tier) for piece in composed(core, plan_id)] == [
        ("carousel", "exclusive"),
        ("slideshow", "exclusive"),
    ]


def test_too_few_stills_fail_the_plan_by_name_and_no_other_plan(
    core: Services, avatar: AvatarRef
) -> None:
    poor, _ = add_plan(core, avatar, SHOTS[:2], {"carousel": 3})
    rich, _ = add_plan(core, avatar, SHOTS, {"carousel": 1})
    first, second = compose(core, [poor, rich])
    assert first.error and "3 carousels are planned" in first.error.message
    assert first.total["carousel"] == 1, "what can be made is made"
    assert second.complete and second.plan_id == rich


def test_a_video_that_fails_is_made_by_the_next_call(
    core: Services, avatar: AvatarRef, video: SmallVideo
) -> None:
    plan_id, _ = add_plan(core, avatar, SHOTS, FORMATS)
    video.failure = Transient("ffmpeg", "the encoder was killed.")
    [result] = compose(core, [plan_id])
    assert isinstance(result.error, Transient) and result.made["carousel"] == 2
    video.failure = None
    [result] = compose(core, [plan_id])
    assert result.complete and result.made == {"carousel": 0, "slideshow": 1}
    assert video.requests[0].seed == video.requests[1].seed, "the same piece, the same motion"


def test_a_still_without_a_vertical_rendition_fails_by_name(
    core: Services, avatar: AvatarRef
) -> None:
    plan_id, _ = add_plan(core, avatar, SHOTS[:2], {"slideshow": 1})
    with core.database.begin() as session:
        session.execute(update(PieceFile).values(name="1:1"))
    [result] = compose(core, [plan_id])
    assert result.error and "has no 9:16 rendition" in result.error.message


def test_frames_go_into_the_video_in_the_order_of_the_members(
    core: Services, avatar: AvatarRef, video: SmallVideo
) -> None:
    plan_id, stills = add_plan(core, avatar, SHOTS, {"slideshow": 1})
    compose(core, [plan_id])
    [show] = composed(core, plan_id)
    expected = [picture(stills.index(piece)) for piece in members(core, show.id)]
    assert list(video.requests[0].frames) == expected


def test_a_member_rejected_while_the_video_was_made_keeps_it_unwritten(
    core: Services, avatar: AvatarRef, video: SmallVideo
) -> None:
    plan_id, stills = add_plan(core, avatar, SHOTS[:2], {"slideshow": 1})
    make = video.make

    def rejecting(request: VideoRequest) -> Video:
        made = make(request)
        set_state(core, stills[1], "rejected")
        return made

    video.make = rejecting  # type: ignore[method-assign]
    [result] = compose(core, [plan_id])
    assert composed(core, plan_id) == [] and not result.complete
    video.make = make  # type: ignore[method-assign]
    add_still(core, avatar, plan_id, 2, SHOTS[0])
    [result] = compose(core, [plan_id])
    assert result.complete
