"""One client for many threads: made once, connections kept and bounded, every answer its own."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from vixen_pipeline.providers.http import Once
from vixen_pipeline.providers.ports import ImageRequest
from vixen_pipeline.providers.replicate_images import build_image_model
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.settings import Settings


def test_many_threads_get_their_own_images_at_the_provider_s_pace(
    settings: Settings, sandbox: Sandbox
) -> None:
    images = build_image_model(settings)
    name = images.check_model("stability-ai/sdxl")
    sandbox.control.latency("replicate", 0.5)

    def make(seed: int) -> tuple[int, object]:
        request = ImageRequest(name, f"portrait {seed}", "", seed, 256, 256)
        job = images.create(request)
        assert images.fetch(job.outputs[0], 5_000_000)
        return seed, job.input["seed"]

    begun = time.monotonic()
    with ThreadPoolExecutor(settings.replicate_concurrency) as threads:
        made = list(threads.map(make, range(40)))
    assert [seed for seed, _ in made] == [seed for _, seed in made]
    # 40 images, 10 at a time, 0.5 s each: 2 s at best; one after another would be 20 s.
    assert time.monotonic() - begun < 15


def test_a_client_is_made_once_whichever_thread_comes_first() -> None:
    made: list[int] = []
    barrier = threading.Barrier(8)

    def make() -> int:
        made.append(1)
        return len(made)

    once = Once(make)

    def ask() -> int:
        barrier.wait()
        return once()

    with ThreadPoolExecutor(8) as threads:
        assert [future.result() for future in [threads.submit(ask) for _ in range(8)]] == [1] * 8
