"""A LoRA and trained tokens put into a pipeline for one call, and taken out again without a trace.

Belongs here: key formats, trained tokens, undoing. Does not: fetching, drawing.

Key formats. The public SDXL trainer (replicate/cog-sdxl, trainer_pti.py) saves `lora.safetensors`
with the names of the U-Net's attention processors of old, for example
`mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight`, without a
prefix and without alphas (so the scale is 1). diffusers still reads these names, below `unet.`.
Files of diffusers, peft and kohya are passed on as they are.

Trained tokens. `embeddings.pti` of that trainer is a safetensors file with `text_encoders_0` and
`text_encoders_1`, one row per token; row i belongs to the token `<s{i}>`, and its prompts are
written with these tokens in place of the trigger word (special_params.json maps one to the other).
They are added to copies of the tokenizers and to a longer embedding table; the originals are put
back as the objects they were, so nothing of a call stays. SDXL's encoders are configured with
`eos_token_id` 2, for which transformers pools at the highest token id: that is the last trained
token, in the trainer as well as here, so the two agree.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from vixen_inference.wire import Refused

ADAPTER = "avatar"
_PROCESSOR = re.compile(r"^(down_blocks|mid_block|up_blocks)\..*\.processor\.to_\w+_lora\.")
_DOWN = re.compile(r"(lora[._]down|lora_A)(\.default)?\.weight$")
_ENCODERS = (
    ("text_encoders_0", "tokenizer", "text_encoder"),
    ("text_encoders_1", "tokenizer_2", "text_encoder_2"),
)


def token_names(count: int) -> list[str]:
    """The names under which the trainer learnt its tokens."""
    return [f"<s{number}>" for number in range(count)]


def with_tokens(prompt: str, trigger_word: str | None, count: int) -> str:
    """`prompt` with the trained tokens in place of the trigger word, in any case of letters."""
    if not trigger_word or not count:
        return prompt
    pattern = re.compile(rf"(?<!\w){re.escape(trigger_word)}(?!\w)", re.IGNORECASE)
    return pattern.sub("".join(token_names(count)), prompt)


@contextmanager
def adapted(pipeline: Any, lora: Path, embeddings: Path | None) -> Generator[int]:
    """Put both into `pipeline` for the body; yields the number of trained tokens.

    Raises Refused (weights_not_a_lora) for files that do not fit the model. Afterwards the
    pipeline makes to the bit what it made before, whatever happened in between.
    """
    with ExitStack() as stack:
        count = 0
        if embeddings is not None:
            tensors = _read(embeddings, "embeddings")
            count = _add_tokens(pipeline, tensors, stack)
        stack.callback(pipeline.unload_lora_weights)
        _add_lora(pipeline, _read(lora, "weights"))
        yield count


def _read(path: Path, what: str) -> dict[str, Any]:
    """All tensors of a safetensors file; it cannot hold code."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        message = f"the {what} are not a safetensors file"
        raise Refused("weights_not_a_lora", message) from error


def _add_lora(pipeline: Any, tensors: Mapping[str, Any]) -> None:
    named = {
        f"unet.{name}" if _PROCESSOR.match(name) else name: tensor
        for name, tensor in tensors.items()
    }
    wanted = sum(1 for name in named if _DOWN.search(name))
    if not wanted:
        raise Refused("weights_not_a_lora", "the weights hold no LoRA matrices")
    try:
        pipeline.load_lora_weights(named, adapter_name=ADAPTER)
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
        # diffusers and peft have no error of their own for weights of another model.
        message = f"the weights do not fit this model ({type(error).__name__})"
        raise Refused("weights_not_a_lora", message) from error
    found = _loaded(pipeline)
    if found != wanted:
        message = f"only {found} of the {wanted} layers of the weights exist in this model"
        raise Refused("weights_not_a_lora", message)


def _loaded(pipeline: Any) -> int:
    """How many LoRA layers are in the pipeline now."""
    parts = [pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2]
    return sum(
        1
        for part in parts
        for name, _ in part.named_parameters()
        if name.endswith(f"lora_A.{ADAPTER}.weight")
    )


def _add_tokens(pipeline: Any, tensors: Mapping[str, Any], stack: ExitStack) -> int:
    counts: set[int] = set()
    for key, tokenizer_name, encoder_name in _ENCODERS:
        rows = tensors.get(key)
        encoder = getattr(pipeline, encoder_name)
        width = encoder.get_input_embeddings().weight.shape[1]
        if rows is None or rows.ndim != 2 or rows.shape[1] != width or not len(rows):
            message = f"the embeddings hold no {key} of width {width}"
            raise Refused("weights_not_a_lora", message)
        counts.add(len(rows))
        _extend(pipeline, tokenizer_name, encoder, rows, stack)
    if len(counts) != 1:
        raise Refused("weights_not_a_lora", "the embeddings hold different numbers of tokens")
    return counts.pop()


def _extend(pipeline: Any, tokenizer_name: str, encoder: Any, rows: Any, stack: ExitStack) -> None:
    """Teach one tokenizer and one encoder the tokens, until `stack` ends."""
    import torch

    old_tokenizer = getattr(pipeline, tokenizer_name)
    tokenizer = copy.deepcopy(old_tokenizer)
    names = token_names(len(rows))
    tokenizer.add_tokens(names, special_tokens=True)
    ids = tokenizer.convert_tokens_to_ids(names)
    old_table = encoder.get_input_embeddings()
    length = max(len(tokenizer), old_table.weight.shape[0])
    table = torch.nn.Embedding(length, old_table.weight.shape[1])
    table.to(device=old_table.weight.device, dtype=old_table.weight.dtype)
    table.requires_grad_(False)
    with torch.no_grad():
        table.weight[: old_table.weight.shape[0]] = old_table.weight
        table.weight[ids] = rows.to(device=table.weight.device, dtype=table.weight.dtype)
    stack.callback(setattr, pipeline, tokenizer_name, old_tokenizer)
    stack.callback(encoder.set_input_embeddings, old_table)
    setattr(pipeline, tokenizer_name, tokenizer)
    encoder.set_input_embeddings(table)
