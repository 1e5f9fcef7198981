"""LoRA and trained tokens: they change the image, and leave without a trace."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import tiny_sdxl
import torch
from safetensors.torch import load_file, save_file

from vixen_inference.adapters import adapted, with_tokens
from vixen_inference.wire import Refused

PROMPT = "vxn_luna in a park"


def drawn(pipeline: Any, prompt: str = PROMPT, scale: float | None = None) -> str:
    """The digest of the image of one prompt."""
    scaled = {} if scale is None else {"cross_attention_kwargs": {"scale": scale}}
    image = pipeline(
        prompt=prompt,
        width=256,
        height=256,
        num_inference_steps=2,
        generator=torch.Generator("cpu").manual_seed(3),
        **scaled,
    ).images[0]
    return hashlib.sha256(image.tobytes()).hexdigest()


def test_a_lora_changes_the_image_and_unloading_restores_it_to_the_bit(
    pipeline: Any, weights: Any
) -> None:
    before = drawn(pipeline)
    assert drawn(pipeline) == before, "the same seed gives the same image"
    with adapted(pipeline, weights.folder / "lora.safetensors", None):
        one = drawn(pipeline, scale=0.8)
        assert drawn(pipeline, scale=0.0) == before, "without weight it changes nothing"
        assert drawn(pipeline, scale=0.4) != one, "its scale matters"
    assert one != before
    assert drawn(pipeline) == before
    with adapted(pipeline, weights.folder / "other.safetensors", None):
        assert drawn(pipeline, scale=0.8) not in (one, before), "another person's is another image"
    with adapted(pipeline, weights.folder / "lora.safetensors", None):
        assert drawn(pipeline, scale=0.8) == one, "what was loaded in between left nothing"
    assert drawn(pipeline) == before


def test_every_layer_of_the_trainers_file_is_in_use(pipeline: Any, weights: Any) -> None:
    """As if up x down had been added to the U-Net's own matrices: scale 1, no alpha."""
    tensors = load_file(weights.folder / "lora.safetensors")
    originals = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    merged = dict(originals)
    for name, up in tensors.items():
        if not name.endswith("up.weight"):
            continue
        down = tensors[name.replace("up.weight", "down.weight")]
        module, part = name.removesuffix("_lora.up.weight").split(".processor.")
        target = f"{module}.{'to_out.0' if part == 'to_out' else part}.weight"
        merged[target] = originals[target] + up @ down
    with adapted(pipeline, weights.folder / "lora.safetensors", None):
        by_lora = _pixels(pipeline, scale=1.0)
    pipeline.unet.load_state_dict(merged)
    by_hand = _pixels(pipeline)
    pipeline.unet.load_state_dict(originals)
    plain = _pixels(pipeline)
    assert (by_lora - by_hand).abs().max() <= 3, "as merging by hand, but for rounding"
    assert (by_lora - plain).abs().max() > 10


def _pixels(pipeline: Any, scale: float | None = None) -> torch.Tensor:
    scaled = {} if scale is None else {"cross_attention_kwargs": {"scale": scale}}
    image = pipeline(
        prompt=PROMPT,
        width=256,
        height=256,
        num_inference_steps=2,
        generator=torch.Generator("cpu").manual_seed(3),
        **scaled,
    ).images[0]
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).to(torch.int16)


