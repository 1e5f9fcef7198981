"""The registry finds a published picture again, and no other."""

from __future__ import annotations

import io

import pytest
from content_kit_pieces import give_plan, picture, shot_ids
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from sqlalchemy import select, update
from vixen_identity import add_avatars

from vixen_pipeline.content.piece_finding import find_piece, provenance_of
from vixen_pipeline.content.pieces import run_content_pieces
from vixen_pipeline.db.models import ContentPiece, PieceFile
from vixen_pipeline.errors import NotImage
from vixen_pipeline.pictures.fingerprints import ENOUGH, likeness
from vixen_pipeline.pictures.renditions import make_renditions, upright_srgb
from vixen_pipeline.safety.provenance import sign_file
from vixen_pipeline.sandbox.drawing import Order, draw
from vixen_pipeline.sandbox.drawing_look import look_from_prompt
from vixen_pipeline.stages import no_progress

LOOK = look_from_prompt("copper long waves hair, green eyes, olive skin")
SCENE = "waist up, gym interior, sage training set, morning light"


def drawn(number: int, words: str) -> bytes:
    return draw(Order(f"photo of a woman, {words}, {SCENE}", number, 896, 1152, LOOK))


def published(data: bytes) -> bytes:
    return make_renditions(upright_srgb(data), ["4:5"])[0].data


def saved(image: Image.Image, quality: int = 75, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, kind, quality=quality)
    return out.getvalue()


def cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    wide, high = image.size
    return image.crop(
        (round(left * wide), round(top * high), round(right * wide), round(bottom * high))
    )


def shown(image: Image.Image, sides: float, above: float, colour: tuple[int, int, int]):
    """On a plain page, with lines of words above and below: a screenshot."""
    wide, high = image.size
    page = Image.new("RGB", (round(wide * (1 + 2 * sides)), round(high * (1 + 2 * above))), colour)
    page.paste(image, (round(wide * sides), round(high * above)))
    words = ImageDraw.Draw(page)
    for top in (0.2 * above, 1 + 1.5 * above):
        words.rectangle((wide * 0.05, high * top, wide * 0.4, high * (top + above / 5)), "grey")
    return saved(page, 85)


CHANGES = {
    "saved again at quality 40": lambda i: saved(i, 40),
    "as WebP": lambda i: saved(i, 60, "WEBP"),
    "as PNG": lambda i: saved(i, kind="PNG"),
    "a third as large": lambda i: saved(i.resize((360, 450))),
    "twice as large": lambda i: saved(i.resize((2160, 2700))),
    "five percent cut all round": lambda i: saved(cut(i, 0.05, 0.05, 0.95, 0.95)),
    "ten percent cut at the left": lambda i: saved(cut(i, 0.1, 0, 1, 1)),
    "ten percent cut at top and left": lambda i: saved(cut(i, 0.1, 0.1, 1, 1)),
    "mirrored": lambda i: saved(ImageOps.mirror(i)),
    "brighter": lambda i: saved(ImageEnhance.Brightness(i).enhance(1.2)),
    "more contrast": lambda i: saved(ImageEnhance.Contrast(i).enhance(1.3)),
}


@pytest.fixture
def luna(core):
    (luna,) = add_avatars(core, "luna")
    give_plan(core, luna, 6)
    (result,) = run_content_pieces(core, [luna.key], no_progress)
    assert result.outcome == "made"
    return luna


def files(core, name: str = "4:5"):
    """(piece id, signed bytes) of every file with this name."""
    with core.database.begin() as session:
        rows = session.execute(
            select(PieceFile.piece_id, PieceFile.object_key)
            .where(PieceFile.name == name)
            .order_by(PieceFile.id)
        ).all()
    return [(row[0], core.objects.get(row[1])) for row in rows]


def test_a_published_picture_is_found_whatever_was_done_to_it(core, luna):
    for change, make in CHANGES.items():
        for piece_id, data in files(core)[::3]:
            found = find_piece(core, make(Image.open(io.BytesIO(data))))
            assert [each.piece_id for each in found] == [piece_id], change
            assert found[0].how == "looks" and found[0].avatar == luna.key
            assert found[0].likeness >= ENOUGH


