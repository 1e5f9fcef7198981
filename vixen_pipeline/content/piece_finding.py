"""Which piece is this picture? Belongs here: asking the registry of published files.

Does not: pixels (pictures.fingerprints), reading credentials (safety.provenance). Asked in this
order, the first answer counts: the very bytes; the credentials in the file, when they are intact
and lead to a piece; what it looks like (index of perceptual hashes, then pixels). A video is asked
about frame by frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Integer, String, bindparam, select, text
from sqlalchemy.orm import Session

from vixen_pipeline.db.models import Avatar, ContentPiece, PieceFile, PieceMember
from vixen_pipeline.errors import NotImage, VixenError
from vixen_pipeline.pictures.files import open_picture, sniff
from vixen_pipeline.pictures.fingerprints import ENOUGH, likeness, query_hashes
from vixen_pipeline.pictures.framing import unframed
from vixen_pipeline.pictures.quality import hash_bits
from vixen_pipeline.providers.video_frames import frames_of
from vixen_pipeline.safety.credentials import load_credentials
from vixen_pipeline.safety.provenance import Provenance, read_provenance

if TYPE_CHECKING:
    from PIL.Image import Image

    from vixen_pipeline.services import Services

How = Literal["exact", "credentials", "looks"]
MP4 = "video/mp4"
_PICTURES_IN_BOXES = frozenset(b"heic heix heim heis hevc hevx mif1 msf1 avif avis".split())
"""What the first bytes of photographs from phones say, which begin like an MP4."""
PER_HASH = 4
"""Neighbours that the index is asked for per hash; all shapes of a piece are its neighbours."""
MOST_BITS = 16
"""Candidates farther away than this are not looked at."""
MOST_LOOKED_AT = 16
LEAST_MEMBERS = 2
"""Stills of one of our videos that a video must show to be taken for it."""

# The index is asked without any filter, and who comes is judged then: its cost stays the same
# however many pieces there are.
_NEAREST = text(
    """
    SELECT id, CAST(phash_bits <~> CAST(:bits AS bit(64)) AS integer) AS bits
    FROM vixen.piece_files WHERE phash_bits IS NOT NULL
    ORDER BY phash_bits <~> CAST(:bits AS bit(64)) LIMIT :count
    """
).bindparams(bindparam("bits", type_=String), bindparam("count", type_=Integer))


@dataclass(frozen=True, slots=True)
class FoundPiece:
    """A piece that the picture shows. `how` it was found; `likeness` 0 to 1 (1: the very bytes or
    intact credentials); `bits` is the distance of the hashes, where they were compared."""

    piece_id: int
    avatar: str
    key: str
    format: str
    state: str
    file: str
    how: How
    likeness: float
    bits: int | None = None


def find_piece(services: Services, data: bytes) -> list[FoundPiece]:
    """The pieces that `data` (an image or an MP4) shows, likeliest first; empty: none.

    Raises NotImage when it is neither.
    """
    digest = hashlib.sha256(data).hexdigest()
    with services.database.begin() as session:
        exact = session.scalars(select(PieceFile.id).where(PieceFile.sha256 == digest)).all()
        if exact:
            return _found(session, dict.fromkeys(exact, ("exact", 1.0, 0)))
    claimed = _by_credentials(services, data)
    if claimed:
        return claimed
    if content_type(data) == MP4:
        return _by_frames(services, data)
    return _by_looks(services, data)


def content_type(data: bytes) -> str:
    """By the first bytes. Raises NotImage for what is neither an image we read nor an MP4."""
    if data[4:8] == b"ftyp":
        if data[8:12] in _PICTURES_IN_BOXES:
            raise NotImage("the file is a HEIC or AVIF picture; JPEG, PNG or WebP is needed")
        return MP4
    return sniff(data)[1]


def provenance_of(services: Services, data: bytes) -> Provenance | None:
    """The credentials in a file, judged with this instance's own certificate trusted.

    Raises NotImage, or VixenError when they cannot be read.
    """
    kind = content_type(data)
    return read_provenance(data, kind, load_credentials(services.settings, services.clock.now()))


def _by_credentials(services: Services, data: bytes) -> list[FoundPiece]:
    """Only what is intact counts: anybody can write our piece's name into another picture."""
    try:
        found = provenance_of(services, data)
    except NotImage:
        raise
    except VixenError:
        return []  # damaged credentials say nothing; what the picture looks like still does
    if found is None or found.state != "trusted" or found.piece is None:
        return []
    with services.database.begin() as session:
        ids = session.scalars(
            select(PieceFile.id)
            .join(ContentPiece, ContentPiece.id == PieceFile.piece_id)
            .join(Avatar, Avatar.id == ContentPiece.avatar_id)
            .where(
                ContentPiece.key == found.piece,
                Avatar.key == found.details.get("avatar", ""),
                PieceFile.name == found.details.get("shape", "video"),
            )
        ).all()
        return _found(session, dict.fromkeys(ids, ("credentials", 1.0, None)))


