"""Replicate's HTTP API by its official client, read as raw JSON.

Belongs here: requests, paging, what a job looks like, which inputs a version takes. Does not:
which inputs to send (replicate_models.py). Raw JSON because the SDK's models raise on the status
`aborted` and know neither a training's metrics nor its source. The SDK's `create` without `wait`
sends with no time-out at all; every request here has one.
"""

# The one private name of the SDK that is used is `Client._request`: raw answers have no public way.
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from vixen_pipeline.errors import Permanent, Unknown
from vixen_pipeline.providers import http
from vixen_pipeline.providers.endpoints import Endpoint
from vixen_pipeline.providers.failures import Unreadable, edge, one_line
from vixen_pipeline.providers.ports import JobStatus, RemoteJob

if TYPE_CHECKING:
    from replicate.client import Client

PROVIDER = "replicate"
LONGEST_WAIT_S = 60
_MOST_PAGES = 200

Raw = Mapping[str, object]

_STATUS: dict[str, JobStatus] = {
    "starting": "submitted",
    "queued": "submitted",
    "processing": "processing",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "canceled",
    "aborted": "aborted",
}


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A model as the API states it: `version` None for official models, which have no own one."""

    slug: str
    version: str | None
    inputs: frozenset[str]
    training_inputs: frozenset[str]

    @property
    def name(self) -> str:
        return self.slug if self.version is None else f"{self.slug}:{self.version}"


class ReplicateApi:
    """One per process: thread-safe, keeps connections alive, remembers models it has looked up."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float, concurrency: int) -> None:
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._concurrency = concurrency
        self._client = http.Once(self._make_client)
        self._models: dict[str, ModelVersion] = {}
        self.downloads = http.Downloader(
            PROVIDER,
            base_url=endpoint.base_url,
            key=endpoint.key,
            timeout_s=timeout_s,
            concurrency=concurrency,
        )

    def _make_client(self) -> Client:
        from replicate.client import Client

        client = Client(
            api_token=self._endpoint.key,
            base_url=self._endpoint.base_url,
            timeout=http.timeout(self._timeout_s),
            transport=http.edge_transport(self._endpoint.base_url, self._concurrency),
        )
        _ = client._client  # made lazily and without a lock by the SDK: make it before threads come
        return client

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        repeatable: bool,
        wait: bool = False,
    ) -> Raw:
        """One request, one JSON object. `wait` asks the provider to hold the reply until done."""
        headers = {"Prefer": f"wait={self._wait_s()}"} if wait else {}
        with edge(PROVIDER, repeatable=repeatable):
            client = self._client()
            reply = client._request(
                method,
                path,
                headers=headers,
                timeout=http.timeout(self._timeout_s),
                **({} if body is None else {"json": body}),
            )
            return _object(reply.json())

    def _wait_s(self) -> int:
        """The provider answers well before our own time-out strikes."""
        return max(1, min(LONGEST_WAIT_S, int(self._timeout_s * 0.8)))

    def jobs(self, path: str, since: datetime) -> Generator[Raw]:
        """Predictions or trainings, newest first, back to those created at `since`.

        Raises Unknown when they are too many to read.
        """
        where: str | None = path
        for _ in range(_MOST_PAGES):
            if where is None:
                return
            page = self.call("GET", where, repeatable=True)
            for entry in cast(list[object], page.get("results") or []):
                raw = _as_raw(entry)
                created = moment(raw.get("created_at"))
                if created is not None and created < since:
                    return
                yield raw
            where = self._next(page.get("next"))
        if where is not None:  # what was not read may be what is looked for
            raise Unknown(PROVIDER, f"lists more than {_MOST_PAGES} pages since {since}.")

    def _next(self, cursor: object) -> str | None:
        """The next page's URL, on the API's own origin: the key goes along with it."""
        if not isinstance(cursor, str) or not cursor:
            return None
        if "://" in cursor and http.origin(cursor) != http.origin(self._endpoint.base_url):
            raise Permanent(PROVIDER, "its list continues on another host.", code="foreign_cursor")
        return cursor

    def model(self, name: str) -> ModelVersion:
        """Look up `owner/name[:version]`, once per process. Permanent when there is none."""
        if name not in self._models:
            self._models[name] = self._look_up(name)
        return self._models[name]

    def _look_up(self, name: str) -> ModelVersion:
        slug, _, pinned = name.partition(":")
        if slug.count("/") != 1:
            raise _no_model(name, "is not of the form owner/name or owner/name:version")
        path = f"/v1/models/{slug}"
        try:
            raw = self.call("GET", f"{path}/versions/{pinned}" if pinned else path, repeatable=True)
        except Permanent as error:
            if error.code in ("404", "gone"):
                raise _no_model(name, "does not exist or is not visible to this account") from error
            raise
        version = raw if pinned else raw.get("latest_version")
        if not isinstance(version, Mapping):
            raise _no_model(name, "has no version that can be run")
        found = _as_raw(cast(object, version))
        official = not pinned and raw.get("is_official") is True
        return ModelVersion(
            slug=slug,
            version=None if official else str(found.get("id") or pinned),
            inputs=_properties(found, "Input"),
            training_inputs=_properties(found, "TrainingInput"),
        )


