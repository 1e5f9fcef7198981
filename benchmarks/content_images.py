"""How full the inference slots are kept over 20 avatars x 50 pieces, without and with failures.

Pictures are predrawn and take one second each, so that the limit is what the provider alone would
take: images / slots x latency. Failures: one image in ten, at random, for as long as it lasts.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import cpu
from benchmarks.content_world import QUICK, core, make, number, ready_avatars, rows
from benchmarks.instance import order, run_seconds, sandbox_process, vixen
from benchmarks.report import Result
from vixen_pipeline.content.plans import ask_for_plan

AVATARS = 20
PIECES = 50
SLOTS = 20
LATENCY_S = 1.0
TIME_LIMIT = 1.15
FAILED = 0.1
FAILED_TIME_LIMIT = 1.35
IDEAL_S = AVATARS * PIECES / SLOTS * LATENCY_S

_FILLED = """
    SELECT count(*) FROM (
      SELECT p.id FROM vixen.content_plans p
      JOIN vixen.content_shots s ON s.plan_id = p.id
      JOIN vixen.rendered_images i ON i.shot_id = s.id AND i.selected
      WHERE p.number = :plan GROUP BY p.id HAVING count(*) = :pieces) f
"""
_MADE = """
    SELECT count(*) FROM vixen.rendered_images i
    JOIN vixen.content_shots s ON s.id = i.shot_id
    JOIN vixen.content_plans p ON p.id = s.plan_id WHERE p.number = :plan
"""


def run() -> Sequence[Result]:
    """The first plan of each avatar as it is; a second one with failures."""
    settings = {
        **QUICK,
        "modal_concurrency": SLOTS,
        "content_pieces": PIECES,
        "content_carousels": 0,
        "content_slideshows": 0,
        "budget_avatar_usd": 100,
    }
    with tempfile.TemporaryDirectory(prefix="vixen-bench-") as name:
        folder = Path(name)
        with sandbox_process(folder, **settings) as env:
            keys = ready_avatars(env, folder, AVATARS)
            with core(env) as services:
                make(services, "weights_exams", keys)
                make(services, "content_plans", keys)
            order(env, "latency", provider="modal_work", seconds=LATENCY_S)
            results = _measure(env, 1, TIME_LIMIT, "at a time, 1 s each")
            with core(env) as services:
                for key in keys:
                    ask_for_plan(services, key)
                make(services, "content_plans", keys)
            faults = {"provider": "modal", "count": None, "probability": FAILED}
            order(env, "faults", kind="missing", **faults)
            return [*results, *_measure(env, 2, FAILED_TIME_LIMIT, "at a time, 1 in 10 fails")]


def _measure(env: dict[str, str], plan: int, limit: float, what: str) -> list[Result]:
    data = Path(env["VIXEN_HOME"]) / "postgres"
    before = cpu.read_machine(data)
    made = vixen(env, "materialize", "content_images", "--all", "--json", incomplete=True)
    shares = cpu.read_machine(data).shares(before)
    seconds = run_seconds(env, [run["run"] for run in json.loads(made)["runs"]])
    with core(env) as services:
        filled = number(services, _FILLED, plan=plan, pieces=PIECES)
        images = number(services, _MADE, plan=plan)
        reasons = rows(
            services,
            "SELECT unusable, count(*) FROM vixen.rendered_images WHERE unusable IS NOT NULL"
            " GROUP BY 1",
        )
    said = f"{images:.0f} images for {AVATARS * PIECES}; unusable: {dict(map(tuple, reasons))}"
    return [
        Result(
            "content_images",
            f"{AVATARS} avatars x {PIECES} pieces, {SLOTS} {what}",
            seconds,
            limit * IDEAL_S,
            "s",
            basis=f"provider-bound ideal {IDEAL_S:.0f} s, {seconds / IDEAL_S:.2f} x; {said};"
            f" {shares}",
        ),
        Result(
            "content_images",
            f"plans filled exactly ({what})",
            filled,
            AVATARS,
            "plans",
            at_least=True,
        ),
    ]
