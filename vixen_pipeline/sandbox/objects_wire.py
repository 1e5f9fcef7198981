"""S3's outer forms: errors and lists as XML, what a request addresses.

Belongs here: forms shared by all object routes. Does not: signatures (objects_sigv4), files
(objects_files), behaviour (objects_api and its neighbours).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from urllib.parse import unquote
from xml.etree import ElementTree

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"
MOUNT = "/s3"
Tree: TypeAlias = "str | Mapping[str, Tree | Sequence[Tree]]"


class S3Error(Exception):
    """An answer in S3's XML error form. `more` are further elements of it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        more: Mapping[str, str] | None = None,
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.more = more or {}

    def response(self, request: Request | None = None) -> Response:
        request_id = secrets.token_hex(8).upper()
        tree = {
            "Code": self.code,
            "Message": self.message,
            **self.more,
            "RequestId": request_id,
            "HostId": "sandbox",
        }
        # A client that waits for "100 Continue" never sends the body of a refused request, so what
        # comes next on this connection could be taken for that body: it must be closed.
        headers = {"x-amz-request-id": request_id, "connection": "close"}
        if self.retry_after is not None:
            headers["retry-after"] = f"{self.retry_after:g}"
        content = b"" if request is not None and request.method == "HEAD" else xml("Error", tree)
        return Response(content, self.status, headers, media_type="application/xml")


def shape(status: int, retry_after: float | None) -> Response:
    """How an ordered reply fault is worded."""
    code, message = {
        429: ("TooManyRequests", "Reduce your concurrent request rate for the same object."),
        503: ("ServiceUnavailable", "Please reduce your request rate."),
        507: ("InsufficientStorage", "There is not enough room to store the object."),
    }.get(status, ("InternalError", "We encountered an internal error. Please try again."))
    return S3Error(status, code, message, retry_after=retry_after).response()


def disk_full() -> S3Error:
    """What is answered when the disk is full, in earnest or by order."""
    return S3Error(507, "InsufficientStorage", "There is not enough room to store the object.")


class Route(APIRoute):
    """Turns S3Error into its answer, and a vanished client into IncompleteBody."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except S3Error as error:
                return error.response(request)
            except ClientDisconnect:
                error = S3Error(400, "IncompleteBody", "The request body terminated too early.")
                return error.response(request)

        return guarded


@dataclass(frozen=True, slots=True)
class Target:
    """What a request addresses. `query` is decoded, in the order sent; `route` is for faults."""

    bucket: str
    key: str
    raw_path: str
    query: tuple[tuple[str, str], ...]
    route: str

    def asked(self, name: str) -> str | None:
        """The value of a query parameter; empty text for a bare one; None when it is absent."""
        return next((value for key, value in self.query if key == name), None)

    def asked_number(self, name: str, default: int) -> int:
        """A whole number of 0 or more. Raises S3Error 400."""
        value = self.asked(name)
        if not value:
            return default
        if not value.isdigit():
            raise S3Error(
                400, "InvalidArgument", f"{name} must be a number", {"ArgumentName": name}
            )
        return int(value)


def target_of(request: Request) -> Target:
    """Read bucket, key and query from the path as it was sent, before any decoding."""
    raw_path = cast(bytes, request.scope["raw_path"]).decode("ascii").partition("?")[0]
    below = raw_path[raw_path.index(MOUNT) + len(MOUNT) :].lstrip("/")
    bucket, _, key = below.partition("/")
    pairs = request.scope["query_string"].decode("ascii").split("&")
    query = tuple(
        (unquote(name), unquote(value))
        for name, _, value in (pair.partition("=") for pair in pairs if pair)
    )
    decoded = unquote(key)
    route = f"{request.method} /{bucket}/{decoded}"
    return Target(unquote(bucket), decoded, raw_path, query, route)


def xml(root: str, tree: Mapping[str, Tree | Sequence[Tree]]) -> bytes:
    """An XML document; a list repeats its element."""
    node = ElementTree.Element(root)
    if root != "Error":
        node.set("xmlns", XMLNS)
    _fill(node, tree)
    return ElementTree.tostring(node, encoding="utf-8", xml_declaration=True)


def _fill(node: ElementTree.Element, tree: Mapping[str, Tree | Sequence[Tree]]) -> None:
    for name, value in tree.items():
        for item in (value,) if isinstance(value, str | Mapping) else value:
            child = ElementTree.SubElement(node, name)
            if isinstance(item, str):
                child.text = item
            else:
                _fill(child, cast("Mapping[str, Tree | Sequence[Tree]]", item))


def answer_xml(root: str, tree: Mapping[str, Tree | Sequence[Tree]]) -> Response:
    """A good answer with an XML document."""
    headers = {"x-amz-request-id": secrets.token_hex(8).upper()}
    return Response(xml(root, tree), 200, headers, media_type="application/xml")


def read_xml(body: bytes) -> ElementTree.Element:
    """Parse a request's XML, namespaces dropped. Raises S3Error 400."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise S3Error(400, "MalformedXML", "The XML must not declare a document type.")
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise S3Error(400, "MalformedXML", "The XML you provided was not well-formed.") from error
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
    return root
