"""The one OpenAI client of a process. Belongs here: its pool, time-outs, no retries of its own.

Does not: calls (text_openai.py, embeddings.py, moderation.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vixen_pipeline.providers import http
from vixen_pipeline.providers.endpoints import openai_endpoint
from vixen_pipeline.settings import Settings

if TYPE_CHECKING:
    import openai

PROVIDER = "openai"

OpenAIClient = http.Once["openai.OpenAI"]


def openai_client(settings: Settings) -> OpenAIClient:
    """Made on first use. Raises SettingsMissing at once."""
    endpoint = openai_endpoint(settings)

    def make() -> openai.OpenAI:
        import openai

        return openai.OpenAI(
            api_key=endpoint.key,
            base_url=endpoint.base_url,
            max_retries=0,
            timeout=openai.Timeout(settings.text_timeout_s, connect=http.CONNECT_S),
            http_client=http.client2(endpoint.base_url, settings.text_concurrency),
        )

    return http.Once(make)
