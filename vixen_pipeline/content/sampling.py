"""Choosing combinations for a plan: settings for scenes, poses for shots. Pure and seeded.

Belongs here: what to try next, spread evenly. Does not: judging a choice (plan_judging.py), scenes
and tiers (plan_layout.py). The same arguments and the same answers give the same choices.

What it spreads: templates evenly over the scenes (those that the campaign notes speak of get
`NOTED` times the share of the others), outfits, backgrounds, lighting, angles and expressions each
to whatever was used least so far. A setting is never chosen twice. When a template's own
combinations are used up, or too many were refused, the next `level` widens what is combined:
1 takes outfits and backgrounds of the niche's other templates of the same place, 2 also adds a
moment and a prop, 3 also takes in the general templates. So a plan never falls short for want of
combinations.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from vixen_pipeline.content.prompt_words import Pose, Setting
from vixen_pipeline.content.templates import GENERAL, CommonWords, Library, Template

SAMPLING_VERSION = 1
"""Raise it when the same seed would give another plan."""
LEVELS = 3
NOTED = 3
_DRAWN = 48
"""Combinations looked at per choice from level 1 on, where looking at all would take too long."""
_STRIKES = 3
"""Refusals by policy or moderation after which a word that was never accepted is left out."""


@dataclass
class Sampler:
    """One plan's choices. `noted` are ids of templates to prefer, `wardrobe` the avatar's own."""

    library: Library
    niche: str
    seed: int
    wardrobe: Sequence[str] = ()
    noted: Collection[str] = ()
    level: int = 0
    _uses: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    _chosen: set[Setting] = field(default_factory=set[Setting])
    _strikes: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    _accepted: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    _dull: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self._rng = random.Random(f"{SAMPLING_VERSION}:{self.seed}")
        self._own = self.library.for_niche(self.niche).templates
        self._general = self.library.niches[GENERAL].templates

    @property
    def common(self) -> CommonWords:
        return self.library.common

    # ---- choices --------------------------------------------------------------------------------

    def setting(self) -> Setting | None:
        """A setting that this plan has not seen yet; None when every word was refused."""
        while True:
            templates = [each for each in self._templates() if each.id not in self._dull]
            if templates:
                template = min(templates, key=self._template_rank)
                found = self._unused(template)
                if found is not None:
                    self._note(found)
                    return found
                self._dull.add(template.id)
            elif self.level < LEVELS:
                self.widen()
            else:
                return None

    def pose(self, setting: Setting, others: Sequence[Pose]) -> Pose:
        """A pose for one more shot of `setting`, beside `others`: angle and expression differ."""
        rng, uses = self._rng, self._uses
        angles = _left(self.common.angles, [each.angle for each in others])
        angle = min(angles, key=lambda word: (uses["angle", word], rng.random()))
        expressions = _left(self.common.expressions, [each.expression for each in others])
        expression = min(
            expressions,
            key=lambda word: (
                uses["expression", word],
                uses[f"expression|{angle}", word],
                rng.random(),
            ),
        )
        framing = min(
            setting.template.framings,
            key=lambda word: (uses[f"framing|{setting.template.id}", word], rng.random()),
        )
        uses.update(
            [
                ("angle", angle),
                ("expression", expression),
                (f"expression|{angle}", expression),
                (f"framing|{setting.template.id}", framing),
            ]
        )
        return Pose(framing, angle, expression)

    # ---- answers --------------------------------------------------------------------------------

    def put_back(self, pose: Pose) -> None:
        """A pose that is not used after all does not count."""
        for name, word in (("angle", pose.angle), ("expression", pose.expression)):
            self._uses[name, word] -= 1
        self._uses[f"expression|{pose.angle}", pose.expression] -= 1

    def refused(self, setting: Setting) -> None:
        """The words of `setting` were refused by policy or moderation."""
        self._strikes.update(_words(setting))

    def accepted(self, setting: Setting) -> None:
        """The words of `setting` passed."""
        self._accepted.update(_words(setting))

    def widen(self) -> None:
        """Combine more from now on."""
        if self.level < LEVELS:
            self.level += 1
            self._dull.clear()

    # ---- what there is to choose from -----------------------------------------------------------

    def _templates(self) -> Iterator[Template]:
        yield from self._allowed_templates(self._own)
        if self.level >= LEVELS and self._own is not self._general:
            yield from self._allowed_templates(self._general)

    def _allowed_templates(self, templates: Sequence[Template]) -> Iterator[Template]:
        return (each for each in templates if self._allowed("scene", each.scene))

    def _template_rank(self, template: Template) -> tuple[float, float]:
        share = NOTED if template.id in self.noted else 1
        return (self._uses["template", template.id] / share, self._rng.random())

    def _unused(self, template: Template) -> Setting | None:
        outfits, backgrounds = self._outfits(template), self._backgrounds(template)
        lights = [w for w in self.common.lighting[template.place] if self._allowed("lighting", w)]
        moments: Sequence[str | None] = [None]
        props: Sequence[str | None] = [None]
        if self.level >= 2:
            moments, props = self.common.moments[template.place], self.common.props
        axes: list[Sequence[str | None]] = [outfits, backgrounds, lights, moments, props]
        if not all(axes):
            return None
        combined = product(*axes) if self.level == 0 else self._draws(axes)
        best: tuple[float, float] | None = None
        found: Setting | None = None
        for outfit, background, light, moment, prop in combined:
            setting = Setting(template, outfit or "", background or "", light or "", moment, prop)
            if setting in self._chosen:
                continue
            rank = (self._worn(setting), self._rng.random())
            if best is None or rank < best:
                best, found = rank, setting
        return found

    def _draws(
        self, axes: Sequence[Sequence[str | None]]
    ) -> Iterator[tuple[str | None, str | None, str | None, str | None, str | None]]:
        choose = self._rng.choice
        for _ in range(_DRAWN):
            outfit, background, light, moment, prop = (choose(axis) for axis in axes)
            yield outfit, background, light, moment, prop

    def _outfits(self, template: Template) -> list[str]:
        found = [*template.outfits]
        if template.own_clothes:
            found += self.wardrobe
        if self.level >= 1:
            found += [word for each in self._like(template) for word in each.outfits]
        return [word for word in dict.fromkeys(found) if self._allowed("outfit", word)]

    def _backgrounds(self, template: Template) -> list[str]:
        found = [*template.backgrounds]
        if self.level >= 1:
            found += [word for each in self._like(template) for word in each.backgrounds]
        return [word for word in dict.fromkeys(found) if self._allowed("background", word)]

    def _like(self, template: Template) -> Iterator[Template]:
        """Templates of the same file and place whose words suit this one."""
        mates = self.library.niches[template.niche].templates
        return (each for each in mates if each.place == template.place and each.own_clothes)

    def _allowed(self, name: str, word: str) -> bool:
        return self._strikes[name, word] < _STRIKES or (name, word) in self._accepted

    def _worn(self, setting: Setting) -> float:
        """How much of `setting` was used before; pairs count more, for they show."""
        uses, at = self._uses, setting.template.id
        extras = sum(uses["extra", word] for word in (setting.moment, setting.prop) if word)
        return (
            uses[f"outfit|{at}", setting.outfit] * 2
            + uses[f"background|{at}", setting.background] * 2
            + uses["outfit", setting.outfit]
            + uses["background", setting.background]
            + uses["lighting", setting.lighting]
            + uses[f"lighting|{setting.background}", setting.lighting] * 4
            + uses[f"pair|{setting.outfit}", setting.background] * 4
            + extras
        )

    def _note(self, setting: Setting) -> None:
        self._chosen.add(setting)
        at = setting.template.id
        self._uses.update(
            [
                ("template", at),
                (f"outfit|{at}", setting.outfit),
                (f"background|{at}", setting.background),
                ("outfit", setting.outfit),
                ("background", setting.background),
                ("lighting", setting.lighting),
                (f"lighting|{setting.background}", setting.lighting),
                (f"pair|{setting.outfit}", setting.background),
                *(("extra", word) for word in (setting.moment, setting.prop) if word),
            ]
        )


def _words(setting: Setting) -> list[tuple[str, str]]:
    """The words of a setting that may be left out one by one."""
    return [
        ("scene", setting.template.scene),
        ("outfit", setting.outfit),
        ("background", setting.background),
        ("lighting", setting.lighting),
    ]


def _left(words: Sequence[str], taken: Collection[str]) -> Sequence[str]:
    """Those not `taken`; all when none is left."""
    return [word for word in words if word not in taken] or words
