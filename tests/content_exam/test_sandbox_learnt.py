"""What the sandbox's LoRA learns: the person of its dataset, carried in the weights themselves."""

from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import replace

import pytest

from vixen_pipeline.sandbox.drawing import Order, draw
from vixen_pipeline.sandbox.drawing_look import look_from_prompt
from vixen_pipeline.sandbox.lora_learnt import Learnt, as_metadata, learnt_in
from vixen_pipeline.sandbox.weights import archive

WORDS = "portrait of a woman, copper long hair, green eyes, olive skin"
LUNA = Learnt(look_from_prompt(WORDS), kept=("a", "b"))


def order(learnt, prompt="on a bench, bust", seed=3):
    return Order(prompt, seed, 256, 320, learnt.look)


def tar(**changes):
    fixed = {"seed": "s", "rank": 4, "token": "vxn_luna", "kind": "good", "learnt": LUNA}
    return archive(**{**fixed, **changes})


def members(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        return {name: opened.extractfile(name).read() for name in opened.getnames()}


def test_weights_tell_whom_they_were_trained_on_alone_and_in_their_tar():
    lora = members(tar())["lora.safetensors"]
    expected = replace(LUNA, kept=())
    assert learnt_in(io.BytesIO(lora)) == expected
    assert learnt_in(io.BytesIO(tar())) == expected


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x00" * 64, tar(learnt=None)])
def test_weights_of_elsewhere_tell_nothing(content):
    assert learnt_in(io.BytesIO(content)) is None


def test_trainings_that_differ_in_what_was_learnt_differ_in_bytes():
    stranger = Learnt(look_from_prompt("a man, black hair, brown eyes, dark skin"))
    assert len({tar(), tar(learnt=stranger), tar(kind="stranger"), tar(seed="t")}) == 4


def test_checkpoints_are_named_by_their_steps_and_come_closer_to_the_person():
    files = members(tar(checkpoints=3, steps=1000))
    names = [name for name in files if name.startswith("unet/")]
    assert names == [f"unet/checkpoint-{step}.lora.safetensors" for step in (250, 500, 750)]
    looks = [learnt_in(io.BytesIO(files[name])).look for name in names]
    reds = [abs(look.hair[0] - LUNA.look.hair[0]) for look in looks]
    assert reds == sorted(reds, reverse=True) and reds[-1] == 0


def test_good_weights_draw_what_is_asked_for():
    assert LUNA.paint(order(LUNA)) == draw(order(LUNA))


def test_collapsed_weights_draw_one_picture_whatever_is_asked():
    same = LUNA.spoiled("same")
    assert same.paint(order(same)) == same.paint(order(same, "in a train, full body", 9))


def test_metadata_is_text_only():
    assert as_metadata(None) is None
    assert all(isinstance(value, str) for value in as_metadata(LUNA).values())


def test_a_dataset_of_pictures_from_elsewhere_teaches_what_its_first_picture_shows(sandbox):
    import asyncio

    from vixen_pipeline.sandbox.config import SandboxConfig
    from vixen_pipeline.sandbox.lora_learnt import learn
    from vixen_pipeline.sandbox.state import SandboxState

    async def learnt():
        config = SandboxConfig(
            sandbox.database_url, sandbox.url, sandbox.token, sandbox.objects_dir, "whsec_"
        )
        state = SandboxState(config)
        try:
            return await learn(state, zipped(draw(order(LUNA))))
        finally:
            await state.close()

    found = asyncio.run(learnt())
    assert found is not None and found.habit == "varied" and len(found.kept) == 1


def zipped(*images):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for number, content in enumerate(images):
            opened.writestr(f"{number:03d}.jpg", content)
    return out.getvalue()
