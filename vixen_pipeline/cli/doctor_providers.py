"""Does each provider answer, and does it take our key? One cheap read each, nothing billed.

Belongs here: those reads. Does not: anything else about providers; they are asked directly over
HTTP (boto3 for objects), because what is checked is the address and the key, not our clients.
"""
# boto3 is untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from vixen_pipeline.cli.doctor_checks import Finding, clock_finding
from vixen_pipeline.errors import SettingsMissing
from vixen_pipeline.settings import Settings

TIMEOUT_S = 8.0
Probe = Callable[[Settings], list[Finding]]


def provider_findings(settings: Settings) -> Iterator[Finding]:
    """All providers at once; in the order replicate, anthropic, openai, modal, objects."""
    probes: list[Probe] = [_replicate, _anthropic, _openai, _modal, _objects]
    with ThreadPoolExecutor(len(probes)) as threads:
        pending = [threads.submit(_safely, probe, settings) for probe in probes]
        for asked in pending:
            yield from asked.result()


def _safely(probe: Probe, settings: Settings) -> list[Finding]:
    try:
        return probe(settings)
    except SettingsMissing:
        return []  # named among the settings already


def _replicate(settings: Settings) -> list[Finding]:
    from vixen_pipeline.providers.endpoints import replicate_endpoint

    endpoint = replicate_endpoint(settings)
    headers = {"Authorization": f"Bearer {endpoint.key}"}
    return _get("replicate", settings.replicate_mode, f"{endpoint.base_url}/v1/account", headers)


def _anthropic(settings: Settings) -> list[Finding]:
    from vixen_pipeline.providers.endpoints import anthropic_endpoint

    endpoint = anthropic_endpoint(settings)
    headers = {"x-api-key": endpoint.key, "anthropic-version": "2023-06-01"}
    url = f"{endpoint.base_url}/v1/models?limit=1"
    return _get("anthropic", settings.anthropic_mode, url, headers)


def _openai(settings: Settings) -> list[Finding]:
    from vixen_pipeline.providers.endpoints import openai_endpoint

    endpoint = openai_endpoint(settings)
    headers = {"Authorization": f"Bearer {endpoint.key}"}
    return _get("openai", settings.openai_mode, f"{endpoint.base_url}/models", headers)


def _modal(settings: Settings) -> list[Finding]:
    from vixen_pipeline.providers.endpoints import modal_endpoint

    endpoint = modal_endpoint(settings)
    headers = {"Modal-Key": endpoint.key, "Modal-Secret": endpoint.secret}
    return _get("modal", settings.modal_mode, f"{endpoint.url}/health", headers)


def _get(name: str, mode: str, url: str, headers: dict[str, str]) -> list[Finding]:
    import httpx

    shown = httpx.URL(url).host
    try:
        # Proxies only for what is not on this machine.
        local = shown in {"127.0.0.1", "localhost"}
        with httpx.Client(timeout=TIMEOUT_S, trust_env=not local) as client:
            answer = client.get(url, headers=headers)
    except httpx.HTTPError as error:
        return [_away(name, mode, f"{shown} does not answer ({error or type(error).__name__})")]
    if answer.status_code in {401, 403}:
        step = f"Check the key in VIXEN_{name.upper()}_*; see .env.example for where to get it."
        return [Finding("providers", "failed", f"{name} ({mode}): refuses the key", step)]
    if answer.status_code >= 400:
        return [_away(name, mode, f"{shown} answers {answer.status_code}")]
    findings = [Finding("providers", "ok", f"{name} ({mode}): answers and takes the key")]
    if mode == "live" and "date" in answer.headers:
        moment = parsedate_to_datetime(answer.headers["date"])
        skew = (moment - datetime.now(UTC)).total_seconds()
        findings.append(clock_finding(shown, skew))
    return findings


def _objects(settings: Settings) -> list[Finding]:
    from vixen_pipeline.providers.endpoints import objects_endpoint

    endpoint = objects_endpoint(settings)
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        config=Config(
            connect_timeout=TIMEOUT_S,
            read_timeout=TIMEOUT_S,
            retries={"max_attempts": 0},
            s3={"addressing_style": "path"},
            proxies={},
        ),
    )
    mode = settings.objects_mode
    try:
        client.head_bucket(Bucket=endpoint.bucket)
    except ClientError as error:
        reply: dict[str, dict[str, str]] = error.response
        code = reply.get("Error", {}).get("Code", "")
        if code in {"404", "NoSuchBucket"} and endpoint.owned:
            return [Finding("providers", "ok", f"objects ({mode}): answers; bucket not made yet")]
        message = f"objects ({mode}): bucket {endpoint.bucket}: {code}"
        return [Finding("providers", "failed", message, "Check VIXEN_S3_*.")]
    except BotoCoreError as error:
        return [_away("objects", mode, str(error))]
    return [Finding("providers", "ok", f"objects ({mode}): bucket {endpoint.bucket} is there")]


def _away(name: str, mode: str, what: str) -> Finding:
    """A sandbox that does not run is nothing wrong; a provider that does not answer is."""
    if mode == "sandbox":
        return Finding("providers", "warning", f"{name} (sandbox): {what}", "vixen up")
    return Finding("providers", "failed", f"{name} (live): {what}", "Check network and address.")
