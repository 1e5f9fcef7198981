"""The dated price book. Belongs here: reading and asking it. Not: entries, budgets (service.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vixen_pipeline.errors import InvalidInput, NotFound
from vixen_pipeline.money import usd

FILE = "price_book.yaml"


@dataclass(frozen=True, slots=True)
class Price:
    """`usd` for `per` units, from the book `version`."""

    usd: Decimal
    per: int
    unit: str
    version: str

    @property
    def usd_per_unit(self) -> Decimal:
        """For display; `cost` divides last and so loses nothing on the way."""
        return self.usd / self.per

    def cost(self, units: Decimal) -> Decimal:
        """What `units` cost, rounded once, half-even, to 1e-8 USD."""
        return usd(units * self.usd / self.per)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: str = Field(min_length=1)
    usd: str = Field(pattern=r"^\d+(\.\d+)?$")
    per: int = Field(1, gt=0)
    free: bool = False

    @model_validator(mode="after")
    def _zero_is_said(self) -> _Entry:
        if (Decimal(self.usd) == 0) != self.free:
            raise ValueError("a price of zero says free: true, and no other price does")
        return self


class _Book(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    since: date = Field(alias="from")
    providers: dict[str, dict[str, _Entry]]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    books: list[_Book] = Field(min_length=1)


class PriceBook:
    """All dated prices. An unknown sku is an error: nothing that is paid for counts as free."""

    def __init__(self, content: object) -> None:
        """`content` is the parsed YAML. Raises InvalidInput with every problem at once."""
        try:
            books = _File.model_validate(content).books
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise InvalidInput(FILE, problems) from error
        self._books = sorted(books, key=lambda book: book.since, reverse=True)

    @classmethod
    def load(cls) -> PriceBook:
        """The book that ships with the program."""
        return _shipped()

    def price(self, provider: str, sku: str, at: date) -> Price:
        """The price on day `at` (UTC). Raises NotFound, naming what is missing."""
        book = next((book for book in self._books if book.since <= at), None)
        if book is None:
            raise NotFound(
                f"the price book begins on {self._books[-1].since}, after {at}.",
                next_step=f"Add a book to vixen_pipeline/costs/{FILE}.",
            )
        entry = book.providers.get(provider, {}).get(sku)
        if entry is None:
            raise NotFound(
                f"the price book {book.version} has no price for {provider} {sku}.",
                next_step=f"Add it to vixen_pipeline/costs/{FILE}.",
            )
        return Price(Decimal(entry.usd), entry.per, entry.unit, book.version)

    def skus(self, at: date) -> Mapping[str, tuple[str, ...]]:
        """provider → its skus on day `at`."""
        book = next((book for book in self._books if book.since <= at), None)
        providers = book.providers if book is not None else {}
        return {provider: tuple(entries) for provider, entries in providers.items()}


@cache
def _shipped() -> PriceBook:
    import yaml

    text = resources.files("vixen_pipeline.costs").joinpath(FILE).read_text(encoding="utf-8")
    return PriceBook(yaml.safe_load(text))
