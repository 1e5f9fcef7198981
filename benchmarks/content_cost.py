"""What a piece costs us apart from providers: processor time, and tokens of language models.

The stages run in this process, the sandbox in another, so this process's time is the pipeline's
own: planning, HTTP, hashing, measuring, resizing, signing, rows. Stills only. Tokens are those that
the provider counted, cached ones in full, against one call for one piece of the same avatar.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import cpu
from benchmarks.content_world import QUICK, all_stages, core, make, number, ready_avatars
from benchmarks.instance import sandbox_process
from benchmarks.report import Result
from vixen_pipeline.content.plans import ask_for_plan
from vixen_pipeline.services import Services

AVATARS = 2
PIECES = 50
CPU_LIMIT_MS = 120.0
TOKEN_LIMIT = 0.4
SETTINGS = {
    **QUICK,
    "content_pieces": PIECES,
    "content_carousels": 0,
    "content_slideshows": 0,
    "budget_avatar_usd": 1000,
    "budget_day_usd": 10000,
}

_TOKENS = """
    SELECT sum(c.input_tokens)::float / count(DISTINCT c.shot_id),
           sum(c.cached_tokens)::float / count(DISTINCT c.shot_id)
    FROM vixen.content_copies c JOIN vixen.content_shots s ON s.id = c.shot_id
    JOIN vixen.content_plans p ON p.id = s.plan_id WHERE p.number = :plan
"""
_STILLS = "SELECT count(*) FROM vixen.content_pieces WHERE format = 'still'"


def run() -> Sequence[Result]:
    """One plan of each avatar through all stages, after one small plan that warms everything."""
    with tempfile.TemporaryDirectory(prefix="vixen-bench-") as name:
        folder = Path(name)
        with sandbox_process(folder, **SETTINGS) as env:
            keys = ready_avatars(env, folder, AVATARS)
            with core(env) as services:
                make(services, "weights_exams", keys)
                for key in keys:
                    ask_for_plan(services, key, count=1)
                all_stages(services, keys)
                before = number(services, _STILLS)
                for key in keys:
                    ask_for_plan(services, key)
                spent = all_stages(services, keys)
                made = number(services, _STILLS) - before
                return [_cpu(spent, made), _tokens(services)]


def _cpu(spent: dict[str, cpu.Cpu], made: float) -> Result:
    ours = sum(each.ours for each in spent.values()) / made * 1000
    database = sum(each.database for each in spent.values()) / made * 1000
    parts = ", ".join(
        f"{stage.removeprefix('content_')} {each.ours / made * 1000:.0f}"
        for stage, each in spent.items()
    )
    return Result(
        "content_cost",
        f"processor time per piece, {made:.0f} stills",
        ours,
        CPU_LIMIT_MS,
        "ms",
        basis=f"{parts}; the database server beside it: {database:.0f} ms",
    )


def _tokens(services: Services) -> Result:
    alone = number(services, _TOKENS, plan=1)
    batched = number(services, _TOKENS, plan=2)
    with_cache = number(services, _TOKENS.replace("input_tokens", "cached_tokens"), plan=2)
    return Result(
        "content_cost",
        "input tokens per piece against one call per piece",
        batched,
        TOKEN_LIMIT * alone,
        "tokens",
        basis=f"one call for one piece: {alone:.0f}; of ours, {with_cache:.0f} came from the cache",
    )
