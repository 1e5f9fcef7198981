"""Content under attack: avatars with real weights, runs in processes of their own, what must hold.

Belongs here: making ready avatars in the sandbox, starting and killing runs, counting. Does not:
fixtures, tests.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg
from sqlalchemy import text
from vixen_identity import add_avatars, give_dataset
from vixen_testkit import wait_until

from vixen_pipeline.content.stages_list import CONTENT_STAGES
from vixen_pipeline.identity.personas import run_personas
from vixen_pipeline.identity.registry import AvatarRef
from vixen_pipeline.identity.trainings import poll_due, run_lora_trainings
from vixen_pipeline.identity.weights import run_lora_weights
from vixen_pipeline.sandbox.testing import Sandbox
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings
from vixen_pipeline.stages import StageResult, no_progress

SCRIPT = Path(__file__).with_name("content_killed_run.py")
RUN_S = 240.0
"""Longest life of a run in a process of its own, on a busy machine."""
SMALL: Mapping[str, object] = {
    "dataset_images": 3,
    "exam_images": 4,
    "content_pieces": 6,
    "content_carousels": 0,
    "content_slideshows": 0,
    "modal_batch": 2,
    "modal_concurrency": 2,
    "reconcile_grace_s": 1.0,
    "training_poll_s": 0.1,
}
STAGES = {stage.name: stage for stage in CONTENT_STAGES}


def ready_avatars(services: Services, sandbox: Sandbox, *handles: str) -> list[AvatarRef]:
    """Avatars whose weights are trained, fetched and verified, by the stages themselves."""
    sandbox.control.training(seconds=0)
    avatars = add_avatars(services, *handles, persona=False)
    keys = [avatar.key for avatar in avatars]
    for result in run_personas(services, keys, no_progress):
        assert result.outcome == "made", result
    for avatar in avatars:
        give_dataset(services, avatar)
    for result in run_lora_trainings(services, keys, no_progress):
        assert result.outcome == "made", result
    ended = "SELECT count(*) FROM vixen.lora_trainings WHERE status = 'succeeded'"

    def all_ended() -> bool:
        services.clock.sleep(0.1)  # a clock that stands still moves by it
        poll_due(services)
        return number(services, ended) == len(keys)

    wait_until(all_ended, seconds=60)
    for result in run_lora_weights(services, keys, no_progress):
        assert result.outcome == "made", result
    return avatars


def run(services: Services, stage: str, *keys: str) -> list[StageResult]:
    """One stage in this process."""
    return list(STAGES[stage].run(services, list(keys), no_progress))


def made(services: Services, stage: str, *keys: str) -> None:
    """The same, and every avatar has what the stage makes."""
    for result in run(services, stage, *keys):
        assert result.outcome in ("made", "unchanged"), (stage, result)


def environment(settings: Settings, changes: Mapping[str, object]) -> dict[str, str]:
    """For a process of its own on the same instance."""
    assert settings.database_url is not None and settings.sandbox_token is not None
    values = {name.upper(): str(value) for name, value in changes.items()}
    return {
        **os.environ,
        "VIXEN_HOME": str(settings.home),
        "VIXEN_DATABASE_URL": settings.database_url.get_secret_value(),
        "VIXEN_SANDBOX_URL": str(settings.sandbox_url),
        "VIXEN_SANDBOX_TOKEN": settings.sandbox_token.get_secret_value(),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **{f"VIXEN_{name}": value for name, value in values.items()},
    }


@dataclass
class Apart:
    """A run in a process of its own; `said` is what it has printed."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]

    def said(self) -> str:
        self.output.seek(0)
        return self.output.read().decode(errors="replace")[-4000:]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def run_apart(
    services: Services, stage: str, *keys: str, point: str = "never", **changes: object
) -> Generator[Apart]:
    """A stage ("chain": all of them) in a process of its own; killed (-9) at the end."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), stage, point, *keys],
            env=environment(services.settings, {**SMALL, **changes}),
            stdout=output,
            stderr=output,
        )
        apart = Apart(process, output)
        try:
            yield apart
        finally:
            apart.kill()


def run_and_die(services: Services, stage: str, *keys: str, point: str, **changes: object) -> None:
    """The stage until its process kills itself at `point`."""
    with run_apart(services, stage, *keys, point=point, **changes) as apart:
        code = apart.process.wait(timeout=RUN_S)
        assert code == -signal.SIGKILL, (point, code, apart.said())


def kill_before_write(services: Services, table: str, stage: str, *keys: str) -> None:
    """Kill the stage where it has worked, and waits to write to `table`."""
    waits = "SELECT 1 FROM pg_locks WHERE relation = %s::regclass AND NOT granted"
    url = services.database.url.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as looker:
        holder.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE".encode())
        with run_apart(services, stage, *keys) as apart:

            def reached() -> bool:
                assert apart.process.poll() is None, f"{stage} ended: {apart.said()}"
                return looker.execute(waits, [table]).fetchone() is not None

            wait_until(reached, seconds=RUN_S, every=0.02)
        holder.rollback()
        # The server notices that its client is gone when it has the lock.
        wait_until(lambda: looker.execute(waits, [table]).fetchone() is None)


def number(services: Services, query: str, **values: Any) -> int:
    with services.database.begin() as session:
        return int(session.scalar(text(query), values) or 0)


def paid_once(services: Services, sandbox: Sandbox) -> None:
    """Every image that the provider made has one row, one effect that knows it, and one cost."""
    paid = sandbox.control.state()["modal"]
    assert number(services, "SELECT count(*) FROM vixen.rendered_images") == paid["images"]
    calls = "SELECT count(*) FROM vixen.effects WHERE provider = 'modal'"
    assert number(services, calls) == paid["runs"]
    assert number(services, f"{calls} AND state <> 'confirmed'") == 0
    booked = "SELECT count(DISTINCT effect_id) FROM vixen.cost_entries WHERE provider = 'modal'"
    assert number(services, booked) == paid["runs"]
    seconds = "SELECT sum(units) FROM vixen.cost_entries WHERE provider = 'modal'"
    assert number(services, seconds) == 4 * paid["images"], "billed as the provider billed it"


def each_shot_has_one_image(services: Services, shots: int) -> None:
    filled = (
        "SELECT count(*) FROM (SELECT s.id FROM vixen.content_shots s JOIN vixen.rendered_images i"
        " ON i.shot_id = s.id AND i.selected GROUP BY s.id HAVING count(*) = 1) f"
    )
    assert number(services, filled) == shots
    assert number(services, "SELECT count(*) FROM vixen.content_shots") == shots
    alike = (
        "SELECT count(*) FROM (SELECT 1 FROM vixen.rendered_images"
        " GROUP BY avatar_id, prompt_sha256, seed, weights_sha256 HAVING count(*) > 1) d"
    )
    assert number(services, alike) == 0


def each_shot_has_its_words(services: Services, shots: int, platforms: int = 2) -> None:
    chosen = "SELECT count(*) FROM vixen.content_copies WHERE chosen AND outcome = 'written'"
    assert number(services, chosen) == shots * platforms


def each_shot_has_one_piece(services: Services, shots: int) -> None:
    """One still for each shot, whose files are in the store as they were signed."""
    import hashlib

    stills = "SELECT count(*) FROM vixen.content_pieces WHERE format = 'still'"
    assert number(services, stills) == shots
    assert number(services, stills.replace("*", "DISTINCT shot_id")) == shots
    with services.database.begin() as session:
        files = session.execute(text("SELECT object_key, sha256 FROM vixen.piece_files")).all()
    assert len(files) >= shots
    for file in files:
        assert hashlib.sha256(services.objects.get(file.object_key)).hexdigest() == file.sha256
    assert (
        number(services, "SELECT count(*) FROM vixen.content_plans WHERE completed_at IS NULL") == 0
    )
