"""The drawn people: sharp, distinct, recognisable, and what the words say."""

from __future__ import annotations

import io
import random
import time

import imagehash
import numpy as np
import pytest
from PIL import Image

from vixen_pipeline.sandbox.drawing import Order, draw
from vixen_pipeline.sandbox.drawing_look import (
    Look,
    look_from_pixels,
    look_from_prompt,
    stranger_to,
)
from vixen_pipeline.sandbox.drawing_pool import marked
from vixen_pipeline.sandbox.drawing_shot import EXPRESSIONS, LIGHTS, PLACES, read_shot

LUNA = "28-year-old adult woman, copper long waves hair, green eyes, olive skin, wearing navy shirt"
OMAR = "31-year-old adult man, black short hair, brown eyes, brown skin, beard, wearing white tee"


def order(person: str, shot: str, seed: int, **changes: object) -> Order:
    values = {"width": 512, "height": 512, "look": look_from_prompt(person), **changes}
    return Order(f"photograph of a {person}, {shot}", seed, **values)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def shots(count: int) -> list[str]:
    framings = ["face close-up", "bust", "half body", "full body", "bust"]
    lights = ["soft window light", "golden hour light", "studio softbox light", "rim light"]
    return [
        f"{framings[i % 5]}, {EXPRESSIONS[i % 8][0]}, {lights[i % 4]}, "
        f"{PLACES[i % len(PLACES)][0]} background"
        for i in range(count)
    ]


def sharpness(image: Image.Image) -> float:
    grey = np.asarray(image.convert("L"), dtype=float)
    edge = (
        grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    )
    tiles = [
        edge[y : y + 128, x : x + 128].var()
        for y in range(0, edge.shape[0] - 127, 128)
        for x in range(0, edge.shape[1] - 127, 128)
    ]
    return float(np.percentile(tiles, 90))


@pytest.mark.parametrize("person", [LUNA, OMAR])
def test_different_shots_of_a_person_are_different_pictures(person: str) -> None:
    images = [opened(draw(order(person, shot, i))) for i, shot in enumerate(shots(24))]
    for of in (imagehash.dhash, imagehash.phash):
        hashes = [of(image) for image in images]
        apart = [a - b for i, a in enumerate(hashes) for b in hashes[:i]]
        assert sum(distance <= 8 for distance in apart) / len(apart) < 0.01


def test_pictures_are_sharp_and_blurry_ones_are_not() -> None:
    for person in (LUNA, OMAR):
        for i, shot in enumerate(shots(5)):
            wanted = order(person, shot, i, width=1024, height=1024)
            assert sharpness(opened(draw(wanted))) > 150
            blurry = order(person, shot, i, width=1024, height=1024, kind="blurry")
            assert sharpness(opened(draw(blurry))) < 20


def face_color(person: str, look: Look, shot: str, seed: int) -> np.ndarray:
    image = opened(draw(order(person, f"face close-up, {shot}", seed, look=look)))
    return np.asarray(image)[200:280, 200:312].reshape(-1, 3).mean(axis=0)


def test_a_person_keeps_the_colours_of_the_face_and_a_stranger_has_others() -> None:
    look = look_from_prompt(LUNA)
    same = [face_color(LUNA, look, shot, i) for i, shot in enumerate(shots(6))]
    other = [face_color(LUNA, stranger_to(look, i), shot, i) for i, shot in enumerate(shots(6))]
    middle = np.mean(same, axis=0)
    within = max(float(np.abs(color - middle).max()) for color in same)
    between = min(float(np.abs(color - middle).max()) for color in other)
    assert within < between


def test_words_decide_the_look() -> None:
    luna, omar = look_from_prompt(LUNA), look_from_prompt(OMAR)
    assert (luna.hair, luna.eyes, luna.skin) == ((184, 88, 44), (70, 128, 84), (198, 158, 114))
    assert (luna.style, luna.man, omar.style, omar.man, omar.beard) == (
        "long",
        False,
        "short",
        True,
        True,
    )
    assert look_from_prompt("a person, moonlit mauve hair") == look_from_prompt(
        "a person, moonlit mauve hair"
    )


def test_words_decide_the_shot() -> None:
    prompt = "half body, three-quarter view from the left, laughing, golden hour light, sandy beach"
    shot = read_shot(prompt, random.Random(1))
    assert (shot.framing, shot.expression, shot.place, shot.light.name) == (
        "half",
        "laugh",
        "beach",
        "golden",
    )
    assert shot.yaw < -0.4


@pytest.mark.parametrize("style", ["long", "bob", "short", "curly", "bun", "ponytail", "braid",
                                   "afro", "bald"])  # fmt: skip
def test_every_hair_style_can_be_drawn(style: str) -> None:
    person = f"adult woman, auburn {style} hair, freckles, glasses"
    assert look_from_prompt(person).style == style
    assert draw(order(person, "bust", 1, width=256, height=320))


@pytest.mark.parametrize("place", [name for name, _ in PLACES])
def test_every_place_can_be_drawn(place: str) -> None:
    lights = [light[0] for light in LIGHTS]
    shot = f"full body, {lights[len(place) % len(lights)]} light, {place} background"
    assert opened(draw(order(LUNA, shot, 1, width=300, height=200))).size == (300, 200)


def test_a_look_survives_its_json() -> None:
    look = look_from_prompt(LUNA)
    assert Look.from_json(look.as_json()) == look


def test_bytes_that_are_no_picture_have_no_look() -> None:
    assert look_from_pixels(b"<html>") is None


def test_marking_changes_bytes_and_not_pixels() -> None:
    content = draw(order(LUNA, "bust", 1))
    assert marked(content, "a") != marked(content, "b") != content
    assert opened(marked(content, "a")).tobytes() == opened(content).tobytes()


def test_a_picture_costs_little_time() -> None:
    big = [order(LUNA, shot, i, width=1024, height=1024) for i, shot in enumerate(shots(8))]
    draw(big[0])
    spent: list[float] = []
    for wanted in big:
        begun = time.thread_time()
        draw(wanted)
        spent.append(time.thread_time() - begun)
    assert min(spent) < 0.15, "a guard against a tenfold loss, not a measurement"
