"""A whole call on the tiny pipeline: answers by id, failures of one image, the safety checker."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import pytest
import tiny_sdxl
from conftest import Allowing, prompt
from PIL import Image

from vixen_inference.inference import FLAGGED, NOT_CHECKED, Studio
from vixen_inference.safety import ClipChecker
from vixen_inference.wire import Refused


def picture(answer: dict[str, Any], name: str) -> bytes:
    return base64.b64decode(answer["images"][name]["image"])


def test_each_image_is_tied_to_its_prompt_by_id_and_not_by_its_place(
    studio: Studio, weights: Any
) -> None:
    several = [prompt("a"), prompt("b", seed=4), prompt("c", width=320, prompt="on a hill")]
    answer = studio.render(weights.body(prompts=several))
    assert set(answer["images"]) == {"a", "b", "c"} and answer["failed"] == {}
    assert len({picture(answer, name) for name in "abc"}) == 3
    assert Image.open(io.BytesIO(picture(answer, "c"))).size == (320, 256)
    stated = answer["images"]["b"]
    assert stated["sha256"] == hashlib.sha256(picture(answer, "b")).hexdigest()
    assert (stated["seed"], stated["content_type"]) == (4, "image/png")
    assert answer["model_digest"] == "d" * 64 and answer["gpu"] == "CPU" and answer["seconds"] > 0
    turned = studio.render(weights.body(prompts=several[::-1]))
    assert [picture(turned, name) for name in "abc"] == [picture(answer, name) for name in "abc"]


def test_a_call_leaves_nothing_for_the_next(studio: Studio, weights: Any) -> None:
    first = picture(studio.render(weights.body()), "a")
    other = picture(studio.render(weights.body("other.safetensors", "embeddings.pti")), "a")
    assert other != first
    assert picture(studio.render(weights.body()), "a") == first


def test_embeddings_make_the_trigger_word_mean_the_person(studio: Studio, weights: Any) -> None:
    plain = picture(studio.render(weights.body()), "a")
    trained = picture(studio.render(weights.body(embeddings="embeddings.pti")), "a")
    untold = weights.body(embeddings="embeddings.pti", trigger_word=None)
    assert trained != plain
    assert picture(studio.render(untold), "a") == plain, "unnamed tokens do nothing"


def test_the_scale_of_the_lora_is_obeyed(studio: Studio, weights: Any) -> None:
    images = {picture(studio.render(weights.body(lora_scale=s)), "a") for s in (0.0, 0.8, 1.6)}
    assert len(images) == 3


@pytest.mark.parametrize(("format", "kind"), [("jpg", "JPEG"), ("webp", "WEBP")])
def test_images_come_in_the_format_asked_for(
    studio: Studio, weights: Any, format: str, kind: str
) -> None:
    answer = studio.render(weights.body(format=format))
    assert Image.open(io.BytesIO(picture(answer, "a"))).format == kind


def test_one_image_that_fails_does_not_lose_the_others(
    studio: Studio, weights: Any, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = type(pipeline).__call__

    def failing(self: Any, *values: Any, **named: Any) -> Any:
        if named["prompt"] == "too much":
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB at 0x7f")
        if named["prompt"] == "odd":
            raise ValueError("bad\nshape")
        return draw(self, *values, **named)

    monkeypatch.setattr(type(pipeline), "__call__", failing)
    several = [prompt("a"), prompt("b", prompt="too much"), prompt("c", prompt="odd"), prompt("d")]
    answer = studio.render(weights.body(prompts=several))
    assert set(answer["images"]) == {"a", "d"}
    assert answer["failed"] == {"b": "out of memory", "c": "ValueError: bad shape"}


def test_what_the_checker_flags_or_cannot_judge_is_not_given_out(
    studio: Studio, weights: Any, checker: Allowing
) -> None:
    checker.flags, checker.breaks = frozenset({0}), frozenset({1})
    several = [prompt("a"), prompt("b", seed=4), prompt("c", seed=5)]
    answer = studio.render(weights.body(prompts=several))
    assert answer["failed"] == {"a": FLAGGED, "b": NOT_CHECKED}
    assert set(answer["images"]) == {"c"}


def test_the_real_checker_flags_by_its_thresholds() -> None:
    model, processor = tiny_sdxl.clip_checker()
    image = Image.new("RGB", (256, 256), (200, 150, 100))
    assert ClipChecker(model, processor).allows(image)
    model.concept_embeds_weights.data.fill_(-2.0)  # now every image is too near
    assert not ClipChecker(model, processor).allows(image)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"weights_sha256": "0" * 64}, "weights_mismatch"),
        ({"weights_url": "http://127.0.0.1:9/gone"}, "weights_unavailable"),
    ],
)
def test_unusable_weights_refuse_the_call_before_anything_is_drawn(
    studio: Studio, weights: Any, checker: Allowing, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(Refused) as refusal:
        studio.render(weights.body(**changes))
    assert refusal.value.code == code and checker.seen == 0


def test_wrong_embeddings_refuse_the_call(studio: Studio, weights: Any) -> None:
    with pytest.raises(Refused) as refusal:
        studio.render(weights.body(embeddings="embeddings.pti", embeddings_sha256="1" * 64))
    assert refusal.value.code == "weights_mismatch"
    swapped = weights.body(embeddings="lora.safetensors")
    with pytest.raises(Refused, match="no text_encoders_0 of width 16"):
        studio.render(swapped)
