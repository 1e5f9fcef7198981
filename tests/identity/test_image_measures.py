"""Images are opened without trust, measured in pixels, and judged from raw measurements."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import time
import zlib
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from vixen_pipeline.errors import NotImage
from vixen_pipeline.pictures.contact_sheet import MAX_MARKDOWN_BYTES, contact_sheet, markdown_image
from vixen_pipeline.pictures.files import as_jpeg, open_picture
from vixen_pipeline.pictures.quality import (
    Thresholds,
    difference_hash,
    hash_distance,
    reason_kinds,
    sharpness_of,
    verdict,
)
from vixen_pipeline.providers.fakes import draw_pattern
from vixen_pipeline.providers.ports import ImageRequest


def drawn(seed=1, side=1024):
    return draw_pattern(ImageRequest("m", "p", "", seed, side, side))


def encoded(image, kind="JPEG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(side=256):
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (side, side, 3), np.uint8))


def bomb() -> bytes:
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1_000_000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_still_images_of_three_formats_are_opened(kind):
    picture = open_picture(encoded(noise(), kind))
    assert (picture.width, picture.height) == (256, 256)
    assert picture.content_type == f"image/{kind.lower()}"


BAD = {
    "empty": (b"", "empty"),
    "html": (b"<!doctype html><p>no", "web page"),
    "noise": (b"\x00\x01" * 50, "not a JPEG"),
    "gif": (encoded(noise(), "GIF"), "GIF"),
    "animated": (
        encoded(
            noise(64), "WEBP", save_all=True, append_images=[Image.new("RGB", (64, 64), "red")]
        ),
        "animated",
    ),
    "cut jpeg": (encoded(noise())[:9000], "cut off"),
    "cut png": (encoded(noise(), "PNG")[:9000], "cut off"),
    "header only": (encoded(noise())[:30], "cut off"),
    "bomb": (bomb(), "pixels"),
    "black": (encoded(Image.new("RGB", (800, 800))), "black"),
    "flat": (encoded(Image.new("RGB", (800, 800), (90, 120, 200))), "blank"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_usable_image_is_refused_with_its_reason(name):
    data, reason = BAD[name]
    with pytest.raises(NotImage, match=reason):
        open_picture(data)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(["JPEG", "PNG", "WEBP"]))
def test_damaged_bytes_never_escape_as_another_error(seed, kind):
    dice = random.Random(seed)
    data = bytearray(encoded(noise(48), kind))
    for _ in range(dice.randrange(1, 8)):
        data[dice.randrange(len(data))] = dice.randrange(256)
    with contextlib.suppress(NotImage):
        open_picture(bytes(data[: dice.randrange(1, len(data))]))


def test_blur_lowers_sharpness_below_the_threshold_and_a_sharp_face_before_blur_keeps_it():
    sharp = Image.open(io.BytesIO(drawn()))
    least = Thresholds().min_sharpness
    assert sharpness_of(open_picture(encoded(sharp, quality=95))) > least
    blurred = sharp.filter(ImageFilter.GaussianBlur(12))
    assert sharpness_of(open_picture(encoded(blurred, quality=95))) < least
    blurred.paste(sharp.crop((256, 256, 768, 768)), (256, 256))
    assert sharpness_of(open_picture(encoded(blurred, quality=95))) > least


def test_the_hash_is_stable_under_recompression_and_far_for_another_image():
    first = difference_hash(open_picture(drawn(1)))
    again = Image.open(io.BytesIO(drawn(1))).resize((900, 900))
    same = difference_hash(open_picture(encoded(again, quality=40)))
    assert (
        hash_distance(first, same)
        <= 8
        < hash_distance(first, difference_hash(open_picture(drawn(2))))
    )
    assert -(2**63) <= first < 2**63


@given(a=st.integers(-(2**63), 2**63 - 1), b=st.integers(-(2**63), 2**63 - 1))
def test_hash_distance_is_a_distance_of_64_bits(a, b):
    assert hash_distance(a, b) == hash_distance(b, a)
    assert hash_distance(a, a) == 0
    assert 0 <= hash_distance(a, b) <= 64


@dataclass(frozen=True)
class Row:
    unusable: str | None = None
    object_key: str | None = "k"
    width: int | None = 1024
    height: int | None = 1024
    phash: int | None = 5
    sharpness: float | None = 900.0
    identity_score: float | None = 0.99
    identity_scorer: str | None = "appearance"
    moderation: dict | None = None


GOOD = Row(moderation={"flagged": False, "categories": []})


def judge(row, scorer="appearance"):
    return verdict(row, Thresholds(), scorer=scorer)


def test_a_good_image_has_no_reasons_against_it():
    assert judge(GOOD) == []
    assert verdict(replace(GOOD, identity_score=None), Thresholds(), scorer=None) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"width": 767}, "size: 767 px on the short side, at least 768"),
        ({"width": None}, "size: not measured"),
        ({"sharpness": 39.4}, "sharpness: 39, at least 40"),
        ({"sharpness": None}, "sharpness: not measured"),
        ({"sharpness": float("nan")}, "sharpness: nan, at least 40"),
        ({"phash": None}, "duplicate: not measured"),
        ({"identity_score": 0.1}, "identity: 0.100 by appearance"),
        ({"identity_score": None}, "identity: not measured by appearance"),
        ({"identity_scorer": "dlib"}, "identity: not measured by appearance"),
        ({"identity_score": float("nan")}, "identity: nan by appearance"),
        ({"moderation": None}, "moderation: not measured"),
        ({"moderation": {}}, "moderation: not measured"),
        ({"moderation": {"flagged": True, "categories": ["sexual"]}}, "moderation: sexual"),
        ({"unusable": "the image is black"}, "unusable: the image is black"),
        ({"object_key": None}, "unusable: it was never stored"),
    ],
)
def test_each_shortfall_is_named(change, reason):
    found = judge(replace(GOOD, **change))
    assert len(found) == 1 and found[0].startswith(reason)


MEASURES = st.fixed_dictionaries(
    {
        "unusable": st.sampled_from([None, "damaged"]),
        "object_key": st.sampled_from([None, "k"]),
        "width": st.none() | st.integers(1, 5000),
        "height": st.none() | st.integers(1, 5000),
        "phash": st.none() | st.integers(-(2**63), 2**63 - 1),
        "sharpness": st.none() | st.floats(),
        "identity_score": st.none() | st.floats(),
        "identity_scorer": st.sampled_from([None, "appearance", "dlib", "other"]),
        "moderation": st.sampled_from(
            [None, {}, {"flagged": None}, {"flagged": True}, {"flagged": False}]
        ),
    }
)


@given(values=MEASURES, scorer=st.sampled_from(["appearance", "dlib", "other"]))
def test_nothing_passes_that_was_not_measured_or_falls_short(values, scorer):
    row, limits = Row(**values), Thresholds()
    reasons = verdict(row, limits, scorer=scorer)
    assert all(": " in reason for reason in reasons)
    good = (
        row.unusable is None
        and row.object_key is not None
        and row.width is not None
        and row.height is not None
        and min(row.width, row.height) >= limits.min_short_side
        and row.phash is not None
        and row.sharpness is not None
        and row.sharpness >= limits.min_sharpness
        and row.identity_scorer == scorer
        and row.identity_score is not None
        and row.identity_score >= limits.identity.get(scorer, 2**2000)
        and row.moderation == {"flagged": False}
    )
    assert (reasons == []) is good


def test_reasons_are_counted_by_kind():
    assert reason_kinds(["size: a", "size: b", "identity: c"]) == {"size": 2, "identity": 1}


def test_a_jpeg_is_kept_to_the_byte_and_other_formats_become_one():
    data = drawn()
    assert as_jpeg(data) is data
    assert as_jpeg(encoded(noise(), "PNG")).startswith(b"\xff\xd8\xff")


def test_a_contact_sheet_of_many_noisy_images_stays_under_the_cap():
    hard = encoded(noise(600), quality=95)
    for count in (1, 7, 50, 300):
        sheet = contact_sheet([lambda: hard] * count)
        assert len(markdown_image(sheet, "images")) <= MAX_MARKDOWN_BYTES
        assert open_picture(sheet).width > 0


def test_measuring_a_1024_pixel_image_costs_little():
    data = drawn()
    open_picture(data)
    started = time.process_time()
    for _ in range(5):
        picture = open_picture(data)
        sharpness_of(picture)
        difference_hash(picture)
    assert (time.process_time() - started) / 5 < 0.12  # about 0.03 s on an idle core
