"""Content Credentials (C2PA): signed into every file as the last step, and read back.

Belongs here: what a manifest says, signing, verifying. Does not: certificates (credentials.py),
pictures, storing. A manifest names the tool, the model and the LoRA by their digests and says that
the media came from a trained algorithm. Thumbnails are left out: they cost twenty times as much
time as all the rest, and the file itself is at hand.
"""

# c2pa's own annotations are partly missing.
# pyright: reportUnknownMemberType=false
from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from vixen_pipeline.errors import Permanent, VixenError

if TYPE_CHECKING:
    from vixen_pipeline.db.base import Json
    from vixen_pipeline.safety.credentials import Credentials

TOOL = "Vixen Pipeline"
TRAINED_ALGORITHMIC_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
GENERATION = "com.vixen-pipeline.generation"
"""The label of our own assertion: which piece this is and what it was made with."""

IngredientKind = Literal["model", "lora", "image"]
_RELATION = {"model": "inputTo", "lora": "inputTo", "image": "componentOf"}
_FORMAT = {"image": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Ingredient:
    """Something the file was made from, by the hex SHA-256 (or another digest) of its bytes."""

    title: str
    digest: str
    kind: IngredientKind


@dataclass(frozen=True, slots=True)
class Origin:
    """What the manifest says. `piece` leads back to the row; `software` made the pixels.

    `details` are further public facts (strings only); prompts and personal data do not belong.
    """

    title: str
    piece: str
    software: str
    made_at: datetime
    ingredients: Sequence[Ingredient] = ()
    details: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class SignedFile:
    """The file with its credentials in it. `credentials` is what piece_files keeps of them."""

    data: bytes
    credentials: Json


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a file's credentials say. `state`: trusted (by our own or a public anchor), valid
    (unchanged since it was signed, by somebody we do not know) or invalid (`problems` say why)."""

    state: Literal["trusted", "valid", "invalid"]
    signed_by: str
    signed_at: str | None
    source_type: str | None
    piece: str | None
    details: Mapping[str, str]
    ingredients: Sequence[str]
    problems: Sequence[str]

    @property
    def development(self) -> bool:
        from vixen_pipeline.safety.credentials import DEVELOPMENT

        return DEVELOPMENT in self.signed_by

    @property
    def made_by_ai(self) -> bool:
        return self.source_type == TRAINED_ALGORITHMIC_MEDIA


def sign_file(
    credentials: Credentials, data: bytes, content_type: str, origin: Origin
) -> SignedFile:
    """Sign `data` (image/jpeg, image/png or video/mp4); about 5 ms for a megabyte.

    The signed file is read back before it is given out. Signing draws salts, so two signings of
    the same bytes differ. Raises Permanent when the file cannot carry credentials or the
    certificate is not accepted: what cannot be signed is not published.
    """
    import c2pa

    info = c2pa.C2paSignerInfo(
        b"es256", credentials.chain, credentials.private_key, credentials.timestamp_url
    )
    out = io.BytesIO()
    try:
        settings = c2pa.Settings.from_dict(_settings())
        with (
            c2pa.Context(settings) as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(_manifest(origin, content_type), context) as builder,
        ):
            builder.sign(signer, content_type, io.BytesIO(data), out)
    except c2pa.C2paError as error:
        raise _unsigned(str(error)) from error
    signed = out.getvalue()
    found = read_provenance(signed, content_type, credentials)
    if found is None or found.state == "invalid" or found.piece != origin.piece:
        why = "; ".join(found.problems) if found else "no credentials are in the file"
        raise _unsigned(why)
    return SignedFile(
        signed,
        {
            "standard": "c2pa",
            "state": found.state,
            "signed_by": credentials.name,
            "certificate_serial": credentials.serial,
            "development": credentials.development,
            "source_type": "trainedAlgorithmicMedia",
            "timestamped": credentials.timestamp_url is not None,
        },
    )


def read_provenance(
    data: bytes, content_type: str, credentials: Credentials | None = None
) -> Provenance | None:
    """The credentials in `data`, judged; None when there are none.

    `credentials` are this instance's own: what they signed is then trusted.
    """
    import c2pa

    settings = c2pa.Settings.from_dict(_trust(credentials))
    with c2pa.Context(settings) as context:
        try:
            reader = c2pa.Reader.try_create(content_type, io.BytesIO(data), None, context)
        except c2pa.C2paError as error:
            raise VixenError(f"The file's credentials cannot be read ({error}).") from error
        if reader is None:
            return None
        with reader:
            document: dict[str, Any] = json.loads(reader.json())
    return _provenance(document)


def _unsigned(why: str) -> Permanent:
    return Permanent(
        "content credentials",
        f"the file could not be signed ({why}).",
        code="unsigned",
        next_step="`vixen doctor` looks at the certificate.",
    )


def _settings() -> dict[str, Any]:
    return {
        # Read back by us, with our own anchor; once is enough.
        "verify": {"verify_after_sign": False, "verify_trust": False},
        "builder": {"thumbnail": {"enabled": False}},
    }


def _trust(credentials: Credentials | None) -> dict[str, Any]:
    settings: dict[str, Any] = {"verify": {"verify_trust": True, "ocsp_fetch": False}}
    if credentials is not None:
        settings["trust"] = {"user_anchors": _anchor(credentials.chain)}
    return settings


def _anchor(chain: bytes) -> str:
    """The last certificate of a chain: its root, as far as we were given it."""
    begin = b"-----BEGIN CERTIFICATE-----"
    return (begin + chain.rsplit(begin, 1)[1]).decode()


def _manifest(origin: Origin, content_type: str) -> dict[str, Any]:
    when = origin.made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ids = [f"{each.kind}:{each.digest}" for each in origin.ingredients]
    created: dict[str, Any] = {
        "action": "c2pa.created",
        "when": when,
        "digitalSourceType": TRAINED_ALGORITHMIC_MEDIA,
        "softwareAgent": {"name": origin.software},
    }
    if ids:
        created["parameters"] = {"ingredientIds": ids}
    facts = {"piece": origin.piece, "software": origin.software, "madeAt": when, **origin.details}
    return {
        "claim_generator_info": [{"name": TOOL, "version": _version()}],
        "title": origin.title,
        "format": content_type,
        "ingredients": [
            {
                "title": each.title,
                "format": _FORMAT.get(each.kind, "application/octet-stream"),
                "relationship": _RELATION[each.kind],
                "instance_id": identifier,
            }
            for each, identifier in zip(origin.ingredients, ids, strict=True)
        ],
        "assertions": [
            {"label": "c2pa.actions.v2", "created": True, "data": {"actions": [created]}},
            {"label": GENERATION, "created": True, "data": facts},
        ],
    }


@cache
def _version() -> str:
    from importlib.metadata import version

    return version("vixen-pipeline")


def _provenance(document: Mapping[str, Any]) -> Provenance:
    manifest = document["manifests"][document["active_manifest"]]
    states = {"Trusted": "trusted", "Valid": "valid"}
    assertions: dict[str, Any] = {
        str(each["label"]): each["data"] for each in manifest.get("assertions", ())
    }
    actions = assertions.get("c2pa.actions.v2", assertions.get("c2pa.actions", {}))
    created = [each for each in actions.get("actions", ()) if each["action"] == "c2pa.created"]
    own = {str(name): str(value) for name, value in assertions.get(GENERATION, {}).items()}
    signature = manifest.get("signature_info", {})
    state = states.get(document.get("validation_state", ""), "invalid")
    problems = [
        f"{each['code']}: {each.get('explanation', '')}"
        for each in document.get("validation_status", ())
        if state == "invalid"
    ]
    return Provenance(
        state=state,  # pyright: ignore[reportArgumentType]
        signed_by=str(signature.get("common_name") or signature.get("issuer") or "unknown"),
        signed_at=signature.get("time"),
        source_type=created[0].get("digitalSourceType") if created else None,
        piece=own.get("piece"),
        details=own,
        ingredients=[
            f"{each.get('title', '')} ({each.get('instance_id', 'no digest')})"
            for each in manifest.get("ingredients", ())
        ],
        problems=problems,
    )
