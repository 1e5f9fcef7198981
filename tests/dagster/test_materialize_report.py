"""`vixen materialize`, the run itself: any avatars, one run, one answer."""

from __future__ import annotations

from collections.abc import Generator

import dagster as dg
import pytest
from dagster_fakes import FakeServices, Say, failed, fake_system

from assets.factory import system_assets
from assets.materialize import Report, Request, materialize
from assets.partitions import AVATARS
from assets.terminal import Display
from vixen_pipeline.errors import InvalidInput, Unavailable, UserError
from vixen_pipeline.stages import StageProgress, StageResult

KEYS = ("fitness:luna", "fitness:mia", "travel:kai")


@dg.asset(group_name="operations")
def costs() -> None: ...


@dg.asset(group_name="operations")
def broken() -> None:
    raise ConnectionError("the database does not answer")


@pytest.fixture
def instance() -> Generator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(AVATARS, list(KEYS))
        yield instance


def run(
    instance: dg.DagsterInstance,
    selection: str,
    say: Say = lambda _s, _k: None,
    *,
    avatars: tuple[str, ...] = KEYS,
    display: Display | None = None,
) -> Report:
    system = fake_system(say)
    return materialize(
        Request(selection, avatars),
        instance,
        [system_assets(system), costs, broken],
        [system],
        resources={"vixen": FakeServices()},
        told=display.told if display else None,
        progress=display.progress if display else lambda _step: None,
    )


def test_scattered_avatars_are_made_in_one_run(instance: dg.DagsterInstance) -> None:
    report = run(instance, "group:fakes", avatars=(KEYS[0], KEYS[2]))
    assert report.exit_code == 0
    assert len(report.runs) == 1
    assert set(instance.get_materialized_partitions(dg.AssetKey("third"))) == {KEYS[0], KEYS[2]}


def test_the_answer_names_every_avatar_and_asset(instance: dg.DagsterInstance) -> None:
    document = run(instance, "first+").document("http://ui")
    assert document["complete"] is True
    results = document["results"]
    assert isinstance(results, list)
    assert len(results) == 9
    assert results[0]["asset"] == "first"
    assert results[0]["avatar"] == KEYS[0]
    assert results[0]["checks"] == {"sharp": True, "pretty": True}


def test_one_failure_is_the_answer_and_the_others_are_made(instance: dg.DagsterInstance) -> None:
    report = run(
        instance, "*third", lambda s, k: failed(k) if (s, k) == ("first", KEYS[1]) else None
    )
    assert report.exit_code == 1
    assert report.error is None  # told once, per avatar
    assert set(instance.get_materialized_partitions(dg.AssetKey("third"))) == {KEYS[0], KEYS[2]}


def test_what_still_waits_is_not_complete(instance: dg.DagsterInstance) -> None:
    report = run(instance, "third", lambda _s, k: StageResult(k, "waiting", waits_for="a training"))
    assert report.exit_code == 1
    assert report.document(None)["complete"] is False


def test_assets_that_are_not_per_avatar_need_none(instance: dg.DagsterInstance) -> None:
    report = run(instance, "costs", avatars=())
    assert report.exit_code == 0
    assert report.unpartitioned == {"costs": True}


def test_a_run_that_breaks_says_why_in_one_line(instance: dg.DagsterInstance) -> None:
    report = run(instance, "broken", avatars=())
    assert report.exit_code == 1
    assert report.error is not None
    assert "the database does not answer" in report.error
    assert "\n" not in report.error


def test_something_of_ours_that_is_down_has_its_own_exit_code(instance: dg.DagsterInstance) -> None:
    def down(_stage: str, _key: str) -> StageResult:
        raise Unavailable("the database does not answer.", next_step="Run it again.")

    report = run(instance, "first", down)
    assert report.error == "the database does not answer. Run it again."
    assert report.exit_code == 6


def test_assets_per_avatar_without_avatars_are_refused(instance: dg.DagsterInstance) -> None:
    with pytest.raises(UserError, match="--avatar KEY, --niche NICHE or --all"):
        run(instance, "first", avatars=())


def test_an_unknown_selection_is_refused(instance: dg.DagsterInstance) -> None:
    with pytest.raises(InvalidInput):
        run(instance, "nothing_like_it")


@pytest.mark.parametrize("bars", [True, False])
def test_progress_is_told_line_by_line(
    instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str], bars: bool
) -> None:
    with Display(bars=bars) as display:
        run(
            instance,
            "first",
            lambda _s, k: failed(k) if k == KEYS[1] else None,
            display=display,
        )
    told = capfd.readouterr().err
    assert "✓ fitness:luna: first made." in told
    assert "✗ fitness:mia: first failed: the provider refused the prompt." in told


def test_a_bar_follows_the_progress_of_an_avatar(capfd: pytest.CaptureFixture[str]) -> None:
    with Display(bars=True) as display:
        display.progress(StageProgress("first", "fitness:luna", 3, 50))
        display.progress(StageProgress("first", "fitness:luna", 50, 50))
    assert "50/50" in capfd.readouterr().err