def to_job(raw: Raw, sku: str) -> RemoteJob:
    """A prediction or training object as a RemoteJob. Raises Unreadable without id or status."""
    remote_id, status = raw.get("id"), raw.get("status")
    if not isinstance(remote_id, str) or not isinstance(status, str):
        raise Unreadable("a job without id or status")
    ended = raw.get("completed_at") is not None
    inputs = raw.get("input")
    metrics = raw.get("metrics")
    seconds = _as_raw(metrics).get("predict_time") if metrics else None
    model, version = raw.get("model"), raw.get("version")
    destination = raw.get("destination")
    return RemoteJob(
        id=remote_id,
        # A status newer than this list is an end only if the provider says when it ended.
        status=_STATUS.get(status, "failed" if ended else "processing"),
        outputs=tuple(_urls(raw.get("output"))),
        error=one_line(str(raw["error"])) if raw.get("error") else None,
        billed_seconds=None if seconds is None else Decimal(str(seconds)),
        created_at=moment(raw.get("created_at")),
        input=_without_urls(_as_raw(inputs)) if inputs else {},
        sku=sku,
        model=f"{model}:{version}" if model and version else str(model or version or "") or None,
        destination=destination.partition(":")[0] if isinstance(destination, str) else None,
    )


def parse_body(body: bytes) -> Raw:
    """A webhook body. Raises ValueError when it is not a job object."""
    content: object = json.loads(body)
    if not isinstance(content, Mapping):
        raise ValueError("the body is not a JSON object")
    raw = _as_raw(cast(object, content))
    if not isinstance(raw.get("id"), str) or not isinstance(raw.get("status"), str):
        raise ValueError("the body is no prediction or training: it has no id or status")
    return raw


def moment(value: object) -> datetime | None:
    """An ISO timestamp; one without a zone is UTC."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _object(content: object) -> Raw:
    if not isinstance(content, Mapping):
        raise Unreadable("not a JSON object")
    return cast(Raw, content)


def _as_raw(value: object) -> Raw:
    return cast(Raw, value) if isinstance(value, Mapping) else {}


def _properties(version: Raw, schema: str) -> frozenset[str]:
    """Input names in an OpenAPI document: components.schemas.<schema>.properties."""
    found = version.get("openapi_schema")
    for step in ("components", "schemas", schema, "properties"):
        found = _as_raw(found).get(step)
    return frozenset(_as_raw(found))


def _urls(output: object) -> Generator[str]:
    if isinstance(output, str):
        if output.startswith(("http://", "https://", "data:")):
            yield output
    elif isinstance(output, Mapping):
        for value in cast(Raw, output).values():
            yield from _urls(value)
    elif isinstance(output, list):
        for value in cast(list[object], output):
            yield from _urls(value)


def _without_urls(inputs: Raw) -> dict[str, object]:
    """Inputs without links: presigned URLs are credentials and are kept nowhere."""
    return {
        name: value
        for name, value in inputs.items()
        if not (isinstance(value, str) and value.startswith(("http://", "https://", "data:")))
    }


def _no_model(name: str, why: str) -> Permanent:
    return Permanent(
        PROVIDER,
        f"model {name} {why}.",
        code="model_unusable",
        next_step="Choose another with VIXEN_REPLICATE_TRAINER, VIXEN_REPLICATE_PORTRAIT_MODEL "
        "or VIXEN_REPLICATE_IDENTITY_MODEL.",
    )
