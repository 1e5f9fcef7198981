"""A budget is never passed, however many runs spend at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from vixen_pipeline.clock import ManualClock
from vixen_pipeline.costs import Costs, PaidCall
from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import BudgetExceeded
from vixen_pipeline.providers.ports import Usage

EVENING = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
NewCosts = Callable[[], Costs]


def seconds(count: Decimal | int | str) -> tuple[Usage, ...]:
    """h100 seconds; 1000 of them cost 1.525 USD."""
    return (Usage("replicate", "gpu-h100", Decimal(count)),)


def call(key: str, avatar_id: int | None, usages: tuple[Usage, ...] = seconds(1000)) -> PaidCall:
    return PaidCall(key, avatar_id, None, "trainings", usages)


def left(costs: Costs, avatar_id: int | None) -> dict[str, Decimal]:
    return {state.scope: state.left for state in costs.budgets(avatar_id)}


def all_at_once(actions: list[Callable[[], None]]) -> list[BudgetExceeded]:
    refused: list[BudgetExceeded] = []
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], None]) -> None:
        barrier.wait()
        try:
            action()
        except BudgetExceeded as error:
            refused.append(error)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


# ---- refusing -----------------------------------------------------------------------------------


def test_eight_runs_at_once_cannot_pass_an_avatars_budget_together(
    new_costs: NewCosts, luna: int
) -> None:
    def spend(number: int) -> Callable[[], None]:
        costs = new_costs()
        return lambda: _spend(costs, f"call-{number}", luna, Decimal(3))

    refused = all_at_once([spend(number) for number in range(8)])
    assert len(refused) == 5
    assert left(new_costs(), luna)["avatar"] == Decimal(1)


def _spend(costs: Costs, key: str, avatar_id: int | None, amount: Decimal) -> None:
    costs.reserve(avatar_id, key, amount)


def test_eight_runs_of_different_avatars_cannot_pass_the_days_budget_together(
    add_avatar: Callable[..., int], new_costs: NewCosts
) -> None:
    avatars = [add_avatar(f"a{number}") for number in range(8)]

    def spend(avatar_id: int) -> Callable[[], None]:
        costs = new_costs()
        return lambda: _spend(costs, f"call-{avatar_id}", avatar_id, Decimal(4))

    refused = all_at_once([spend(avatar_id) for avatar_id in avatars])
    assert len(refused) == 2
    assert all("budget of this UTC day, 25.00 USD" in str(error) for error in refused)


def test_spending_while_recording_never_passes_the_budget(new_costs: NewCosts, luna: int) -> None:
    """Between reservation and entry the money is counted once: not twice, not never."""

    def spend(number: int) -> Callable[[], None]:
        costs = new_costs()

        def run() -> None:
            for round_ in range(6):
                key = f"call-{number}-{round_}"
                with costs.reserved(luna, key, costs.quote(seconds(500))):
                    costs.record([call(key, luna, seconds(500))])

        return run

    all_at_once([spend(number) for number in range(8)])
    spent = new_costs().spent(luna)
    assert Decimal(10) - costs_of(500) < spent <= Decimal(10)


def costs_of(count: int) -> Decimal:
    return Decimal("0.001525") * count


def test_the_refusal_names_who_how_much_and_what_to_do(costs: Costs, luna: int) -> None:
    costs.record([call("t-1", luna)])
    with costs.reserved(luna, "t-2", Decimal(2)), pytest.raises(BudgetExceeded) as raised:
        costs.reserve(luna, "t-3", Decimal(7))
    assert str(raised.value) == (
        "the budget of fitness:luna, 10.00 USD, would be passed: 1.5250 spent, 2.0000 reserved,"
        " 7.0000 asked for. Raise VIXEN_BUDGET_AVATAR_USD or its row in vixen.budgets."
    )
    assert left(costs, luna)["avatar"] == Decimal("8.475")


def test_the_budget_may_be_used_up_to_the_last_fraction(costs: Costs, luna: int) -> None:
    costs.reserve(luna, "all", Decimal(10))
    with pytest.raises(BudgetExceeded):
        costs.reserve(luna, "more", Decimal("0.00000001"))
    costs.reserve(luna, "free", Decimal(0))


def test_an_avatars_own_budget_overrides_the_settings(costs: Costs, luna: int) -> None:
    costs.set_budget(luna, Decimal(20))
    costs.reserve(luna, "t-1", Decimal(15))
    costs.release("t-1")
    costs.set_budget(luna, None)
    with pytest.raises(BudgetExceeded):
        costs.reserve(luna, "t-1", Decimal(15))
    costs.set_budget(None, Decimal(1))
    costs.set_budget(None, Decimal(2))
    assert left(costs, None) == {"day": Decimal(2)}


def test_the_day_ends_at_midnight_utc_and_the_avatars_total_does_not(
    costs: Costs, luna: int, clock: ManualClock
) -> None:
    costs.record([call("t-1", luna)])
    clock.advance(timedelta(minutes=31))
    assert left(costs, luna) == {"avatar": Decimal("8.475"), "day": Decimal(25)}


def test_a_spent_day_begins_anew_at_midnight_utc_and_a_spent_avatar_does_not(
    costs: Costs, luna: int
) -> None:
    costs.set_budget(None, Decimal(1))
    with pytest.raises(BudgetExceeded, match="tried again at 2026-11-23 00:00 UTC") as of_day:
        costs.reserve(luna, "t-1", Decimal(2))
    assert of_day.value.retry_at == datetime(2026, 11, 23, tzinfo=UTC)
    costs.set_budget(None, None)
    with pytest.raises(BudgetExceeded) as of_avatar:
        costs.reserve(luna, "t-1", Decimal(11))
    assert of_avatar.value.retry_at is None


# ---- reservations -------------------------------------------------------------------------------


def test_a_reservation_is_given_back_when_the_call_fails(costs: Costs, luna: int) -> None:
    with pytest.raises(ZeroDivisionError), costs.reserved(luna, "t-1", Decimal(9)):
        assert left(costs, luna)["avatar"] == Decimal(1)
        raise ZeroDivisionError
    assert left(costs, luna)["avatar"] == Decimal(10)


def test_the_reservation_of_a_dead_process_expires(
    costs: Costs, luna: int, clock: ManualClock
) -> None:
    costs.reserve(luna, "t-1", Decimal(9))
    clock.advance(timedelta(minutes=16))
    costs.reserve(luna, "t-2", Decimal(9))


def test_reserving_the_same_call_again_counts_it_once(costs: Costs, luna: int) -> None:
    costs.reserve(luna, "t-1", Decimal(9))
    with costs.reserved(luna, "t-1", Decimal(8)):
        assert left(costs, luna)["avatar"] == Decimal(2)
    assert left(costs, luna)["avatar"] == Decimal(10)


def test_the_end_of_an_old_run_does_not_release_what_a_newer_one_reserved(
    costs: Costs, luna: int, clock: ManualClock
) -> None:
    with costs.reserved(luna, "t-1", Decimal(3)):
        clock.advance(timedelta(minutes=20))
        costs.reserve(luna, "t-1", Decimal(4))
    assert left(costs, luna)["avatar"] == Decimal(6)


def test_a_long_reservation_lives_until_its_call_is_recorded(
    costs: Costs, luna: int, clock: ManualClock
) -> None:
    costs.reserve(luna, "t-1", Decimal(3), timedelta(hours=4))
    clock.advance(timedelta(hours=3))
    assert left(costs, luna)["avatar"] == Decimal(7)
    costs.record([call("t-1", luna)])
    assert left(costs, luna)["avatar"] == Decimal("8.475")


def test_a_long_past_is_summed_once_and_still_counts(
    new_costs: NewCosts, luna: int, database: Database
) -> None:
    costs = new_costs()
    with database.begin() as session:
        session.execute(
            text(
                "INSERT INTO vixen.cost_entries (key, avatar_id, provider, sku, batch, units, unit,"
                " usd, price_version) SELECT 'past:' || n, :luna, 'p', 's', 'b', 1, 'u', 0.001, 'v'"
                " FROM generate_series(1, 1234) n"
            ),
            {"luna": luna},
        )
    for number in range(2):
        costs.reserve(luna, f"call:{number}", Decimal("0.5"), timedelta(hours=1))
        with database.begin() as session:
            total, open_ = session.execute(
                text(
                    "SELECT (SELECT usd FROM vixen.cost_totals),"
                    " (SELECT count(*) FROM vixen.cost_entries WHERE NOT rolled_up)"
                )
            ).one()
        assert (total, open_) == (Decimal("1.234"), 0)
    assert costs.spent(luna) == Decimal("1.234")
    costs.set_budget(luna, Decimal("2.234"))
    with pytest.raises(BudgetExceeded, match=r"1\.2340 spent, 1\.0000 reserved"):
        costs.reserve(luna, "call:2", Decimal("0.01"), timedelta(hours=1))
