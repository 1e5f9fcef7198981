"""The object store, R2 or any S3, by boto3. Belongs here: the ObjectStore port on S3.

Does not: which keys there are (their owners name them; a key contains its content's hash, so an
object is written once and a second write is a success). R2 refuses the checksums that boto3 adds
by default, so they are sent only when an operation requires them; our own SHA-256 travels as
metadata and signs the payload.
"""

# boto3 builds its methods at run time and is untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from vixen_pipeline.errors import Permanent, Unavailable
from vixen_pipeline.providers.endpoints import ObjectsEndpoint, objects_endpoint
from vixen_pipeline.providers.http import CONNECT_S, Once, is_loopback
from vixen_pipeline.providers.ports import ObjectStore, StoredObject
from vixen_pipeline.settings import Settings

PROVIDER = "objects"
LONGEST_PRESIGN_S = 604_800
READ_S = 60.0
ATTEMPTS = 3
"""Tries of one request by botocore: every one of them is a read or writes the same bytes."""
SINGLE_PUT_BYTES = 64 << 20
PART_BYTES = 16 << 20
"""All parts but the last have this size (R2 requires equal parts); 10,000 parts at most."""
_MOST_PARTS = 10_000
_NO_ROOM = frozenset(
    {"InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "StorageFull", "507"}
)
_BUSY = frozenset(
    {
        "InternalError",
        "ServiceUnavailable",
        "SlowDown",
        "RequestTimeout",
        "TooManyRequests",
        "Throttling",
        "ThrottlingException",
    }
)
_AUTH = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "Unauthorized", "401", "403"}
)


