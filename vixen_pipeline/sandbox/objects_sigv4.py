"""Signature Version 4, checked for real: in the Authorization header and in presigned URLs.

Belongs here: reading what was signed, recomputing it with botocore's own signer, time limits. Does
not: the body (its hash is compared in objects_body). Presigned URLs expire by sandbox time, so a
test can let them; header signatures are held to the machine's clock, as their senders are.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastapi import Request

from vixen_pipeline.sandbox.objects_wire import S3Error, Target

LONGEST_PRESIGN = 604_800
_SKEW = timedelta(minutes=15)
_ALGORITHM = "AWS4-HMAC-SHA256"
_STAMP = "%Y%m%dT%H%M%SZ"
_FIELD = re.compile(r"(\w+)=([^,\s]+)")


@dataclass(frozen=True, slots=True)
class Keys:
    """The one pair of credentials that the store knows."""

    access_key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A signature as it was sent. `payload` is the body hash that it covers."""

    credential: str
    signed_headers: tuple[str, ...]
    signature: str
    stamp: str
    payload: str
    presigned_seconds: int | None


def check_signature(request: Request, target: Target, keys: Keys, sandbox_now: datetime) -> str:
    """Check who signed and until when. Returns the body hash that the signature covers.

    Raises S3Error: 403 AccessDenied, InvalidAccessKeyId, SignatureDoesNotMatch,
    RequestTimeTooSkewed; 400 for a malformed claim or a life of more than 604,800 seconds.
    """
    presigned = target.asked("X-Amz-Signature") is not None
    claim = _from_query(target) if presigned else _from_header(request)
    signed_at = _moment(claim.stamp)
    access_key, date, region, service, ending = _scope(claim)
    if access_key != keys.access_key:
        raise S3Error(
            403, "InvalidAccessKeyId", "The access key id you provided does not exist.",
            {"AWSAccessKeyId": access_key},
        )  # fmt: skip
    if (date, service, ending) != (claim.stamp[:8], "s3", "aws4_request"):
        raise S3Error(400, "AuthorizationHeaderMalformed", "The credential scope is not valid.")
    expected = _recompute(request, target, claim, keys, region)
    if not hmac.compare_digest(expected, claim.signature):
        raise S3Error(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        )
    _check_time(claim, signed_at, sandbox_now)
    return claim.payload


def _from_header(request: Request) -> Claim:
    header = request.headers.get("authorization")
    if header is None:
        raise S3Error(403, "AccessDenied", "Access Denied")
    fields = dict(_FIELD.findall(header))
    stamp = request.headers.get("x-amz-date")
    payload = request.headers.get("x-amz-content-sha256")
    if not header.startswith(_ALGORITHM) or stamp is None or payload is None:
        raise S3Error(
            400, "AuthorizationHeaderMalformed", "Signature Version 4 in the header is required."
        )
    try:
        names = tuple(fields["SignedHeaders"].split(";"))
        return Claim(fields["Credential"], names, fields["Signature"], stamp, payload, None)
    except KeyError as error:
        raise S3Error(400, "AuthorizationHeaderMalformed", f"{error} is missing.") from error


def _from_query(target: Target) -> Claim:
    values = {name: target.asked(f"X-Amz-{name}") for name in _QUERY_FIELDS}
    missing = [name for name, value in values.items() if not value]
    if missing or values["Algorithm"] != _ALGORITHM:
        raise _bad_query(f"X-Amz-{missing[0] if missing else 'Algorithm'} is missing or wrong")
    seconds = values["Expires"] or ""
    if not re.fullmatch(r"-?\d+", seconds) or int(seconds) < 1:
        raise _bad_query("X-Amz-Expires must be a number of 1 or more")
    if int(seconds) > LONGEST_PRESIGN:
        raise _bad_query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires"
            f" must be less than {LONGEST_PRESIGN} seconds"
        )
    return Claim(
        values["Credential"] or "",
        tuple((values["SignedHeaders"] or "").split(";")),
        target.asked("X-Amz-Signature") or "",
        values["Date"] or "",
        "UNSIGNED-PAYLOAD",
        int(seconds),
    )


_QUERY_FIELDS = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders")


def _bad_query(message: str) -> S3Error:
    return S3Error(400, "AuthorizationQueryParametersError", message)


def _moment(stamp: str) -> datetime:
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise S3Error(400, "AuthorizationHeaderMalformed", "The date is malformed.") from error


def _scope(claim: Claim) -> list[str]:
    parts = claim.credential.split("/")
    if len(parts) != 5:
        raise S3Error(400, "AuthorizationHeaderMalformed", "The credential is malformed.")
    return parts


def _recompute(request: Request, target: Target, claim: Claim, keys: Keys, region: str) -> str:
    """The signature that these keys give for this very request, by botocore's signer."""
    from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    headers = _signed_headers(request, claim)
    query = [(name, value) for name, value in target.query if name != "X-Amz-Signature"]
    # The URL's scheme and host are only a frame: the signed host is the Host header.
    signed = AWSRequest(
        method=request.method,
        url=f"http://{headers.get('host', '')}{target.raw_path}",
        headers=headers,
        params=query,
    )
    signed.context["timestamp"] = claim.stamp
    kind = S3SigV4Auth if claim.presigned_seconds is None else S3SigV4QueryAuth
    signer = kind(Credentials(keys.access_key, keys.secret_key), "s3", region)
    canonical = signer.canonical_request(signed)
    if claim.presigned_seconds is None and "x-amz-content-sha256" not in claim.signed_headers:
        raise S3Error(403, "AccessDenied", "x-amz-content-sha256 must be signed.")
    return str(signer.signature(signer.string_to_sign(signed, canonical), signed))


def _signed_headers(request: Request, claim: Claim) -> Mapping[str, str]:
    """The headers that the claim covers; all x-amz-* that were sent must be among them."""
    present = {name for name in request.headers if name.startswith("x-amz-")}
    if "host" not in claim.signed_headers or not present <= set(claim.signed_headers):
        raise S3Error(
            403, "AccessDenied", "There were headers present in the request which were not signed"
        )
    return {
        name: ",".join(request.headers.getlist(name))
        for name in claim.signed_headers
        if name in request.headers
    }


def _check_time(claim: Claim, signed_at: datetime, sandbox_now: datetime) -> None:
    if claim.presigned_seconds is not None:
        ends_at = signed_at + timedelta(seconds=claim.presigned_seconds)
        if sandbox_now >= ends_at:
            raise S3Error(
                403, "AccessDenied", "Request has expired",
                {"X-Amz-Expires": str(claim.presigned_seconds), "Expires": _iso(ends_at),
                   "ServerTime": _iso(sandbox_now)},
            )  # fmt: skip
        if signed_at > sandbox_now + _SKEW:
            raise S3Error(403, "AccessDenied", "Request is not yet valid")
        return
    if abs(datetime.now(UTC) - signed_at) > _SKEW:
        raise S3Error(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
