"""The Modal app itself, as far as it can be looked at without an account."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vixen_inference import model
from vixen_inference.calls import RunFailed

ROOT = Path(__file__).parents[1]
APP = ROOT / "deploy" / "modal" / "app.py"


def loaded() -> Any:
    """The app as `modal deploy deploy/modal/app.py` imports it."""
    from modal.cli.import_refs import import_file_or_module, parse_import_ref

    return import_file_or_module(parse_import_ref(str(APP)))


def test_one_command_deploys_it_and_the_endpoint_asks_for_proxy_credentials() -> None:
    from modal._utils.async_utils import synchronizer

    module = loaded()
    assert module.app.name == "vixen-inference"
    # Only the SDK itself knows what it was told about a web function; its version is locked.
    config = synchronizer._translate_in(module.web)._webhook_config
    assert config.requires_proxy_auth
    assert config.requested_suffix == "vixen-inference"
    assert hasattr(module.Renderer, "render")


class Call:
    """A Modal function call whose `get` answers or raises what a test says."""

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome
        self.get = self

    async def aio(self, timeout: float) -> object:
        del timeout
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize("name", ["FunctionTimeoutError", "OutputExpiredError", "RemoteError"])
def test_a_run_that_surely_ended_without_an_answer_has_failed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import modal

    error = getattr(modal.exception, name)("over")
    monkeypatch.setattr(modal.FunctionCall, "from_id", lambda call: Call(error))
    with pytest.raises(RunFailed, match=name):
        asyncio.run(loaded().SpawnRunner().wait("fc-1", 1.0))


def test_a_run_without_an_answer_yet_is_waited_for_and_a_lost_connection_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import modal

    outcome: list[object] = [modal.exception.TimeoutError("not yet")]
    monkeypatch.setattr(modal.FunctionCall, "from_id", lambda call: Call(outcome[0]))
    runner = loaded().SpawnRunner()
    assert asyncio.run(runner.wait("fc-1", 1.0)) is None
    outcome[0] = modal.exception.ConnectionError("reset")
    with pytest.raises(modal.exception.ConnectionError):
        asyncio.run(runner.wait("fc-1", 1.0))
    outcome[0] = {"images": {}}
    assert asyncio.run(runner.wait("fc-1", 1.0)) == {"images": {}}


def test_the_core_needs_neither_modal_nor_torch_to_be_imported() -> None:
    code = (
        "import sys, pkgutil, importlib, vixen_inference\n"
        "for m in pkgutil.iter_modules(vixen_inference.__path__):\n"
        "    importlib.import_module(f'vixen_inference.{m.name}')\n"
        "heavy = {'modal', 'torch', 'diffusers', 'transformers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=APP.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_digest_of_a_model_is_of_its_files_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "model_index.json").write_text("{}")
    first = model.digest_of(tmp_path)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "lock").write_text("when it was fetched")
    assert model.digest_of(tmp_path) == first
    lines = [
        f"{hashlib.sha256(b'{}').hexdigest()}  model_index.json\n",
        f"{hashlib.sha256(b'weights').hexdigest()}  unet/weights.safetensors\n",
    ]
    assert first == hashlib.sha256("".join(lines).encode()).hexdigest()
    (tmp_path / "unet" / "weights.safetensors").write_bytes(b"other")
    assert model.digest_of(tmp_path) != first


def test_models_are_fetched_by_commit_and_described_without_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked: list[tuple[str, str]] = []

    def download(repository: str, *, revision: str, local_dir: Path, **_: object) -> None:
        asked.append((repository, revision))
        local_dir.mkdir(parents=True)
        (local_dir / "model_index.json").write_text(json.dumps({"from": repository}))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    model.fetch(tmp_path)
    assert asked == [model.BASE, model.CHECKER]
    assert all(len(revision) == 40 for _, revision in asked), "commits, not branches"
    said = model.described(tmp_path, "L40S")
    assert said.digest == model.digest_of(tmp_path / model.BASE_FOLDER)
    assert (said.name, said.gpu) == ("sdxl-base-1.0", "L40S")


def test_a_saved_pipeline_is_loaded_with_its_checker(
    tmp_path: Path, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiny_sdxl

    checker, processor = tiny_sdxl.clip_checker()
    pipeline.save_pretrained(tmp_path / model.BASE_FOLDER, variant="fp16")
    checker.save_pretrained(tmp_path / model.CHECKER_FOLDER)
    processor.save_pretrained(tmp_path / model.CHECKER_FOLDER)
    loaded_pipeline, loaded_checker = model.load(tmp_path, "cpu")
    assert loaded_pipeline.unet.config.cross_attention_dim == 40
    assert str(loaded_pipeline.unet.dtype) == "torch.float16"
    assert loaded_pipeline.watermark is None
    assert loaded_checker._model.config.projection_dim == 8
