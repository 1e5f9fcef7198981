"""Whether a planned shot may be made: policy, likeness to other prompts, moderation.

Belongs here: the verdict on candidates, the cost of asking. Does not: choosing candidates
(sampling.py) or replacing refused ones (plan_making.py). Fails closed: what cannot be judged
raises, and the plan waits.

The limits of likeness (cosine similarity of the embedded shot words) were calibrated on the
sandbox's vectors: two shots that differ in one value have 0.84 to 0.97 (median 0.92 to 0.96), in
angle and expression 0.75 to 0.926, in outfit and background 0.76 to 0.89. They were not
calibrated on the vectors of a live model.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vixen_pipeline.content.plan_rows import nearest_similarities
from vixen_pipeline.content.prompt_words import Pose, Setting, compared_words, shot_prompt
from vixen_pipeline.costs import PaidCall
from vixen_pipeline.db.base import Json
from vixen_pipeline.errors import Permanent, Transient
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.providers.ports import EMBEDDING_DIMENSIONS, ModerationResult, Usage
from vixen_pipeline.safety.moderation import refusal_reason
from vixen_pipeline.safety.policy import Door, check_text

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

NEAR_DUPLICATE = 0.93
"""From this similarity on, a prompt is too like one of another scene or of an earlier plan."""
SAME_SCENE = 0.985
"""Within a scene likeness is the point: angle and expression differ there by construction."""
STAGE = "content_plans"
CHUNK = 256
"""Texts per hold of a slot, so that other avatars get their turns beside a large plan."""
PROVIDER, MODEL = "openai", "text-embedding-3-small"
"""What embeddings are expected to cost; what is booked is what the provider counted."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A shot to be judged: `position` in the plan, `scene` it belongs to."""

    position: int
    scene: int
    setting: Setting
    pose: Pose


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refusal` is "policy", "near_duplicate" or "moderation"; None: accepted, with the rest."""

    refusal: str | None
    reason: str = ""
    prompt: str = ""
    embedding: Sequence[float] = ()
    nearest: float | None = None
    moderation: Json | None = None


class Judge:
    """Judges the candidates of one plan; remembers which it accepted."""

    def __init__(
        self, services: Services, avatar: AvatarRef, count: int, allowed_people: Sequence[str]
    ) -> None:
        import numpy as np

        self._services = services
        self._avatar = avatar
        self._people = allowed_people
        self._model = services.embedder.model
        self._vectors: Any = np.zeros((count, EMBEDDING_DIMENSIONS), dtype=np.float32)
        self._scenes: Any = np.full(count, -1)

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """One verdict each, in order; accepted ones count against all that come after.

        Raises ProviderError when nobody can tell, BudgetExceeded.
        """
        verdicts: dict[int, Verdict] = {}
        prompts = {
            each.position: shot_prompt(self._avatar.spec, each.setting, each.pose)
            for each in candidates
        }
        clean: list[Candidate] = []
        for each in candidates:
            broken = check_text(prompts[each.position], Door.PROMPT, allowed_people=self._people)
            if broken:
                verdicts[each.position] = Verdict("policy", broken[0].message)
            else:
                clean.append(each)
        apart = self._apart(clean, verdicts)
        results = self._moderated([prompts[each.position] for each in apart])
        for each, result in zip(apart, results, strict=True):
            verdicts[each.position] = self._settled(
                each, prompts[each.position], verdicts[each.position], result
            )
        return [verdicts[each.position] for each in candidates]

    def forget(self, position: int) -> None:
        """The shot at `position` is not used after all."""
        self._vectors[position] = 0
        self._scenes[position] = -1

    def moderate(self, texts: Sequence[str]) -> list[ModerationResult]:
        """Verdicts on texts that are no prompts (campaign notes). Raises as `judge` does."""
        return self._moderated(texts)

    # ---- likeness -------------------------------------------------------------------------------

    def _apart(
        self, candidates: Sequence[Candidate], verdicts: dict[int, Verdict]
    ) -> list[Candidate]:
        """Those that are like no other; their verdicts hold vector and nearest similarity."""
        texts = [compared_words(each.setting, each.pose) for each in candidates]
        vectors = self._embedded(texts)
        with self._services.database.begin() as session:
            before = nearest_similarities(session, self._avatar.id, self._model, vectors)
        kept: list[Candidate] = []
        for each, vector, past in zip(candidates, vectors, before, strict=True):
            nearest = self._nearest(each, vector, past)
            if nearest is None:
                verdicts[each.position] = Verdict("near_duplicate")
                continue
            self._vectors[each.position] = vector
            self._scenes[each.position] = each.scene
            verdicts[each.position] = Verdict(
                None, embedding=vector, nearest=None if nearest < -1 else nearest
            )
            kept.append(each)
        return kept

    def _nearest(
        self, candidate: Candidate, vector: Sequence[float], past: float | None
    ) -> float | None:
        """The similarity to the nearest other (-2: there is none); None when it is too near."""
        import numpy as np

        alike: Any = self._vectors @ np.asarray(vector, dtype=np.float32)
        mine: Any = self._scenes == candidate.scene
        others: Any = (self._scenes >= 0) & ~mine
        if mine.any() and float(alike[mine].max()) >= SAME_SCENE:
            return None
        found: list[float] = [-2.0]
        if others.any():
            found.append(float(alike[others].max()))
        if past is not None:
            found.append(past)
        return None if max(found) >= NEAR_DUPLICATE else max(found)

    def _embedded(self, texts: Sequence[str]) -> list[list[float]]:
        """Vectors in order, each call booked.

        Not an effect, because asking again is harmless: a process killed before the plan is kept
        embeds the same shots once more, less than a tenth of a cent, and that is booked as well.
        """
        services, vectors = self._services, list[list[float]]()
        for start in range(0, len(texts), CHUNK):
            chunk = list(texts[start : start + CHUNK])
            key = f"content-plan-embedding:{self._avatar.id}:{uuid.uuid4()}"
            # No token is shorter than a byte: never less than what will be booked.
            most = Usage(
                PROVIDER, f"{MODEL}:input", Decimal(sum(len(text.encode()) for text in chunk))
            )
            quote = services.costs.quote([most])
            with services.slots.hold("text"), services.costs.reserved(self._avatar.id, key, quote):
                found, usage = services.embedder.embed(chunk)
                if len(found) != len(chunk):
                    raise Permanent(
                        "embeddings", f"{len(chunk)} texts sent, {len(found)} vectors received"
                    )
                services.costs.record([PaidCall(key, self._avatar.id, None, STAGE, usage)])
            vectors += found
        return vectors

    # ---- moderation -----------------------------------------------------------------------------

    def _moderated(self, texts: Sequence[str]) -> list[ModerationResult]:
        results: list[ModerationResult] = []
        for start in range(0, len(texts), CHUNK):
            chunk = list(texts[start : start + CHUNK])
            with self._services.slots.hold("text"):
                results += self._services.moderator.moderate_texts(chunk)
        if len(results) != len(texts):
            raise Transient(
                "moderation", f"{len(texts)} texts sent, {len(results)} verdicts received"
            )
        return results

    def _settled(
        self, candidate: Candidate, prompt: str, likeness: Verdict, result: ModerationResult
    ) -> Verdict:
        reason = refusal_reason(result)
        if reason is not None:
            self.forget(candidate.position)
            return Verdict("moderation", reason)
        return Verdict(
            None,
            prompt=prompt,
            embedding=likeness.embedding,
            nearest=likeness.nearest,
            moderation=moderation_document(result),
        )


def moderation_document(result: ModerationResult) -> Json:
    """A verdict as it is kept: raw scores, so that a new limit needs no new call."""
    return {
        "model": result.model,
        "flagged": result.flagged,
        "categories": list(result.categories),
        "scores": dict(result.scores),
    }
