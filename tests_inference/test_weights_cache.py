"""Weights are fetched once, checked, kept by digest, and the least recently used go first."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from file_server import FileServer, serving

from vixen_inference.weights import WeightsCache
from vixen_inference.wire import Refused


@pytest.fixture
def server(tmp_path: Path):
    folder = tmp_path / "served"
    folder.mkdir()
    for name in "abcd":
        (folder / name).write_bytes(name.encode() * 1000)
    with serving(folder) as running:
        yield running


def digest(name: str) -> str:
    return hashlib.sha256(name.encode() * 1000).hexdigest()


def take(cache: WeightsCache, server: FileServer, name: str, signature: str = "one") -> bytes:
    with cache.file(server.url(name, signature), digest(name)) as path:
        return path.read_bytes()


def test_a_file_is_fetched_once_whatever_its_url_says(tmp_path: Path, server: FileServer) -> None:
    cache = WeightsCache(tmp_path / "cache")
    assert take(cache, server, "a") == b"a" * 1000
    assert take(cache, server, "a", "expired") == b"a" * 1000
    assert take(WeightsCache(tmp_path / "cache"), server, "a") == b"a" * 1000, "after a restart"
    assert server.gets["a"] == 1


def test_other_bytes_than_promised_are_refused_and_not_kept(
    tmp_path: Path, server: FileServer
) -> None:
    cache = WeightsCache(tmp_path / "cache")
    with pytest.raises(Refused) as refusal, cache.file(server.url("a"), digest("b")):
        pass
    assert refusal.value.code == "weights_mismatch" and digest("a") in refusal.value.message
    assert digest("b") not in cache and list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("signature", ["expired", "cut"])
def test_a_url_that_does_not_give_it_whole_is_unavailable_and_not_named(
    tmp_path: Path, server: FileServer, signature: str
) -> None:
    cache = WeightsCache(tmp_path / "cache")
    with pytest.raises(Refused) as refusal:
        take(cache, server, "a", signature)
    assert refusal.value.code == "weights_unavailable"
    assert "signature" not in refusal.value.message and server.address not in refusal.value.message
    assert list((tmp_path / "cache").iterdir()) == []
    assert take(cache, server, "a", "fresh") == b"a" * 1000


def test_a_host_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    cache = WeightsCache(tmp_path / "cache")
    with pytest.raises(Refused, match="ConnectError"), cache.file("http://127.0.0.1:9/x", "0" * 64):
        pass


def test_too_large_a_file_is_refused_while_it_comes(tmp_path: Path, server: FileServer) -> None:
    cache = WeightsCache(tmp_path / "cache", largest=999)
    with pytest.raises(Refused) as refusal:
        take(cache, server, "a")
    assert refusal.value.code == "weights_too_large"
    assert list((tmp_path / "cache").iterdir()) == []


def _age(cache_folder: Path, name: str, seconds: int) -> None:
    os.utime(cache_folder / digest(name), (seconds, seconds))


def test_the_least_recently_used_go_first(tmp_path: Path, server: FileServer) -> None:
    folder = tmp_path / "cache"
    cache = WeightsCache(folder, most_bytes=3000)
    for age, name in enumerate("abc"):
        take(cache, server, name)
        _age(folder, name, 1000 + age)
    take(cache, server, "a")  # used again: now b is the oldest
    take(cache, server, "d")
    assert [digest(name) in cache for name in "abcd"] == [True, False, True, True]
    take(cache, server, "b")
    assert server.gets["b"] == 2


def test_a_file_in_use_is_never_evicted(tmp_path: Path, server: FileServer) -> None:
    cache = WeightsCache(tmp_path / "cache", most_bytes=1500)
    with cache.file(server.url("a"), digest("a")) as held:
        take(cache, server, "b")
        assert held.read_bytes() == b"a" * 1000
    take(cache, server, "c")
    assert digest("c") in cache and digest("a") not in cache


def test_what_a_killed_download_left_is_swept(tmp_path: Path, server: FileServer) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "tmp123.part").write_bytes(b"half")
    cache = WeightsCache(folder)
    assert list(folder.iterdir()) == []
    assert take(cache, server, "a")
