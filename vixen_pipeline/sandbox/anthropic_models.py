"""The models that the sandbox's Anthropic lists. Belongs here: the table and its wire form.

Does not: prices (costs/price_book.yaml). Dates are the provider's own announcements.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """`retires_on` is an ISO date; a model past it is retired and cannot be called."""

    id: str
    name: str
    line: str
    released: str
    retires_on: str | None = None
    retired: bool = False
    prefill: bool = False
    context: int = 1_000_000

    @property
    def lifecycle(self) -> str:
        if self.retired:
            return "retired"
        return "deprecated" if self.retires_on else "active"

    def wire(self) -> dict[str, object]:
        """As GET /v1/models states it."""
        retires = f"{self.retires_on}T00:00:00Z" if self.retires_on else None
        return {
            "type": "model",
            "id": self.id,
            "display_name": self.name,
            "created_at": f"{self.released}T00:00:00Z",
            "lifecycle": self.lifecycle,
            "line": self.line,
            "deprecated_at": f"{self.released}T00:00:00Z" if retires else None,
            "retires_at": retires,
            "max_input_tokens": self.context,
            "max_tokens": 64_000,
            "capabilities": None,
        }


MODELS: tuple[Model, ...] = (
    Model("claude-haiku-5-5", "Claude Haiku 5.5", "haiku", "2026-10-21"),
    Model("claude-sonnet-5-5", "Claude Sonnet 5.5", "sonnet", "2026-10-07"),
    Model("claude-opus-5-5", "Claude Opus 5.5", "opus", "2026-09-16"),
    Model("claude-fable-5-2", "Claude Fable 5.2", "fable", "2026-09-02"),
    Model("claude-mythos-5-2", "Claude Mythos 5.2", "mythos", "2026-09-02"),
    Model("claude-fable-5-1", "Claude Fable 5.1", "fable", "2026-07-08"),
    Model("claude-mythos-5-1", "Claude Mythos 5.1", "mythos", "2026-07-08"),
    Model("claude-sonnet-5", "Claude Sonnet 5", "sonnet", "2026-05-20"),
    Model("claude-opus-5", "Claude Opus 5", "opus", "2026-05-06"),
    Model("claude-opus-4-8", "Claude Opus 4.8", "opus", "2026-04-15"),
    Model("claude-opus-4-7", "Claude Opus 4.7", "opus", "2026-03-18"),
    Model("claude-opus-4-6", "Claude Opus 4.6", "opus", "2026-02-05"),
    Model("claude-sonnet-4-6", "Claude Sonnet 4.6", "sonnet", "2026-02-17"),
    Model("claude-opus-4-5", "Claude Opus 4.5", "opus", "2025-11-24", prefill=True),
    Model("claude-haiku-4-5", "Claude Haiku 4.5", "haiku", "2025-10-15", prefill=True),
    Model(
        "claude-sonnet-4-5", "Claude Sonnet 4.5", "sonnet", "2025-09-29", "2026-11-30", prefill=True
    ),
    Model(
        "claude-opus-4-0", "Claude Opus 4", "opus", "2025-05-22", "2026-06-15", True, True, 200_000
    ),
    Model(
        "claude-sonnet-4-0",
        "Claude Sonnet 4",
        "sonnet",
        "2025-05-22",
        "2026-06-15",
        True,
        True,
        200_000,
    ),
)
BY_ID = {model.id: model for model in MODELS}
