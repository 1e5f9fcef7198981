"""A tiny SDXL from configuration, randomly initialised: the real classes, nothing downloaded.

Belongs here: building the pipeline, a checker, LoRA and token files in the trainer's own format.
Does not: assertions. Widths are small, names and shapes are those of the real model's parts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

WIDTH_1, WIDTH_2 = 16, 24
RANK = 4


def tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's own tokenizer over single bytes: every character is a token."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({word: number for number, word in enumerate(words)}))
    merges.write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def text_config(size: int, width: int, projection: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=size,
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=projection,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=size - 2,
        eos_token_id=2,  # as in SDXL's own configuration
        pad_token_id=size - 1,
    )


def pipeline(folder: Path) -> StableDiffusionXLPipeline:
    """The same weights every time."""
    torch.manual_seed(0)
    words = tokenizer(folder)
    size = len(words)
    unet = UNet2DConditionModel(
        sample_size=32,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 1),
        norm_num_groups=4,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 4 + WIDTH_2,
        cross_attention_dim=WIDTH_1 + WIDTH_2,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        layers_per_block=1,
        latent_channels=4,
        sample_size=64,
    )
    made = StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text_config(size, WIDTH_1, WIDTH_1)).eval(),
        text_encoder_2=CLIPTextModelWithProjection(text_config(size, WIDTH_2, WIDTH_2)).eval(),
        tokenizer=words,
        tokenizer_2=tokenizer(folder),
        unet=unet.eval(),
        scheduler=EulerDiscreteScheduler(beta_schedule="scaled_linear"),
        add_watermarker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


def trainer_lora(path: Path, unet: Any, *, seed: int = 1, scale: float = 0.4) -> Path:
    """`lora.safetensors` as the public SDXL trainer names and shapes it."""
    chance = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for name, module in unet.named_modules():
        if not name.endswith(("attn1", "attn2")):
            continue
        parts = {"q": module.to_q, "k": module.to_k, "v": module.to_v, "out": module.to_out[0]}
        for part, layer in parts.items():
            base = f"{name}.processor.to_{part}_lora"
            shapes = {"down": (RANK, layer.in_features), "up": (layer.out_features, RANK)}
            for side, shape in shapes.items():
                tensors[f"{base}.{side}.weight"] = torch.randn(shape, generator=chance) * scale
    save_file(tensors, path)
    return path


def trainer_embeddings(
    path: Path, *, tokens: int = 2, seed: int = 1, width_2: int = WIDTH_2
) -> Path:
    """`embeddings.pti` as that trainer saves it: safetensors, one row per token and encoder."""
    chance = torch.Generator().manual_seed(seed)
    tensors = {
        "text_encoders_0": torch.randn((tokens, WIDTH_1), generator=chance),
        "text_encoders_1": torch.randn((tokens, width_2), generator=chance),
    }
    save_file(tensors, path)
    return path


def clip_checker() -> tuple[Any, Any]:
    """The safety checker's own class, tiny, and its image processor. It flags nothing."""
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessorPil

    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    small |= {"num_attention_heads": 2, "projection_dim": 8}
    config = CLIPConfig(
        text_config={**small, "vocab_size": 64},
        vision_config={**small, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )
    model = StableDiffusionSafetyChecker(config).eval()
    with torch.no_grad():
        model.concept_embeds_weights.fill_(2.0)  # no cosine reaches it
        model.special_care_embeds_weights.fill_(2.0)
        model.concept_embeds.normal_()
        model.special_care_embeds.normal_()
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    return model, processor
