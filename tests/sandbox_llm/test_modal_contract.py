"""The sandbox's inference endpoint and the one we ship take the same bodies.

They share no code: the shipped one stands alone in its image, the sandbox knows nothing of it.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

from guard_paths import ROOT

from vixen_pipeline.sandbox import modal_wire as sandboxed


def _shipped() -> ModuleType:
    path = ROOT / "deploy" / "modal" / "vixen_inference" / "wire.py"
    spec = importlib.util.spec_from_file_location("shipped_wire", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shipped_wire"] = module  # pydantic looks annotations up there
    spec.loader.exec_module(module)
    return module


def _rules(schema: Any) -> Any:
    """A JSON schema without the words that are for people."""
    if isinstance(schema, dict):
        return {key: _rules(value) for key, value in schema.items() if key != "description"}
    return [_rules(value) for value in schema] if isinstance(schema, list) else schema


def test_both_endpoints_take_and_refuse_the_same_bodies() -> None:
    shipped = _shipped().Generate.model_json_schema()
    assert _rules(shipped) == _rules(sandboxed.Generate.model_json_schema())


def test_both_endpoints_call_the_same_requests_different() -> None:
    prompt = {"id": "a", "prompt": "a harbour", "seed": 1}
    body = {
        "request_id": "call",
        "weights_url": "https://example.com/1",
        "weights_sha256": "a" * 64,
        "prompts": [prompt],
    }
    for changes in ({}, {"weights_url": "https://example.com/2"}, {"steps": 31}):
        ours = sandboxed.Generate.model_validate({**body, **changes}).digest
        assert ours == _shipped().Generate.model_validate({**body, **changes}).digest