def test_trained_tokens_reach_both_encoders_and_leave_again(pipeline: Any, weights: Any) -> None:
    rows = load_file(weights.folder / "embeddings.pti")
    before, said = drawn(pipeline), pipeline.tokenizer("a <s0><s1> b").input_ids
    tables = [pipeline.text_encoder, pipeline.text_encoder_2]
    lengths = [encoder.get_input_embeddings().weight.shape[0] for encoder in tables]
    lora = weights.folder / "lora.safetensors"
    with adapted(pipeline, lora, None):
        without = drawn(pipeline, scale=0.8)
    with adapted(pipeline, lora, weights.folder / "embeddings.pti") as count:
        assert count == 2
        for number, words in enumerate([pipeline.tokenizer, pipeline.tokenizer_2]):
            ids = words.convert_tokens_to_ids(["<s0>", "<s1>"])
            assert words("<s0><s1>").input_ids[1:3] == ids, "each is one token"
            table = tables[number].get_input_embeddings().weight
            assert torch.equal(table[ids], rows[f"text_encoders_{number}"])
        assert drawn(pipeline, scale=0.8) == without, "they act only where they are named"
        named = drawn(pipeline, with_tokens(PROMPT, "vxn_luna", count), scale=0.8)
    assert named != without
    assert drawn(pipeline) == before
    assert pipeline.tokenizer("a <s0><s1> b").input_ids == said
    assert [encoder.get_input_embeddings().weight.shape[0] for encoder in tables] == lengths


def test_other_embeddings_are_another_person(pipeline: Any, weights: Any, tmp_path: Path) -> None:
    other = tiny_sdxl.trainer_embeddings(tmp_path / "other.pti", seed=9)
    seen: set[str] = set()
    for path in (weights.folder / "embeddings.pti", other):
        with adapted(pipeline, weights.folder / "lora.safetensors", path):
            seen.add(drawn(pipeline, "<s0><s1> in a park", scale=0.8))
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("vxn_luna, close-up", "<s0><s1>, close-up"),
        ("photo of VXN_Luna and vxn_luna", "photo of <s0><s1> and <s0><s1>"),
        ("vxn_lunar eclipse, my_vxn_luna", "vxn_lunar eclipse, my_vxn_luna"),
    ],
)
def test_the_trigger_word_becomes_the_tokens(prompt: str, expected: str) -> None:
    assert with_tokens(prompt, "vxn_luna", 2) == expected
    assert with_tokens(prompt, None, 2) == prompt
    assert with_tokens(prompt, "vxn_luna", 0) == prompt


def _save(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    save_file(tensors, path)
    return path


def test_weights_of_another_model_are_refused_and_leave_nothing(
    pipeline: Any, weights: Any, tmp_path: Path
) -> None:
    before = drawn(pipeline)
    good = load_file(weights.folder / "lora.safetensors")
    narrow = {name: tensor[:, :3].contiguous() for name, tensor in good.items()}
    strange = {name.replace("up_blocks.0", "up_blocks.7"): value for name, value in good.items()}
    broken = tmp_path / "page.safetensors"
    broken.write_text("<html>not found</html>")
    for path in (
        _save(tmp_path / "narrow.safetensors", narrow),
        _save(tmp_path / "strange.safetensors", strange),
        _save(tmp_path / "none.safetensors", {"conv_in.weight": torch.zeros(2, 2)}),
        broken,
    ):
        with pytest.raises(Refused) as refusal, adapted(pipeline, path, None):
            pass
        assert refusal.value.code == "weights_not_a_lora", path.name
        assert drawn(pipeline) == before, path.name


def test_embeddings_of_another_model_are_refused_and_leave_nothing(
    pipeline: Any, weights: Any, tmp_path: Path
) -> None:
    before = drawn(pipeline)
    wide = tiny_sdxl.trainer_embeddings(tmp_path / "wide.pti", width_2=99)
    uneven = load_file(weights.folder / "embeddings.pti")
    uneven["text_encoders_1"] = uneven["text_encoders_1"][:1].contiguous()
    for path in (wide, _save(tmp_path / "uneven.pti", uneven)):
        with (
            pytest.raises(Refused) as refusal,
            adapted(pipeline, weights.folder / "lora.safetensors", path),
        ):
            pass
        assert refusal.value.code == "weights_not_a_lora"
        assert drawn(pipeline) == before


def test_an_error_in_the_middle_of_a_call_still_restores(pipeline: Any, weights: Any) -> None:
    before = drawn(pipeline)
    lora, embeddings = weights.folder / "lora.safetensors", weights.folder / "embeddings.pti"
    with pytest.raises(ZeroDivisionError), adapted(pipeline, lora, embeddings):
        raise ZeroDivisionError
    assert drawn(pipeline) == before
