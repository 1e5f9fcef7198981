"""Which avatars a command is about: `--avatar KEY…`, `--niche NICHE` or `--all`.

Belongs here: the options' meaning, one error for everything wrong with them. Does not: any command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vixen_pipeline.errors import InvalidInput, NotFound, UserError

if TYPE_CHECKING:
    from vixen_pipeline.services import Services


@dataclass(frozen=True, slots=True)
class Choice:
    """What was asked for; at most one of the three."""

    avatars: tuple[str, ...] = ()
    niche: str | None = None
    everyone: bool = False

    @classmethod
    def of(cls, avatars: Sequence[str] | None, niche: str | None, everyone: bool) -> Choice:
        """Raises UserError when the options contradict each other."""
        choice = cls(tuple(dict.fromkeys(avatars or ())), niche, everyone)
        if sum([bool(choice.avatars), niche is not None, everyone]) > 1:
            raise UserError(
                "--avatar, --niche and --all each say which avatars: give one of them.",
                next_step="--avatar may be repeated.",
            )
        return choice

    @property
    def empty(self) -> bool:
        return not self.avatars and self.niche is None and not self.everyone


def resolve_choice(services: Services, choice: Choice) -> list[str]:
    """Partition keys, oldest first; landed ones too. Archived avatars only when named.

    Raises InvalidInput that names every unknown key, NotFound when a niche or all is nobody.
    """
    active, known = _keys(services)
    if choice.avatars:
        unknown = [key for key in choice.avatars if key not in known]
        if unknown:
            raise InvalidInput(
                "avatars",
                [_unknown_line(key, known) for key in unknown],
                next_step="`vixen avatar list` shows all; a key looks like fitness:luna.",
            )
        return [key for key in known if key in choice.avatars]
    if choice.niche is None and not choice.everyone:
        return []
    keys = [key for key in active if choice.everyone or key.partition(":")[0] == choice.niche]
    if not keys:
        whom = f"in the niche {choice.niche!r}" if choice.niche is not None else "yet"
        niches = ", ".join(sorted({key.partition(":")[0] for key in active}))
        hint = f"Niches: {niches}." if niches else "Add one with `vixen avatar add FILE`."
        raise NotFound(f"there is no active avatar {whom}.", next_step=hint)
    return keys


def _keys(services: Services) -> tuple[list[str], list[str]]:
    """Active keys and all keys, each oldest first."""
    from sqlalchemy import select

    from vixen_pipeline.db.models import Avatar
    from vixen_pipeline.identity.registry import pending_landed_keys

    with services.database.begin() as session:
        rows = session.execute(select(Avatar.key, Avatar.status).order_by(Avatar.id)).all()
        registered = {row.key: row.status for row in rows}
        landed = [key for key in pending_landed_keys(session) if key not in registered]
    active = [key for key, status in registered.items() if status == "active"]
    return active + landed, list(registered) + landed


def _unknown_line(key: str, known: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(key, known, n=3)
    meant = f" Did you mean {', '.join(near)}?" if near else ""
    return f"no avatar has the key {key!r}.{meant}"
