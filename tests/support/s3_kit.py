"""What tests of the sandbox's object store share: clients, presigned URLs, reading errors.

Belongs here: plumbing. Does not: fixtures, assertions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from vixen_pipeline.sandbox.testing import Sandbox

BUCKET = "vixen"
MIB = 1024 * 1024


def client_of(sandbox: Sandbox, **changes: Any) -> Any:
    """An unmodified boto3 client that does not retry."""
    config = Config(retries={"max_attempts": 0}, max_pool_connections=20, signature_version="s3v4")
    values: dict[str, Any] = {
        "endpoint_url": f"{sandbox.url}/s3",
        "region_name": "auto",
        "aws_access_key_id": sandbox.token[:20],
        "aws_secret_access_key": sandbox.token,
        "config": config,
    }
    return boto3.client("s3", **{**values, **changes})


def presigned(s3: Any, method: str = "get_object", seconds: int = 60, **params: Any) -> str:
    """A presigned URL for a key that needs every kind of escaping, unless told otherwise."""
    return s3.generate_presigned_url(
        method, Params={"Bucket": BUCKET, "Key": "a b+c/ü.bin", **params}, ExpiresIn=seconds
    )


def files_in(sandbox: Sandbox) -> list[Path]:
    """Every file that the store keeps."""
    return [path for path in (sandbox.objects_dir / "_s3").rglob("*") if path.is_file()]


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def status_of(error: pytest.ExceptionInfo[ClientError]) -> int:
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"]
