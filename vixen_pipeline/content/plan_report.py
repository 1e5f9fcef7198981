"""What the stage `content_plans` says about a plan. Belongs here: checks and metadata.

Does not: queries (plan_rows.py). Judged from the rows as they are now, with today's limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import cast

from vixen_pipeline.content.plan_judging import NEAR_DUPLICATE
from vixen_pipeline.content.plan_rows import PlanFacts
from vixen_pipeline.stages import Check, Meta


def plan_checks(facts: PlanFacts) -> list[Check]:
    """The three checks of the stage."""
    alike = facts.most_alike
    distinct = facts.shots == facts.count == facts.pairs and (alike or 0.0) < NEAR_DUPLICATE
    wanted = {tier: int(count) for tier, count in facts.mix.items() if count}
    present = {tier: count for tier, count in facts.tiers.items() if count}
    nearest = f"{alike:.3f}" if alike is not None else "nothing to compare with"
    return [
        Check(
            "plan_distinct",
            distinct,
            f"{facts.pairs} distinct prompts with seeds of {facts.count} asked for; most alike: "
            f"{nearest} (limit {NEAR_DUPLICATE}).",
            metadata={
                "most_alike": Meta("float", alike),
                "threshold": Meta("float", NEAR_DUPLICATE),
            },
        ),
        Check(
            "plan_tier_mix",
            present == wanted,
            f"Asked for {_listed(wanted)}; planned {_listed(present)}.",
        ),
        Check(
            "plan_moderated",
            facts.moderated == facts.shots == facts.count,
            f"{facts.moderated} of {facts.shots} prompts have a verdict that passes.",
        ),
    ]


def plan_metadata(facts: PlanFacts, usd: Decimal) -> dict[str, Meta]:
    """What every materialization says."""
    return {
        "plans": Meta("int", facts.plans),
        "plan": Meta("int", facts.number),
        "shots": Meta("int", facts.shots),
        "scenes": Meta("int", facts.scenes),
        "tiers": Meta("json", facts.tiers),
        "templates": Meta("int", facts.templates),
        "coverage": Meta("json", _spread(facts)),
        "most_alike": Meta("float", facts.most_alike),
        "library_digest": Meta("text", facts.library_digest),
        "usd": Meta("usd", usd),
    }


def _spread(facts: PlanFacts) -> dict[str, object]:
    """Per dimension how many words were used, and the least and the most uses of one."""
    words = cast("Mapping[str, Mapping[str, int]]", facts.coverage.get("words", {}))
    spread: dict[str, object] = {
        name: {
            "used": sum(count > 0 for count in counts.values()),
            "of": len(counts),
            "least": min(counts.values()),
            "most": max(counts.values()),
        }
        for name, counts in words.items()
        if counts and name != "scene"
    }
    return spread | {name: facts.coverage.get(name) for name in ("refused", "rounds", "level")}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {tier}" for tier, count in counts.items()) or "nothing"
