"""What paid calls cost, and the budgets that stop them beforehand.

Belongs here: quotes, reservations, cost entries, sums. Does not: prices (price_book), billing of
subscribers. All amounts are `Decimal` USD; each usage is rounded once, half-even, to 1e-8.

A paid call first *reserves* its quote: under one advisory lock for all processes, entries and open
reservations are summed in one snapshot and compared with the limits, so concurrent runs cannot
pass a budget together. *Recording* the call writes its entries and releases the reservation of the
same key in one transaction, so the money is never counted twice nor not at all in between.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from vixen_pipeline.clock import Clock
from vixen_pipeline.costs import queries
from vixen_pipeline.costs.model import (
    Billed,
    BudgetState,
    CostFilter,
    CostLine,
    Dimension,
    PaidCall,
)
from vixen_pipeline.costs.price_book import PriceBook
from vixen_pipeline.db.session import Database
from vixen_pipeline.errors import BudgetExceeded
from vixen_pipeline.money import USD_QUANTUM, usd
from vixen_pipeline.settings import Settings

RESERVATION_LIFE = timedelta(minutes=15)
"""Longer than any single call; a reservation whose process died counts until then."""

_RESERVE = text(
    """
    INSERT INTO vixen.cost_reservations (key, avatar_id, usd, created_at, expires_at)
    VALUES (:key, :avatar_id, :usd, :now, :expires_at)
    ON CONFLICT (key) DO UPDATE
    SET avatar_id = EXCLUDED.avatar_id, usd = EXCLUDED.usd, created_at = EXCLUDED.created_at,
        expires_at = EXCLUDED.expires_at
    """
)

_RECORD = text(
    """
    INSERT INTO vixen.cost_entries (key, avatar_id, effect_id, provider, sku, batch, units, unit,
                                    usd, price_version, run_id, occurred_at)
    VALUES (:key, :avatar_id, :effect_id, :provider, :sku, :batch, :units, :unit, :usd,
            :price_version, :run_id, :now)
    ON CONFLICT (key) DO NOTHING
    """
)


class Costs:
    """Quotes, reservations and entries. `run_id` is kept with every entry. Safe for threads."""

    def __init__(
        self,
        database: Database,
        price_book: PriceBook,
        settings: Settings,
        clock: Clock,
        run_id: str | None = None,
    ) -> None:
        self._database = database
        self._prices = price_book
        self._clock = clock
        self._run_id = run_id
        self._avatar_limit = settings.budget_avatar_usd
        self._day_limit = settings.budget_day_usd

    # ---- before the call ------------------------------------------------------------------------

    def quote(self, usages: Sequence[Billed]) -> Decimal:
        """What these usages cost today. Raises NotFound for an sku without a price."""
        day = self._clock.now().date()
        costs = (self._prices.price(u.provider, u.sku, day).cost(u.units) for u in usages)
        return sum(costs, Decimal(0))

    @contextmanager
    def reserved(
        self, avatar_id: int | None, key: str, amount: Decimal, life: timedelta = RESERVATION_LIFE
    ) -> Generator[None]:
        """Hold `amount` for the call in the body; given back at its end, whatever happens."""
        reserved_at = self.reserve(avatar_id, key, amount, life)
        try:
            yield
        finally:
            self._release(key, reserved_at)

    def reserve(
        self, avatar_id: int | None, key: str, amount: Decimal, life: timedelta = RESERVATION_LIFE
    ) -> datetime:
        """Set `amount` aside until it is recorded, released, or `life` has passed.

        For work that ends later (trainings). Reserving the same key again replaces it. Raises
        BudgetExceeded, with nothing reserved, when the avatar's or the day's limit would be passed.
        """
        now = self._clock.now()
        wanted = usd(amount)
        with self._database.begin() as session:
            queries.lock_budgets(session)
            queries.forget_expired(session, key, now)
            queries.roll_up(session, avatar_id)
            for state in self._states(session, avatar_id, now):
                if wanted > state.left:
                    raise _exceeded(state, wanted, queries.avatar_key(session, avatar_id), now)
            session.execute(
                _RESERVE,
                {
                    "key": key,
                    "avatar_id": avatar_id,
                    "usd": wanted,
                    "now": now,
                    "expires_at": now + life,
                },
            )
        return now

    def release(self, key: str) -> None:
        """Give a reservation back. One that is not there is no error."""
        self._release(key, None)

    def _release(self, key: str, reserved_at: datetime | None) -> None:
        with self._database.begin() as session:
            queries.release(session, key, reserved_at)

    # ---- after the call -------------------------------------------------------------------------

    def record(self, calls: Sequence[PaidCall], session: Session | None = None) -> None:
        """Write the entries and release the reservations of these calls, in one transaction.

        Idempotent by the call's key and sku; with `session` it is part of the caller's transaction.
        Raises NotFound for an sku without a price, with nothing written.
        """
        rows = [row for call in calls for row in self._rows(call)]
        if session is not None:
            _write(session, calls, rows)
            return
        with self._database.begin() as own:
            _write(own, calls, rows)

    def _rows(self, call: PaidCall) -> list[dict[str, object]]:
        now = self._clock.now()
        units: dict[tuple[str, str], Decimal] = {}
        for usage in call.usages:
            sku = (usage.provider, usage.sku)
            units[sku] = units.get(sku, Decimal(0)) + usage.units
        rows: list[dict[str, object]] = []
        for (provider, sku), amount in units.items():
            price = self._prices.price(provider, sku, now.date())
            rows.append(
                {
                    "key": f"{call.key}|{provider}|{sku}",
                    "avatar_id": call.avatar_id,
                    "effect_id": call.effect_id,
                    "provider": provider,
                    "sku": sku,
                    "batch": call.batch,
                    "units": amount.quantize(USD_QUANTUM),
                    "unit": price.unit,
                    "usd": price.cost(amount),
                    "price_version": price.version,
                    "run_id": self._run_id,
                    "now": now,
                }
            )
        return rows

    # ---- asking ---------------------------------------------------------------------------------

    def spent(self, avatar_id: int) -> Decimal:
        """All recorded costs of one avatar, USD."""
        with self._database.begin() as session:
            return queries.spent(session, avatar_id)

    def budgets(self, avatar_id: int | None) -> list[BudgetState]:
        """The limits that apply to a call for this avatar, with what is left of each."""
        with self._database.begin() as session:
            return self._states(session, avatar_id, self._clock.now())

    def set_budget(self, avatar_id: int | None, limit: Decimal | None) -> None:
        """Override the settings' limit of one avatar, or of a UTC day (None); None removes it."""
        with self._database.begin() as session:
            queries.set_budget(session, avatar_id, limit)

    def summary(
        self, by: Sequence[Dimension] = ("provider",), where: CostFilter | None = None
    ) -> list[CostLine]:
        """Sums per combination of `by`, dearest first. Units are summed only by sku."""
        with self._database.begin() as session:
            return queries.summary(session, by, where or CostFilter())

    def _states(self, session: Session, avatar_id: int | None, now: datetime) -> list[BudgetState]:
        return queries.budget_states(
            session, avatar_id, now, avatar_limit=self._avatar_limit, day_limit=self._day_limit
        )


def _exceeded(state: BudgetState, wanted: Decimal, avatar: str, now: datetime) -> BudgetExceeded:
    whose = f"the budget of {avatar}" if state.scope == "avatar" else "the budget of this UTC day"
    raising = f"Raise VIXEN_BUDGET_{state.scope.upper()}_USD or its row in vixen.budgets."
    midnight = None
    if state.scope == "day":
        midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
        raising = f"It is tried again at {midnight:%Y-%m-%d %H:%M} UTC. For sooner: {raising}"
    return BudgetExceeded(
        f"{whose}, {state.limit:.2f} USD, would be passed: {state.spent:.4f} spent,"
        f" {state.reserved:.4f} reserved, {wanted:.4f} asked for.",
        next_step=raising,
        retry_at=midnight,
    )


def _write(session: Session, calls: Sequence[PaidCall], rows: list[dict[str, object]]) -> None:
    if rows:
        session.execute(_RECORD, rows)
    queries.release_all(session, [call.key for call in calls])