@pytest.mark.parametrize(
    ("sides", "above", "colour"),
    [(0, 0.25, (0, 0, 0)), (0, 0.08, (255, 255, 255)), (0.06, 0.15, (250, 250, 250))],
)
def test_a_published_picture_is_found_in_a_screenshot(core, luna, sides, above, colour):
    for piece_id, data in files(core)[:2]:
        page = shown(Image.open(io.BytesIO(data)), sides, above, colour)
        assert [each.piece_id for each in find_piece(core, page)] == [piece_id]
    assert find_piece(core, shown(Image.open(io.BytesIO(picture(5))), sides, above, colour)) == []


def test_the_very_file_is_found_by_its_bytes(core, luna):
    piece_id, data = files(core)[0]
    (found,) = find_piece(core, data)
    assert (found.piece_id, found.how, found.file) == (piece_id, "exact", "4:5")


def test_intact_credentials_lead_to_the_piece_without_any_look(core, luna):
    """A file that a killed run left without a row is signed for its piece all the same."""
    from vixen_pipeline.safety.credentials import load_credentials
    from vixen_pipeline.safety.provenance import Origin

    with core.database.begin() as session:
        piece = session.scalars(select(ContentPiece)).first()
    origin = Origin(
        "t", piece.key, "SDXL", core.clock.now(), details={"avatar": luna.key, "shape": "4:5"}
    )
    other = sign_file(load_credentials(core.settings), picture(77), "image/jpeg", origin).data
    (found,) = find_piece(core, other)
    assert (found.piece_id, found.how) == (piece.id, "credentials")


def test_credentials_of_a_stranger_lead_nowhere(core, luna, tmp_path):
    from vixen_pipeline.safety.credentials import load_credentials
    from vixen_pipeline.safety.provenance import Origin

    with core.database.begin() as session:
        piece = session.scalars(select(ContentPiece)).first()
    stranger = load_credentials(core.settings.model_copy(update={"home": tmp_path / "stranger"}))
    origin = Origin(
        "t", piece.key, "SDXL", core.clock.now(), details={"avatar": luna.key, "shape": "4:5"}
    )
    forged = sign_file(stranger, picture(78), "image/jpeg", origin).data
    assert provenance_of(core, forged).state == "valid"
    assert find_piece(core, forged) == []


def test_another_picture_is_none_of_the_pieces(core, luna):
    for number in range(5):
        assert find_piece(core, picture(90_000 + number)) == []


def test_damaged_credentials_do_not_keep_a_picture_from_being_found(core, luna):
    piece_id, data = files(core)[1]
    damaged = bytearray(data)
    damaged[-3000] ^= 4
    assert [each.piece_id for each in find_piece(core, bytes(damaged))] == [piece_id]
    assert provenance_of(core, bytes(damaged)).state == "invalid"


def test_a_rejected_piece_is_still_on_record(core, luna):
    piece_id, data = files(core)[0]
    with core.database.begin() as session:
        session.execute(
            update(ContentPiece).where(ContentPiece.id == piece_id).values(state="rejected")
        )
    (found,) = find_piece(core, data)
    assert found.state == "rejected"


def test_what_is_no_picture_is_refused(core):
    for data in (b"", b"hello", b"GIF89a" + bytes(100)):
        with pytest.raises(NotImage):
            find_piece(core, data)


def test_likeness_parts_copies_from_other_pictures_of_one_scene():
    """Where `ENOUGH` comes from: the same person, clothes and place in another pose."""
    words = ["front view, smiling", "three-quarter view, laughing", "side profile, serious",
             "low angle, smiling", "high angle, looking away", "front view, laughing"]  # fmt: skip
    pictures = [published(drawn(number, each)) for number, each in enumerate(words)]
    opened = [Image.open(io.BytesIO(each)).convert("RGB") for each in pictures]
    copies = [
        likeness(Image.open(io.BytesIO(make(opened[0]))), pictures[0]) for make in CHANGES.values()
    ]
    others = [
        likeness(opened[one], pictures[other])
        for one in range(len(words))
        for other in range(len(words))
        if one != other
    ]
    assert min(copies) > ENOUGH + 0.02
    assert max(others) < ENOUGH - 0.04


def test_the_registry_is_asked_through_its_index(core, luna):
    from sqlalchemy import text

    from vixen_pipeline.content.piece_finding import _NEAREST

    with core.database.begin() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.execute(
            text(f"EXPLAIN {_NEAREST.text}"), {"bits": "0" * 64, "count": 4}
        ).scalars()
        assert "ix_piece_files_phash_bits" in "\n".join(plan)
    assert shot_ids(core, 1)
