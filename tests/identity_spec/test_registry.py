"""Landing and registering avatars on a real PostgreSQL, also when several do it at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from spec_samples import sample_spec
from sqlalchemy import func, select, text

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.db.models import Avatar, LandedSpec, StageAttempt
from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import InvalidInput, NotFound
from vixen_pipeline.identity import registry
from vixen_pipeline.identity.attempts import backoff, clear_failure, failures, record_failure
from vixen_pipeline.identity.spec import ParsedSpec
from vixen_pipeline.services import Services
from vixen_pipeline.settings import Settings


@pytest.fixture
def core(database: Database) -> Services:
    return Services(Settings(), database=database)


def parsed(source: str = "luna.yaml", **changes: object) -> ParsedSpec:
    return ParsedSpec(sample_spec(**changes), source)


def rows(database: Database) -> int:
    with database.begin() as session:
        return session.scalar(select(func.count()).select_from(LandedSpec)) or 0


def test_a_landed_spec_becomes_an_avatar_once(core: Services, database: Database) -> None:
    landed = registry.land_specs(core, [parsed()])
    assert [(r.key, r.version, r.outcome) for r in landed] == [("fitness:luna", 1, "added")]
    with database.begin() as session:
        assert registry.pending_landed_keys(session) == ["fitness:luna"]
    assert registry.register_landed(core) == ["fitness:luna"]
    assert registry.register_landed(core) == []
    ref = registry.avatar_ref(core, "fitness:luna")
    assert (ref.niche, ref.handle, ref.spec_version) == ("fitness", "luna", 1)
    assert ref.spec == sample_spec()


def test_the_same_spec_twice_is_a_no_op_that_says_so(core: Services, database: Database) -> None:
    registry.land_specs(core, [parsed()])
    again = registry.land_specs(core, [parsed(), parsed("copy.yaml")])
    assert [(r.version, r.outcome) for r in again] == [(1, "unchanged"), (1, "unchanged")]
    assert rows(database) == 1


def test_a_changed_spec_is_a_new_version_and_keeps_the_avatar(core: Services) -> None:
    registry.land_specs(core, [parsed()])
    registry.register_landed(core)
    before = registry.avatar_ref(core, "fitness:luna")
    result = registry.land_specs(core, [parsed(age=30)])
    assert (result[0].version, result[0].outcome) == (2, "updated")
    registry.register_landed(core)
    after = registry.avatar_ref(core, "fitness:luna")
    assert after.id == before.id
    assert after.spec.age == 30
    assert after.persona_digest != before.persona_digest


def test_a_new_price_changes_neither_persona_nor_looks(core: Services) -> None:
    registry.land_specs(core, [parsed()])
    registry.register_landed(core)
    before = registry.avatar_ref(core, "fitness:luna")
    prices = {**sample_spec().prices.model_dump(), "pack_minor": 4242}
    registry.land_specs(core, [parsed(prices=prices)])
    registry.register_landed(core)
    after = registry.avatar_ref(core, "fitness:luna")
    assert after.spec_version == 2
    assert after.persona_digest == before.persona_digest
    assert after.appearance_digest == before.appearance_digest


def test_two_versions_landed_before_registering_end_with_the_newest(core: Services) -> None:
    registry.land_specs(core, [parsed(age=30)])
    registry.land_specs(core, [parsed(age=31)])
    assert registry.register_landed(core) == ["fitness:luna"]
    assert registry.avatar_ref(core, "fitness:luna").spec.age == 31


def test_a_handle_of_another_niche_is_refused_and_nothing_is_written(
    core: Services, database: Database
) -> None:
    registry.land_specs(core, [parsed()])
    mira = parsed("mira.yaml", handle="mira")
    with pytest.raises(InvalidInput) as caught:
        registry.land_specs(core, [mira, parsed("new.yaml", niche="travel")])
    assert len(caught.value.problems) == 1
    assert "'luna' is taken by fitness:luna" in caught.value.problems[0]
    assert caught.value.problems[0].startswith("new.yaml: handle:")
    assert rows(database) == 1


def test_two_files_with_one_handle_are_refused(core: Services, database: Database) -> None:
    with pytest.raises(InvalidInput, match="1 problem"):
        registry.land_specs(core, [parsed("a.yaml"), parsed("b.yaml", age=40)])
    assert rows(database) == 0


def test_of_many_who_claim_one_handle_at_once_exactly_one_gets_it(
    core: Services, database: Database
) -> None:
    niches = ["fitness", "travel", "cooking", "music", "books", "chess"]
    start = threading.Barrier(len(niches))
    outcomes: list[str] = []

    def claim(niche: str) -> None:
        start.wait()
        try:
            registry.land_specs(core, [parsed(f"{niche}.yaml", niche=niche)])
            outcomes.append("added")
        except InvalidInput as error:
            outcomes.append(error.problems[0])

    in_threads([lambda niche=niche: claim(niche) for niche in niches])
    assert outcomes.count("added") == 1
    assert sum("is taken by" in outcome for outcome in outcomes) == len(niches) - 1
    assert rows(database) == 1


def test_many_changes_of_one_spec_at_once_get_versions_without_gaps(
    core: Services, database: Database
) -> None:
    ages = list(range(30, 38))
    in_threads([lambda age=age: registry.land_specs(core, [parsed(age=age)]) for age in ages])
    with database.begin() as session:
        versions = session.scalars(select(LandedSpec.version).order_by(LandedSpec.version)).all()
    assert versions == list(range(1, len(ages) + 1))
    in_threads([lambda: registry.register_landed(core) for _ in range(4)])
    assert registry.avatar_ref(core, "fitness:luna").spec_version == len(ages)


def test_a_crash_before_the_commit_leaves_no_half_avatar(
    core: Services, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.land_specs(core, [parsed(), parsed("mira.yaml", handle="mira")])
    calls: list[str] = []
    real = registry.register

    def dies_on_the_second(session: object, row: LandedSpec, now: object) -> None:
        calls.append(row.avatar_key)
        if len(calls) == 2:
            raise SystemExit("killed")
        real(session, row, now)  # type: ignore[arg-type]

    monkeypatch.setattr(registry, "register", dies_on_the_second)
    with pytest.raises(SystemExit):
        registry.register_landed(core)
    with database.begin() as session:
        assert session.scalars(select(Avatar.key)).all() == []
        assert len(registry.pending_landed_keys(session)) == 2
    monkeypatch.undo()
    assert sorted(registry.register_landed(core)) == ["fitness:luna", "fitness:mira"]


def test_an_unknown_key_is_answered_with_the_nearest_one(core: Services) -> None:
    registry.land_specs(core, [parsed()])
    with pytest.raises(NotFound, match="landed but not registered"):
        registry.avatar_ref(core, "fitness:luna")
    registry.register_landed(core)
    with pytest.raises(NotFound, match="Did you mean fitness:luna"):
        registry.avatar_ref(core, "fitness:lunna")


def test_archiving_keeps_the_avatar_and_is_said_once(core: Services) -> None:
    registry.land_specs(core, [parsed()])
    registry.register_landed(core)
    assert registry.set_archived(core, "fitness:luna", archived=True)
    assert not registry.set_archived(core, "fitness:luna", archived=True)
    assert registry.avatar_ref(core, "fitness:luna").status == "archived"


def test_failures_back_off_and_permanent_ones_have_no_next_attempt(
    core: Services, database: Database
) -> None:
    registry.land_specs(core, [parsed()])
    registry.register_landed(core)
    avatar_id = registry.avatar_ref(core, "fitness:luna").id
    clock = ManualClock()
    waits = []
    for _ in range(9):
        with database.begin() as session:
            when = record_failure(session, avatar_id, "personas", "boom", None, False, clock)
            assert when is not None
            waits.append((when - clock.now()).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    with database.begin() as session:
        assert record_failure(session, avatar_id, "personas", "no", "act", True, clock) is None
        row = failures(session, [avatar_id], "personas")[avatar_id]
        assert (row.attempts, row.permanent, row.next_attempt_at) == (10, True, None)
        clear_failure(session, avatar_id, "personas")
        assert failures(session, [avatar_id], "personas") == {}
    assert backoff(10_000).total_seconds() == 600


def test_a_changed_spec_forgets_only_the_failures_that_it_may_cure(
    core: Services, database: Database
) -> None:
    registry.land_specs(core, [parsed()])
    registry.register_landed(core)
    avatar_id = registry.avatar_ref(core, "fitness:luna").id
    for stage in ("personas", "lora_trainings"):
        with database.begin() as session:
            record_failure(session, avatar_id, stage, "boom", None, True, core.clock)
    registry.land_specs(core, [parsed(location="Porto")])
    registry.register_landed(core)
    with database.begin() as session:
        assert session.scalars(select(StageAttempt.stage)).all() == ["lora_trainings"]
    appearance = {**sample_spec().appearance.model_dump(), "eye_color": "grey"}
    registry.land_specs(core, [parsed(location="Porto", appearance=appearance)])
    registry.register_landed(core)
    with database.begin() as session:
        assert session.scalar(text("SELECT count(*) FROM vixen.stage_attempts")) == 0


def in_threads(work: list[Callable[[], object]]) -> None:
    errors: list[BaseException] = []

    def guarded(call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - handed to the test below
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(call,)) for call in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
