"""Checkpoints beside the final weights: found under every name, verified, kept; never trusted."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from vixen_identity import add_avatars, fake_services, give_dataset
from vixen_weights import lora_bytes

from vixen_pipeline.db.models import LoraCheckpoint
from vixen_pipeline.errors import BadWeights
from vixen_pipeline.identity.trainings import apply_events, run_lora_trainings
from vixen_pipeline.identity.weights import run_lora_weights
from vixen_pipeline.identity.weights_archive import MOST_CHECKPOINTS, unpack_weights
from vixen_pipeline.stages import no_progress

NAMES = ("unet/checkpoint-{}.lora.safetensors", "checkpoint-{:06d}/lora.safetensors",
         "lora-{:06d}.safetensors", "out/lora_{}.safetensors",
         "checkpoint-{}.safetensors")  # fmt: skip


def tar_of(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def unpack(folder, members):
    archive, into = folder / "output", folder / "opened"
    into.mkdir()
    archive.write_bytes(tar_of(members))
    return unpack_weights(archive, into)


@pytest.mark.parametrize("name", NAMES)
def test_checkpoints_are_found_under_the_names_that_trainers_use(tmp_path, name):
    found = unpack(
        tmp_path,
        [(name.format(500), b"early"), ("lora.safetensors", b"final"), (name.format(750), b"late")],
    )
    assert found.lora.read_bytes() == b"final"
    assert {step: path.read_bytes() for step, path in found.checkpoints.items()} == {
        500: b"early",
        750: b"late",
    }


def test_what_else_belongs_to_a_checkpoint_is_not_mistaken_for_the_final_files(tmp_path):
    found = unpack(
        tmp_path,
        [
            ("checkpoint-000500/embeddings.pti", b"early tokens"),
            ("embeddings/checkpoint-500.pti", b"early tokens"),
            ("checkpoint-000500/special_params.json", b"{}"),
            ("embeddings.pti", b"final tokens"),
            ("lora.safetensors", b"final"),
        ],
    )
    assert found.embeddings.read_bytes() == b"final tokens"
    assert (found.checkpoints, found.special_params) == ({}, None)


def test_the_same_step_twice_is_refused(tmp_path):
    twice = [("checkpoint-5/lora.safetensors", b"a"), ("lora-5.safetensors", b"b")]
    with pytest.raises(BadWeights, match="step 5 twice"):
        unpack(tmp_path, [*twice, ("lora.safetensors", b"final")])


def test_a_checkpoint_that_points_outside_is_refused(tmp_path):
    with pytest.raises(BadWeights, match="points outside"):
        unpack(tmp_path, [("../checkpoint-5/lora.safetensors", b"a"), ("lora.safetensors", b"f")])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 999_999), unique=True, max_size=9).flatmap(st.permutations))
def test_the_latest_checkpoints_are_kept_in_whatever_order_they_come(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("checkpoints")
    members = [(f"lora-{step:06d}.safetensors", str(step).encode()) for step in steps]
    found = unpack(folder, [*members, ("lora.safetensors", b"final")])
    kept = {step: path.read_bytes().decode() for step, path in found.checkpoints.items()}
    assert list(kept.items()) == [(s, str(s)) for s in sorted(steps)[-MOST_CHECKPOINTS:]]
    assert len(list((folder / "opened").iterdir())) == len(kept) + 1


def test_a_checkpoint_is_kept_when_it_passes_what_the_final_weights_pass(settings, database):
    with fake_services(settings, database, dataset_images=2) as core:
        (luna,) = add_avatars(core, "luna")
        give_dataset(core, luna)
        run_lora_trainings(core, [luna.key], no_progress)
        members = [
            ("lora.safetensors", lora_bytes(rank=32)),
            ("checkpoint-250/lora.safetensors", lora_bytes(rank=32, cross=768)),
            ("checkpoint-500/lora.safetensors", lora_bytes(rank=32, fill=0.02)),
            ("checkpoint-600/lora.safetensors", lora_bytes(rank=8)),
            ("checkpoint-750/lora.safetensors", b"<html>Sign in</html>"),
        ]
        core.inbox.land(
            "replicate", "msg_1", core.trainer.finish("training-1", weights=tar_of(members))
        )
        apply_events(core)
        for _ in range(2):
            (result,) = run_lora_weights(core, [luna.key], no_progress)
            assert result.outcome in ("made", "unchanged"), result
        with core.database.begin() as session:
            (row,) = session.scalars(select(LoraCheckpoint)).all()
        assert (row.step, core.objects.get(row.object_key)) == (500, members[2][1])
