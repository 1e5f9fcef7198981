"""A weights file that is not a LoRA of our family is recognised, each defect by its own reason."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from vixen_weights import BLOCK, lora_tensors

from vixen_pipeline.errors import BadWeights
from vixen_pipeline.identity.weights_archive import unpack_weights
from vixen_pipeline.identity.weights_file import (
    inspect_embeddings,
    inspect_lora,
    read_header,
)


def write(path: Path, tensors) -> Path:
    save_file(tensors, path)
    return path


def test_a_lora_of_the_sdxl_trainer_is_recognised_with_its_rank(tmp_path):
    found = inspect_lora(write(tmp_path / "a", lora_tensors(rank=32)))
    assert (found.family, found.rank, found.tensor_count, found.layer_count) == ("sdxl", 32, 16, 8)


def test_families_are_told_apart_by_shapes_and_names(tmp_path):
    assert inspect_lora(write(tmp_path / "a", lora_tensors(cross=768))).family == "sd15"
    assert inspect_lora(write(tmp_path / "b", lora_tensors(cross=1024))).family == "sd2"
    assert inspect_lora(write(tmp_path / "c", lora_tensors(cross=333))).family == "unknown"
    flux = {
        "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": np.ones(
            (16, 3072), "f2"
        ),
        "transformer.single_transformer_blocks.0.attn.to_q.lora_B.weight": np.ones(
            (3072, 16), "f2"
        ),
    }
    assert inspect_lora(write(tmp_path / "d", flux)).family == "flux"
    kohya = {
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight": np.ones(
            (4, 2048), "f2"
        ),
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_up.weight": np.ones(
            (640, 4), "f2"
        ),
    }
    assert inspect_lora(write(tmp_path / "e", kohya)).family == "sdxl"


def test_ranks_that_disagree_are_no_rank(tmp_path):
    mixed = lora_tensors(rank=8)
    name = f"{BLOCK}.attn1.processor.to_q_lora.down.weight"
    mixed[name] = np.ones((4, 640), np.float32)
    assert inspect_lora(write(tmp_path / "a", mixed)).rank is None


def test_a_full_model_is_no_lora(tmp_path):
    path = write(tmp_path / "a", {"unet.conv_in.weight": np.ones((4, 4), np.float32)})
    with pytest.raises(BadWeights, match="no LoRA"):
        inspect_lora(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_found(tmp_path, bad):
    tensors = lora_tensors()
    tensors[f"{BLOCK}.attn1.processor.to_q_lora.up.weight"][3, 2] = bad
    with pytest.raises(BadWeights, match="NaN or infinity"):
        inspect_lora(write(tmp_path / "a", tensors))


def test_untrained_weights_are_found(tmp_path):
    with pytest.raises(BadWeights, match="only zeros"):
        inspect_lora(write(tmp_path / "a", lora_tensors(fill=0)))


@pytest.mark.parametrize("keep", [0, 4, 7, 60, 0.5, 0.999])
def test_a_truncated_file_is_called_truncated(tmp_path, keep):
    whole = write(tmp_path / "a", lora_tensors()).read_bytes()
    size = keep if keep >= 1 or keep == 0 else int(len(whole) * keep)
    (tmp_path / "b").write_bytes(whole[:size])
    with pytest.raises(BadWeights, match="truncated"):
        read_header(tmp_path / "b")


def test_html_and_noise_are_named(tmp_path):
    (tmp_path / "a").write_bytes(b"<!DOCTYPE html><html>gone</html>")
    with pytest.raises(BadWeights, match="web page"):
        read_header(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"\xff" * 400)
    with pytest.raises(BadWeights, match="not safetensors"):
        read_header(tmp_path / "b")


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, 900), byte=st.integers(0, 255))
def test_a_flipped_byte_in_the_header_never_escapes_as_another_error(tmp_path, at, byte):
    path = write(tmp_path / "a", lora_tensors(rank=1, hidden=2, cross=3))
    data = bytearray(path.read_bytes())
    data[at % len(data)] = byte
    (tmp_path / "b").write_bytes(data)
    with contextlib.suppress(BadWeights):
        inspect_lora(tmp_path / "b")


def test_embeddings_of_both_text_encoders_are_counted(tmp_path):
    good = {"text_encoders_0": np.ones((2, 768), "f4"), "text_encoders_1": np.ones((2, 1280), "f4")}
    assert inspect_embeddings(write(tmp_path / "a", good)) == 2
    with pytest.raises(BadWeights, match="text_encoders_1"):
        inspect_embeddings(write(tmp_path / "b", {"text_encoders_0": good["text_encoders_0"]}))


def tar_of(path: Path, members) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def test_the_known_files_are_taken_out_wherever_they_lie(tmp_path):
    archive = tar_of(
        tmp_path / "a.tar",
        [
            ("output/flux/lora.safetensors", b"L" * 3000),
            ("./embeddings.pti", b"E"),
            ("special_params.json", json.dumps({"TOK": "<s0><s1>"}).encode()),
            ("readme.md", b"-"),
        ],
    )
    (tmp_path / "out").mkdir()
    found = unpack_weights(archive, tmp_path / "out")
    assert found.lora.read_bytes() == b"L" * 3000
    assert found.embeddings and found.special_params
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "embeddings.pti",
        "lora.safetensors",
        "special_params.json",
    ]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("../lora.safetensors", b"x")], "points outside"),
        ([("/tmp/lora.safetensors", b"x")], "points outside"),
        ([("lora.safetensors", None)], "link or device"),
        ([("a/lora.safetensors", b"x"), ("b/lora.safetensors", b"y")], "twice"),
        ([("readme.md", b"x")], "no lora.safetensors"),
        ([("special_params.json", b"x" * 70_000)], "at most"),
    ],
)
def test_an_archive_with_a_trick_in_it_is_refused(tmp_path, members, reason):
    archive = tar_of(tmp_path / "a.tar", members)
    (tmp_path / "out").mkdir()
    with pytest.raises(BadWeights, match=reason):
        unpack_weights(archive, tmp_path / "out")
    assert not (tmp_path / "lora.safetensors").exists()


def test_an_archive_that_is_none_is_named(tmp_path):
    (tmp_path / "out").mkdir()
    for content, reason in [
        (b"", "empty"),
        (b"<html><body>Not found</body></html>", "HTML"),
        (b"PK\x03\x04rest", "zip"),
        (b"x" * 2000, "damaged or truncated"),
    ]:
        (tmp_path / "a.tar").write_bytes(content)
        with pytest.raises(BadWeights, match=reason):
            unpack_weights(tmp_path / "a.tar", tmp_path / "out")


@pytest.mark.parametrize("keep", [700, 20_000, 90_000])
def test_an_archive_that_was_cut_off_is_called_truncated(tmp_path, keep):
    whole = tar_of(tmp_path / "a.tar", [("lora.safetensors", b"L" * 100_000)]).read_bytes()
    (tmp_path / "b.tar").write_bytes(whole[:keep])
    (tmp_path / "out").mkdir()
    with pytest.raises(BadWeights, match="truncated"):
        unpack_weights(tmp_path / "b.tar", tmp_path / "out")
