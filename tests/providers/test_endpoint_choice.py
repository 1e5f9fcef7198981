"""Sandbox or live: addresses and keys come from the settings, and missing ones are named."""

from __future__ import annotations

import pytest

from vixen_pipeline.errors import SettingsMissing
from vixen_pipeline.providers.endpoints import (
    anthropic_endpoint,
    modal_endpoint,
    objects_endpoint,
    openai_endpoint,
    replicate_endpoint,
)
from vixen_pipeline.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("VIXEN_HOME", str(tmp_path))


def sandboxed(**values: object) -> Settings:
    return load_settings(
        **{"sandbox_url": "http://127.0.0.1:1/", "sandbox_token": "t" * 30, **values}
    )


def test_every_provider_is_in_the_sandbox_by_default() -> None:
    settings = sandboxed()
    assert replicate_endpoint(settings).base_url == "http://127.0.0.1:1/replicate"
    assert anthropic_endpoint(settings).base_url == "http://127.0.0.1:1/anthropic"
    assert openai_endpoint(settings).base_url == "http://127.0.0.1:1/openai/v1"
    assert modal_endpoint(settings).url == "http://127.0.0.1:1/modal"
    store = objects_endpoint(settings)
    assert (store.url, store.access_key_id) == ("http://127.0.0.1:1/s3", "t" * 20)
    assert store.owned


def test_each_provider_goes_live_on_its_own() -> None:
    settings = sandboxed(anthropic_mode="live", anthropic_api_key="sk-live")
    assert anthropic_endpoint(settings).base_url == "https://api.anthropic.com"
    assert anthropic_endpoint(settings).key == "sk-live"
    assert openai_endpoint(settings).key == "t" * 30


def test_a_live_key_is_never_sent_to_the_sandbox_nor_the_other_way_round() -> None:
    settings = sandboxed(replicate_api_token="r8-live")
    assert replicate_endpoint(settings).key == "t" * 30
    with pytest.raises(SettingsMissing):
        replicate_endpoint(sandboxed(replicate_mode="live"))


def test_an_address_may_be_overridden() -> None:
    settings = sandboxed(openai_base_url="http://proxy.example/v1/")
    assert openai_endpoint(settings).base_url == "http://proxy.example/v1"


def test_all_missing_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsMissing) as modal:
        modal_endpoint(sandboxed(modal_mode="live"))
    assert len(modal.value.problems) == 3
    with pytest.raises(SettingsMissing) as store:
        objects_endpoint(sandboxed(objects_mode="live"))
    assert len(store.value.problems) == 2
    assert "VIXEN_S3_ACCESS_KEY_ID" in store.value.problems[0]


def test_keys_do_not_show() -> None:
    for endpoint in (replicate_endpoint(sandboxed()), objects_endpoint(sandboxed())):
        assert "ttt" not in repr(endpoint)
