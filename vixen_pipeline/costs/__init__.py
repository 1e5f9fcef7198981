"""What paid calls cost: price book, reservations against budgets, cost entries.

Belongs here: USD spent at providers. Does not: money earned. Start at service.py.
"""

from vixen_pipeline.costs.model import (
    Billed,
    BudgetState,
    CostFilter,
    CostLine,
    Dimension,
    PaidCall,
)
from vixen_pipeline.costs.price_book import Price, PriceBook
from vixen_pipeline.costs.service import Costs

__all__ = [
    "Billed",
    "BudgetState",
    "CostFilter",
    "CostLine",
    "Costs",
    "Dimension",
    "PaidCall",
    "Price",
    "PriceBook",
]
