"""What the pieces of plans are worth, read from rows now. Belongs here: the five checks, figures.

Does not: storing verdicts. Facts are of given plans (the newest, or those just closed), never of
an avatar's whole history.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from vixen_pipeline.content.piece_making import shapes_of
from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import ContentPiece, ContentPlan, PieceFile, RenderedImage
from vixen_pipeline.db.models.pieces import TIERS
from vixen_pipeline.pictures.contact_sheet import markdown_image
from vixen_pipeline.pictures.plots import bars_png, histogram_png
from vixen_pipeline.pictures.quality import Thresholds
from vixen_pipeline.safety.disclosure import disclosure_problem
from vixen_pipeline.safety.tiers import is_tightened_only
from vixen_pipeline.stages import Check, Meta

APPROVED = ("approved", "auto_approved")
_SIGNED = ("trusted", "valid")

_PLANNED = text(
    """
    SELECT s.plan_id, s.tier, count(*) AS shots,
           count(*) FILTER (WHERE EXISTS (
             SELECT FROM vixen.rendered_images r JOIN vixen.content_pieces c ON c.image_id = r.id
             WHERE r.shot_id = s.id AND r.selected)) AS filled
    FROM vixen.content_shots s WHERE s.plan_id = ANY(:plans) GROUP BY 1, 2
    """
)
_SPENT = text(
    """
    SELECT (SELECT COALESCE(sum(r.usd), 0) FROM vixen.rendered_images r
            JOIN vixen.content_shots s ON s.id = r.shot_id WHERE s.plan_id = ANY(:plans))
         + (SELECT COALESCE(sum(c.usd), 0) FROM vixen.content_copies c
            JOIN vixen.content_shots s ON s.id = c.shot_id WHERE s.plan_id = ANY(:plans))
         + (SELECT COALESCE(sum(p.usd), 0) FROM vixen.content_pieces p
            WHERE p.plan_id = ANY(:plans) AND p.format <> 'still')
    """
)


@dataclass(frozen=True, slots=True)
class PieceFacts:
    """Everything that is told about the pieces of some plans of one avatar."""

    plans: Sequence[ContentPlan]
    planned: Mapping[str, tuple[int, int]]
    pieces: Sequence[ContentPiece]
    files: Mapping[int, Sequence[tuple[str, Json]]]
    scores: Sequence[float]
    scorer: str
    spent: Decimal

    @property
    def current(self) -> list[ContentPiece]:
        """Pieces that count: neither rejected nor replaced."""
        return [p for p in self.pieces if p.state != "rejected" and p.replaced_at is None]

    def stills(self, *states: str) -> list[ContentPiece]:
        return [
            piece
            for piece in self.current
            if piece.format == "still" and (not states or piece.state in states)
        ]

    # ---- checks ---------------------------------------------------------------------------------

    def checks(self) -> tuple[Check, ...]:
        return (
            self._complete(),
            self._signed(),
            self._disclosed(),
            self._tiers(),
            self._own_certificate(),
        )

    def _complete(self) -> Check:
        wanted = sum(plan.count for plan in self.plans)
        filled = sum(done for _, done in self.planned.values())
        short = [f"{wanted - filled} stills"] if filled != wanted else []
        # Stills that a person rejected and wants no others for are in no composed piece.
        dropped = any(p.state == "rejected" and p.replaced_at is None for p in self.pieces)
        for name in ("carousel", "slideshow"):
            asked = sum(int(plan.formats.get(name, 0)) for plan in self.plans)
            made = sum(piece.format == name for piece in self.pieces)  # a person may reject one
            if made < asked and not dropped:
                short.append(f"{asked - made} {name}s")
        text = f"{filled} of {wanted} planned stills are pieces"
        text += f"; missing: {', '.join(short)}." if short else ", and every format is composed."
        return Check("pieces_complete", not short, text)

    def _signed(self) -> Check:
        lacking = [why for piece in self.current for why in self._unsigned(piece)]
        count = sum(len(self.files.get(piece.id, ())) for piece in self.current)
        if not count:
            return Check("pieces_signed", None, "There are no files to look at.")
        text = f"{count} files carry Content Credentials that were read back after signing."
        if lacking:
            text = f"{len(lacking)} files are missing or unsigned, the first: {lacking[0]}."
        return Check("pieces_signed", not lacking, text)

    def _unsigned(self, piece: ContentPiece) -> list[str]:
        files = dict(self.files.get(piece.id, ()))
        if piece.format == "carousel":  # shows its members' files
            return []
        plan = next(plan for plan in self.plans if plan.id == piece.plan_id)
        still = piece.format == "still"
        names = shapes_of(plan.platforms, plan.formats) if still else ["video"]
        return [
            f"{piece.key} {name}"
            for name in names
            if files.get(name, {}).get("state") not in _SIGNED
        ]

    def _disclosed(self) -> Check:
        silent = [
            f"{piece.key} on {platform}"
            for piece in self.current
            for plan in self.plans
            if plan.id == piece.plan_id
            for platform in plan.platforms
            if disclosure_problem(str(piece.disclosure.get(platform, ""))) is not None
        ]
        if not self.current:
            return Check("pieces_disclosed", None, "There are no pieces to look at.")
        text = "Every piece says on each platform that it is AI."
        if silent:
            text = f"{len(silent)} have no disclosure, the first: {silent[0]}."
        return Check("pieces_disclosed", not silent, text)

    def _tiers(self) -> Check:
        planned = Counter[str]()
        for plan in self.plans:
            planned.update({tier: int(count) for tier, count in plan.mix.items()})
        declared = {tier: count for tier, (count, _) in self.planned.items()}
        wider = [p.key for p in self.current if not is_tightened_only(p.declared_tier, p.tier)]
        off = {t for t in TIERS if declared.get(t, 0) != planned.get(t, 0)}
        tightened = sum(piece.tier != piece.declared_tier for piece in self.current)
        text = f"Declared as planned; {tightened} tightened by moderation scores, none widened."
        if wider or off:
            text = (
                f"Wider than declared: {wider[:3] or 'none'}; off the planned mix: {sorted(off)}."
            )
        return Check("pieces_tiers", not wider and not off, text)

    def _own_certificate(self) -> Check:
        development = [
            name
            for piece in self.current
            for name, credentials in self.files.get(piece.id, ())
            if credentials.get("development") is not False
        ]
        text = "Signed with this operator's certificate."
        if development:
            text = (
                "Signed with the DEVELOPMENT certificate, which nobody else trusts: set "
                "VIXEN_C2PA_CERTIFICATE and VIXEN_C2PA_PRIVATE_KEY before publishing."
            )
        return Check(
            "certificate_is_own",
            not development if self.current else None,
            text,
            blocking=False,
            metadata={"files": Meta("int", len(development))},
        )

    # ---- figures --------------------------------------------------------------------------------

    def figures(self, sheet: bytes | None, title: str) -> dict[str, Meta]:
        """The metadata of every materialization. Cost per piece is per accepted still: all that
        was spent on the plans, images that were not taken included; None while none is accepted."""
        states = Counter(piece.state for piece in self.pieces if piece.replaced_at is None)
        formats = Counter(piece.format for piece in self.current)
        tiers = Counter(piece.tier for piece in self.stills())
        shown = {tier: tiers[tier] for tier in TIERS}
        accepted = len(self.stills(*APPROVED))
        least = Thresholds().identity.get(self.scorer)
        scores = histogram_png(self.scores, f"identity by {self.scorer}", least)
        return {
            "contact_sheet": Meta("markdown", sheet and markdown_image(sheet, title)),
            "pieces": Meta("int", len(self.current)),
            "stills": Meta("int", formats["still"]),
            "carousels": Meta("int", formats["carousel"]),
            "slideshows": Meta("int", formats["slideshow"]),
            "approved": Meta("int", sum(states[state] for state in APPROVED)),
            "pending_review": Meta("int", states["pending_review"]),
            "rejected": Meta("int", states["rejected"]),
            "tiers": Meta("json", shown),
            "tier_plot": Meta("markdown", markdown_image(bars_png(shown, "access tiers"), "tiers")),
            "score_plot": Meta("markdown", markdown_image(scores, "identity scores")),
            "usd": Meta("usd", self.spent),
            "usd_per_piece": Meta("usd", self.spent / accepted if accepted else None),
        }


def load_facts(session: Session, plan_ids: Sequence[int], scorer: str) -> PieceFacts:
    """The facts of plans of one avatar."""
    ids = list(plan_ids)
    planned: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for _, tier, shots, filled in session.execute(_PLANNED, {"plans": ids}):
        planned[tier] = (planned[tier][0] + shots, planned[tier][1] + filled)
    pieces = session.scalars(
        select(ContentPiece).where(ContentPiece.plan_id.in_(ids)).order_by(ContentPiece.id)
    ).all()
    files: dict[int, list[tuple[str, Json]]] = defaultdict(list)
    of_plans = session.execute(
        select(PieceFile.piece_id, PieceFile.name, PieceFile.credentials)
        .join(ContentPiece, ContentPiece.id == PieceFile.piece_id)
        .where(ContentPiece.plan_id.in_(ids))
    )
    for piece_id, name, credentials in of_plans:
        files[piece_id].append((name, credentials))
    images = [piece.image_id for piece in pieces if piece.image_id is not None]
    scores = session.scalars(
        select(RenderedImage.identity_score).where(
            RenderedImage.id.in_(images),
            RenderedImage.selected,
            RenderedImage.identity_scorer == scorer,
            RenderedImage.identity_score.is_not(None),
        )
    ).all()
    return PieceFacts(
        plans=session.scalars(select(ContentPlan).where(ContentPlan.id.in_(ids))).all(),
        planned=planned,
        pieces=pieces,
        files=files,
        scores=[score for score in scores if score is not None],
        scorer=scorer,
        spent=Decimal(session.execute(_SPENT, {"plans": ids}).scalar_one()),
    )