class S3Objects:
    """The ObjectStore port on S3. Thread-safe; one client per process."""

    def __init__(
        self,
        endpoint: ObjectsEndpoint,
        *,
        presign_seconds: int,
        connections: int = 32,
        read_timeout_s: float = READ_S,
    ) -> None:
        self._endpoint = endpoint
        self._presign_seconds = presign_seconds
        self._client = Once(lambda: _client(endpoint, connections, read_timeout_s))
        self._bucket = Once(self._ensure_bucket)

    def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        sha256 = hashlib.sha256(data).hexdigest()
        self._write(key, lambda: data, sha256, content_type)
        return StoredObject(key, sha256, len(data))

    def put_file(self, key: str, path: Path, content_type: str) -> StoredObject:
        """Streams large files in parts; nothing of them is held in memory but one part."""
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        if size <= SINGLE_PUT_BYTES:
            self._write(key, path.read_bytes, sha256, content_type)
        elif not self.exists(key):
            self._write_parts(key, path, size, sha256, content_type)
        return StoredObject(key, sha256, size)

    def get(self, key: str) -> bytes:
        """The bytes, checked against the SHA-256 they were stored with."""
        with self._errors(key):
            reply = self._client().get_object(Bucket=self._bucket(), Key=key)
            data: bytes = reply["Body"].read()
            stored: str | None = reply.get("Metadata", {}).get("sha256")
        if stored is not None and stored != hashlib.sha256(data).hexdigest():
            raise Permanent(
                PROVIDER,
                f"{key} is damaged: its bytes do not have the SHA-256 they were stored with.",
                code="damaged",
                next_step="Delete the object and materialize again.",
            )
        return data

    def exists(self, key: str) -> bool:
        try:
            with self._errors(key):
                self._client().head_object(Bucket=self._bucket(), Key=key)
        except Permanent as error:
            if error.code == "NoSuchKey":
                return False
            raise
        return True

    def presign(self, key: str, seconds: int | None = None) -> str:
        """Signed here, without a request. boto3 signs any life; the server takes a week."""
        life = self._presign_seconds if seconds is None else seconds
        if not 1 <= life <= LONGEST_PRESIGN_S:
            raise Permanent(
                PROVIDER,
                f"a presigned URL lives 1 to {LONGEST_PRESIGN_S:,} seconds, not {life:,}.",
                code="presign_seconds",
            )
        parameters = {"Bucket": self._endpoint.bucket, "Key": key}
        with self._errors(key):
            url: str = self._client().generate_presigned_url(
                "get_object", Params=parameters, ExpiresIn=life
            )
        return url

    def _write(self, key: str, data: Callable[[], bytes], sha256: str, content_type: str) -> None:
        try:
            with self._errors(key):
                self._client().put_object(
                    Bucket=self._bucket(),
                    Key=key,
                    Body=data(),
                    ContentType=content_type,
                    Metadata={"sha256": sha256},
                    IfNoneMatch="*",
                )
        except Permanent as error:
            # Already there: under this key that can only be the same content.
            if error.code != "PreconditionFailed":
                raise

    def _write_parts(self, key: str, path: Path, size: int, sha256: str, content_type: str) -> None:
        part_bytes = max(PART_BYTES, math.ceil(size / _MOST_PARTS))
        client, where = self._client(), {"Bucket": self._bucket(), "Key": key}
        with self._errors(key):
            upload = client.create_multipart_upload(
                **where, ContentType=content_type, Metadata={"sha256": sha256}
            )
            upload_id = {"UploadId": upload["UploadId"]}
        try:
            with self._errors(key), path.open("rb") as file:
                parts: list[dict[str, Any]] = []
                while chunk := file.read(part_bytes):
                    number = len(parts) + 1
                    digest = base64.b64encode(hashlib.md5(chunk).digest()).decode()
                    reply = client.upload_part(
                        **where, **upload_id, PartNumber=number, Body=chunk, ContentMD5=digest
                    )
                    parts.append({"PartNumber": number, "ETag": reply["ETag"]})
                client.complete_multipart_upload(
                    **where, **upload_id, MultipartUpload={"Parts": parts}
                )
        except (Permanent, Unavailable):
            self._abandon(where | upload_id)
            raise

    def _abandon(self, upload: dict[str, Any]) -> None:
        """Best effort: what is left is removed by the bucket's own rule after seven days."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client().abort_multipart_upload(**upload)
        except (BotoCoreError, ClientError):
            return

    def _ensure_bucket(self) -> str:
        """The sandbox's bucket is made here; a live one is made by its owner, with its rules."""
        from botocore.exceptions import ClientError

        name = self._endpoint.bucket
        if not self._endpoint.owned:
            return name
        with self._errors(name):
            try:
                self._client().create_bucket(
                    Bucket=name, CreateBucketConfiguration={"LocationConstraint": "auto"}
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in (
                    "BucketAlreadyOwnedByYou",
                    "BucketAlreadyExists",
                ):
                    raise
        return name

    @contextmanager
    def _errors(self, key: str) -> Generator[None]:
        """botocore's errors as Unavailable (a clean retry is safe) or Permanent."""
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectionError,
            HTTPClientError,
            IncompleteReadError,
        )

        try:
            yield
        except ClientError as error:
            self._raise_answer(key, error)
        except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
            raise self._down(str(error)) from error
        except BotoCoreError as error:
            raise Permanent(PROVIDER, f"{error}", code=type(error).__name__) from error

    def _raise_answer(self, key: str, error: Any) -> NoReturn:
        answer = error.response
        code = str(answer.get("Error", {}).get("Code", ""))
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in _NO_ROOM or status == 507:
            raise Unavailable(
                f"The object store has no room left for {key}.",
                next_step="Free space there and run again.",
            ) from error
        if code in _BUSY or status in (429, 500, 502, 503, 504):
            raise self._down(f"HTTP {status} {code}") from error
        if code in _AUTH:
            raise Permanent(
                PROVIDER,
                f"the object store refuses the key ({code}).",
                code="auth",
                next_step="Check VIXEN_S3_ACCESS_KEY_ID and VIXEN_S3_SECRET_ACCESS_KEY.",
            ) from error
        if code == "NoSuchBucket":
            raise Permanent(
                PROVIDER,
                f"there is no bucket {self._endpoint.bucket}.",
                code=code,
                next_step="Create it, or set VIXEN_S3_BUCKET.",
            ) from error
        if code in ("NoSuchKey", "404", "NotFound"):
            raise Permanent(PROVIDER, f"there is no object {key}.", code="NoSuchKey") from error
        if status == 412:
            code = "PreconditionFailed"
        raise Permanent(PROVIDER, f"{key}: HTTP {status} {code}.", code=code) from error

    def _down(self, why: str) -> Unavailable:
        where = self._endpoint.url or "AWS S3"
        return Unavailable(
            f"The object store at {where} cannot be used just now ({why.rstrip('.')}).",
            next_step="Nothing was half written; run again when it is back.",
        )


def _client(endpoint: ObjectsEndpoint, connections: int, read_timeout_s: float) -> Any:
    from boto3.session import Session
    from botocore.config import Config
    from botocore.handlers import add_expect_header

    style = "path" if endpoint.url else "auto"
    client = Session().client(
        "s3",
        endpoint_url=endpoint.url,
        region_name=endpoint.region,
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": style},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=CONNECT_S,
            read_timeout=read_timeout_s,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            max_pool_connections=connections,
            # An empty mapping means none at all; None means those of the environment.
            proxies={} if endpoint.url and is_loopback(endpoint.url) else None,
        ),
    )
    # R2 does not answer `Expect: 100-continue`: every upload would wait a second for nothing.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return client


def build_object_store(settings: Settings) -> ObjectStore:
    """The object store of this instance. Raises SettingsMissing."""
    return S3Objects(
        objects_endpoint(settings),
        presign_seconds=settings.presign_seconds,
        connections=settings.replicate_concurrency + settings.text_concurrency,
    )
