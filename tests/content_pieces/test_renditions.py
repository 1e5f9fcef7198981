"""Shapes of platforms: size, colours, metadata, what is cut and what stays."""

from __future__ import annotations

import io

import pytest
from content_kit_pieces import picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from vixen_pipeline.pictures.files import open_picture
from vixen_pipeline.pictures.quality import difference_hash, hash_distance
from vixen_pipeline.pictures.renditions import (
    LEAST_KEPT,
    MOST_SCALE,
    SIZES,
    crop_box,
    make_renditions,
    upright_srgb,
)


@pytest.mark.parametrize("size", [(896, 1152), (1024, 1024), (832, 1216), (1344, 768)])
def test_every_shape_has_its_size_and_its_own_hash(size):
    image = upright_srgb(picture(3, size))
    made = make_renditions(image, list(SIZES))
    assert [(each.width, each.height) for each in made] == list(SIZES.values())
    for each in made:
        stored = open_picture(each.data)
        assert (stored.width, stored.height) == SIZES[each.name]
        assert hash_distance(each.phash, difference_hash(stored)) <= 4


def test_metadata_is_left_behind_and_the_profile_is_srgb():
    exif = Image.Exif()
    exif[0x010E] = "home of somebody"
    exif[0x8769] = {0x9003: "2026:01:01 10:00:00"}
    made = make_renditions(upright_srgb(picture(4, exif=exif, comment=b"secret")), ["4:5"])
    opened = Image.open(io.BytesIO(made[0].data))
    assert dict(opened.getexif()) == {} and b"somebody" not in made[0].data
    assert b"secret" not in made[0].data
    profile = ImageCms.ImageCmsProfile(io.BytesIO(opened.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)


def test_a_picture_lying_on_its_side_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert upright_srgb(picture(5, (1152, 896), exif=exif)).size == (896, 1152)


def test_other_colour_spaces_are_converted_not_reinterpreted():
    lab = ImageCms.createProfile("LAB")
    grey = Image.new("RGB", (300, 400), (200, 30, 30))
    as_lab = ImageCms.profileToProfile(grey, ImageCms.createProfile("sRGB"), lab, outputMode="LAB")
    out = io.BytesIO()
    as_lab.save(out, "TIFF", icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())
    red, green, blue = upright_srgb(out.getvalue()).getpixel((10, 10))
    assert abs(red - 200) < 6 and abs(green - 30) < 6 and abs(blue - 30) < 6


def test_an_unreadable_profile_counts_as_srgb():
    image = upright_srgb(picture(6, icc_profile=b"not a profile"))
    assert image.mode == "RGB" and image.size == (896, 1152)


def test_a_shape_that_would_cut_the_picture_up_is_padded_with_its_own_colours():
    image = Image.new("RGB", (1024, 1024), (10, 120, 60))
    (made,) = make_renditions(image, ["9:16"])
    assert made.how == "pad" and made.scale == pytest.approx(1080 / 1024, abs=0.001)
    shown = Image.open(io.BytesIO(made.data))
    red, green, blue = shown.getpixel((540, 20))
    assert abs(green - 120) < 6 and abs(red - 10) < 6 and abs(blue - 60) < 6


def test_the_head_stays_in_the_crop_wherever_it_is():
    for top in (0.0, 0.2, 0.45, 0.6):
        box = crop_box((896, 1152), (1080, 1080), (0.35, top, 0.65, top + 0.3))
        assert box is not None
        assert box[1] <= top * 1152 + 0.01 and box[3] >= (top + 0.3) * 1152 - 0.01


def test_without_knowing_better_more_is_cut_at_the_bottom_than_at_the_top():
    box = crop_box((896, 1152), (1080, 1080))
    assert box is not None and box[1] < 1152 - box[3]


shares = st.floats(0, 1, allow_nan=False)


@given(
    st.integers(64, 4000),
    st.integers(64, 4000),
    st.sampled_from(list(SIZES)),
    st.tuples(shares, shares, shares, shares),
)
@settings(max_examples=300, deadline=None)
def test_a_crop_lies_inside_has_the_shape_and_keeps_the_promises(width, height, name, corners):
    left, right = sorted(corners[:2])
    top, bottom = sorted(corners[2:])
    target = SIZES[name]
    box = crop_box((width, height), target, (left, top, right, bottom))
    if box is None:
        return
    wide, high = box[2] - box[0], box[3] - box[1]
    near = 1e-6 * max(width, height)
    assert (
        -near <= box[0] and box[2] <= width + near and -near <= box[1] and box[3] <= height + near
    )
    assert wide / high == pytest.approx(target[0] / target[1])
    assert wide * high >= LEAST_KEPT * width * height * (1 - 1e-9)
    assert target[0] / wide <= MOST_SCALE * (1 + 1e-9)
    assert box[0] <= left * width + near and box[2] >= right * width - near
    assert box[1] <= top * height + near and box[3] >= bottom * height - near


def test_a_shape_cut_out_of_another_is_the_same_picture_as_made_alone():
    image = upright_srgb(picture(8))
    together = {each.name: each for each in make_renditions(image, list(SIZES))}
    (alone,) = make_renditions(image, ["1:1"])
    assert together["1:1"].how == alone.how and together["1:1"].scale == alone.scale
    one, other = (Image.open(io.BytesIO(r.data)).convert("L") for r in (together["1:1"], alone))
    differences = [abs(a - b) for a, b in zip(one.tobytes(), other.tobytes(), strict=True)]
    assert sum(differences) / len(differences) < 3