def _by_frames(services: Services, data: bytes) -> list[FoundPiece]:
    """The videos made of the stills that the frames show; the stills, where no video is."""
    stills: dict[int, FoundPiece] = {}
    for frame in frames_of(data, services.settings.ffmpeg):
        try:
            found = _by_looks(services, frame)
        except NotImage:  # a black frame between others shows nothing
            continue
        for each in found[:1]:
            stills[each.piece_id] = max(each, stills.get(each.piece_id, each), key=_likeness)
    with services.database.begin() as session:
        members = session.execute(
            select(PieceMember.piece_id, PieceMember.member_id, PieceFile.id)
            .join(PieceFile, PieceFile.piece_id == PieceMember.piece_id)
            .where(PieceMember.member_id.in_(stills), PieceFile.content_type == MP4)
        ).all()
        shown: dict[int, list[float]] = {}
        for _, member, file_id in members:
            shown.setdefault(file_id, []).append(stills[member].likeness)
        most = max((len(each) for each in shown.values()), default=0)
        videos: dict[int, tuple[How, float, int | None]] = {
            file_id: ("looks", round(sum(each) / len(each), 4), None)
            for file_id, each in shown.items()
            if len(each) == most >= LEAST_MEMBERS
        }
        return _found(session, videos) or sorted(stills.values(), key=_likeness, reverse=True)


def _likeness(piece: FoundPiece) -> float:
    return piece.likeness


def _by_looks(services: Services, data: bytes) -> list[FoundPiece]:
    """As it is; when it is nobody's, what is inside its frame (a screenshot, black bars)."""
    image = open_picture(data).image
    found = _alike(services, image)
    inner = None if found else unframed(image)
    return found if inner is None else _alike(services, inner)


def _alike(services: Services, image: Image) -> list[FoundPiece]:
    with services.database.begin() as session:
        near = _nearest(session, query_hashes(image))
        keys = {
            row[0]: row[1]
            for row in session.execute(
                select(PieceFile.id, PieceFile.object_key).where(PieceFile.id.in_(near))
            )
        }
    likely = {id_: likeness(image, services.objects.get(keys[id_])) for id_ in near if id_ in keys}
    alike: dict[int, tuple[How, float, int | None]] = {
        id_: ("looks", round(score, 4), near[id_])
        for id_, score in likely.items()
        if score >= ENOUGH
    }
    with services.database.begin() as session:
        return _found(session, alike)


def _nearest(session: Session, hashes: Sequence[int]) -> dict[int, int]:
    """File ids and their least distance in bits, nearest first, at most `MOST_LOOKED_AT`."""
    near: dict[int, int] = {}
    for each in hashes:
        rows = session.execute(_NEAREST, {"bits": hash_bits(each), "count": PER_HASH})
        for id_, bits in rows:
            near[id_] = min(bits, near.get(id_, 64))
    kept = sorted((bits, id_) for id_, bits in near.items() if bits <= MOST_BITS)
    return {id_: bits for bits, id_ in kept[:MOST_LOOKED_AT]}


def _found(session: Session, files: dict[int, tuple[How, float, int | None]]) -> list[FoundPiece]:
    """One line per piece: its likeliest file."""
    rows = session.execute(
        select(PieceFile.id, PieceFile.name, ContentPiece, Avatar.key)
        .join(ContentPiece, ContentPiece.id == PieceFile.piece_id)
        .join(Avatar, Avatar.id == ContentPiece.avatar_id)
        .where(PieceFile.id.in_(files))
    ).all()
    by_piece: dict[int, FoundPiece] = {}
    for file_id, name, piece, avatar in sorted(rows, key=lambda row: -files[row[0]][1]):
        how, score, bits = files[file_id]
        by_piece.setdefault(
            piece.id,
            FoundPiece(
                piece.id, avatar, piece.key, piece.format, piece.state, name, how, score, bits
            ),
        )
    return list(by_piece.values())
