"""One plan, made: choose, judge, replace what was refused, until every shot is there.

Belongs here: the rounds, what a refusal leads to, the rows of a plan. Does not: the choices
(sampling.py), the verdicts (plan_judging.py), writing (plan_rows.py). Deterministic: the same plan,
library, history and verdicts give the same shots.

A shot that is too like another gets another pose, then its scene another setting. Wording that is
refused gives its scene another setting at once. Rounds that go badly widen what is combined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vixen_pipeline.content.plan_judging import Candidate, Judge, Verdict
from vixen_pipeline.content.plan_layout import assign_tiers, noted_templates, scene_sizes
from vixen_pipeline.content.prompt_words import (
    CONTENT_NEGATIVE_PROMPT,
    Pose,
    Setting,
    prompt_digest,
    shot_choices,
    shot_seed,
)
from vixen_pipeline.content.sampling import Sampler
from vixen_pipeline.content.templates import Library
from vixen_pipeline.db.base import Json
from vixen_pipeline.db.models import ContentPlan
from vixen_pipeline.errors import StageFailed
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.safety.moderation import refusal_reason
from vixen_pipeline.safety.policy import Door, check_text

if TYPE_CHECKING:
    from vixen_pipeline.services import Services

STAGE = "content_plans"
MOST_ROUNDS = 40
_POSES_PER_SETTING = 2
_WIDEN_AFTER = 3
"""Rounds in which a tenth of the shots or more were refused for likeness, before widening."""


@dataclass
class _Scene:
    """A scene being filled; `tried` counts the poses given again under the present setting."""

    number: int
    positions: range
    setting: Setting | None = None
    poses: dict[int, Pose] = field(default_factory=dict[int, Pose])
    accepted: dict[int, Verdict] = field(default_factory=dict[int, Verdict])
    tried: int = 0

    @property
    def done(self) -> bool:
        return len(self.accepted) == len(self.positions)


@dataclass(frozen=True, slots=True)
class MadePlan:
    """The shots of a plan as rows of content_shots, and how they are spread."""

    shots: list[dict[str, Any]]
    coverage: Json


class PlanMaker:
    """Makes one plan; `made` does it. `on_accepted` hears how many shots are accepted so far."""

    def __init__(
        self,
        services: Services,
        avatar: AvatarRef,
        plan: ContentPlan,
        library: Library,
        *,
        allowed_people: Sequence[str] = (),
        on_accepted: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._services, self._avatar, self._plan, self._library = services, avatar, plan, library
        self._people, self._on_accepted = allowed_people, on_accepted
        self._judge = Judge(services, avatar, plan.count, allowed_people)
        templates = library.for_niche(avatar.niche).templates
        self._sampler = Sampler(
            library,
            avatar.niche,
            plan.seed,
            wardrobe=avatar.spec.appearance.wardrobe,
            noted=noted_templates(plan.notes, templates),
        )
        self._refusals: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()

    def made(self) -> MadePlan:
        """Every shot of the plan. Raises StageFailed, ProviderError, BudgetExceeded."""
        plan = self._plan
        self._judge_notes()
        formats: dict[str, int] = plan.formats
        sizes = scene_sizes(plan.count, sum(formats.values()), plan.seed)
        tiers = assign_tiers(sizes, plan.mix, plan.seed)
        scenes: list[_Scene] = []
        for number, size in enumerate(sizes):
            start = scenes[-1].positions.stop if scenes else 0
            scenes.append(_Scene(number, range(start, start + size)))
        rounds, bad = 0, 0
        while any(not scene.done for scene in scenes):
            rounds += 1
            if rounds > MOST_ROUNDS:
                raise self._fell_short(scenes)
            alike = self._round([scene for scene in scenes if not scene.done])
            self._on_accepted(sum(len(scene.accepted) for scene in scenes))
            bad += alike * 10 >= plan.count or (alike > 0 and rounds > _WIDEN_AFTER)
            if bad >= _WIDEN_AFTER:
                bad = 0
                self._sampler.widen()
        rows = [
            self._row(scene, position, tier)
            for scene, named in zip(scenes, tiers, strict=True)
            for position, tier in zip(scene.positions, named, strict=True)
        ]
        return MadePlan(rows, self._coverage(rows, rounds))

    # ---- rounds ---------------------------------------------------------------------------------

    def _round(self, scenes: Sequence[_Scene]) -> int:
        """Choose what is missing in `scenes` and have it judged; how many were too alike."""
        candidates: list[Candidate] = []
        for scene in scenes:
            candidates += self._choices(scene)
        if not candidates:
            raise self._fell_short(scenes)
        verdicts = self._judge.judge(candidates)
        by_scene = {scene.number: scene for scene in scenes}
        worded: set[int] = set()
        alike = 0
        for candidate, verdict in zip(candidates, verdicts, strict=True):
            scene = by_scene[candidate.scene]
            if verdict.refusal is None:
                scene.accepted[candidate.position] = verdict
                self._sampler.accepted(candidate.setting)
                continue
            self._refusals[verdict.refusal] += 1
            if verdict.refusal == "near_duplicate":
                alike += 1
                continue
            self._reasons[f"{verdict.refusal}: {verdict.reason}"] += 1
            if candidate.scene not in worded:
                self._sampler.refused(candidate.setting)
            worded.add(candidate.scene)
        for scene in scenes:
            if not scene.done:
                self._replace(scene, worded=scene.number in worded)
        return alike

    def _choices(self, scene: _Scene) -> list[Candidate]:
        """The shots of `scene` that are still to be judged, a setting chosen where none is."""
        if scene.setting is None:
            scene.setting = self._sampler.setting()
        setting = scene.setting
        if setting is None:
            return []
        chosen: list[Candidate] = []
        for position in scene.positions:
            if position not in scene.poses:
                pose = self._sampler.pose(setting, list(scene.poses.values()))
                scene.poses[position] = pose
            if position not in scene.accepted:
                chosen.append(Candidate(position, scene.number, setting, scene.poses[position]))
        return chosen

    def _replace(self, scene: _Scene, *, worded: bool) -> None:
        """Take away what was refused: the poses only, or everything."""
        scene.tried += 1
        everything = worded or scene.tried > _POSES_PER_SETTING
        for position, pose in list(scene.poses.items()):
            if everything or position not in scene.accepted:
                self._sampler.put_back(pose)
                del scene.poses[position]
                if scene.accepted.pop(position, None) is not None:
                    self._judge.forget(position)
        if everything:
            scene.setting, scene.tried = None, 0

    # ---- words of people ------------------------------------------------------------------------

    def _judge_notes(self) -> None:
        """Campaign notes were judged when they were taken; a row may have come another way."""
        notes = self._plan.notes
        if not notes:
            return
        broken = check_text(notes, Door.CUSTOM_REQUEST, allowed_people=self._people)
        reason = broken[0].message if broken else None
        reason = reason or refusal_reason(self._judge.moderate([notes])[0])
        if reason is not None:
            key, number = self._avatar.key, self._plan.number
            raise StageFailed(
                STAGE,
                f"the campaign notes of plan {number} are refused: {reason}.",
                next_step=f"`vixen content plan {key} --withdraw {number}` takes the plan back.",
            )

    def _fell_short(self, scenes: Sequence[_Scene]) -> StageFailed:
        missing = sum(len(scene.positions) - len(scene.accepted) for scene in scenes)
        plan, reasons = self._plan, [reason for reason, _ in self._reasons.most_common(5)]
        counts = ", ".join(f"{name} {count}" for name, count in self._refusals.most_common())
        because = f" The most frequent reason: {reasons[0]}." if reasons else ""
        return StageFailed(
            STAGE,
            f"plan {plan.number}: {missing} of {plan.count} shots found no distinct prompt that is "
            f"allowed (refused: {counts or 'none'}).{because}",
            reasons=reasons,
            next_step="Add templates or words (`vixen content templates` checks them), or change "
            "the avatar's wardrobe; then "
            f"`vixen materialize {STAGE} --avatar {self._avatar.key} --retry-failed`.",
        )

    # ---- rows -----------------------------------------------------------------------------------

    def _row(self, scene: _Scene, position: int, tier: str) -> dict[str, Any]:
        avatar, verdict = self._avatar, scene.accepted[position]
        assert scene.setting is not None  # a scene with accepted shots has one
        return {
            "avatar_id": avatar.id,
            "plan_id": self._plan.id,
            "position": position,
            "scene": scene.number,
            "tier": tier,
            "template": scene.setting.template.id,
            "choices": shot_choices(scene.setting, scene.poses[position]),
            "prompt": verdict.prompt,
            "negative_prompt": CONTENT_NEGATIVE_PROMPT,
            "prompt_sha256": prompt_digest(verdict.prompt),
            "seed": shot_seed(avatar.id, self._plan.number, position),
            "embedding": list(verdict.embedding),
            "embedding_model": self._services.embedder.model,
            "nearest_similarity": verdict.nearest,
            "moderation": verdict.moderation,
        }

    def _coverage(self, rows: Sequence[dict[str, Any]], rounds: int) -> Json:
        """How often each word was used, by dimension; angles and expressions with their zeros."""
        common = self._library.common
        counted: dict[str, dict[str, int]] = {
            "angle": dict.fromkeys(common.angles, 0),
            "expression": dict.fromkeys(common.expressions, 0),
        }
        for row in rows:
            words = {"template": row["template"], **row["choices"]}
            for name, word in words.items():
                counts = counted.setdefault(name, {})
                counts[word] = counts.get(word, 0) + 1
        return {
            "words": counted,
            "refused": dict(self._refusals),
            "rounds": rounds,
            "level": self._sampler.level,
        }
