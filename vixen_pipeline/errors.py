"""The one error tree. Each error names a fact and, where a person can act, the next step.

Belongs here: every exception that crosses a package boundary. Does not: handling, logging,
retrying, or errors that one module raises and catches itself.

    VixenError                       anything the program says on purpose; one clear line
    ├── UserError                    the person's input cannot be used (exit code 2)
    │   ├── InvalidInput             all problems of one input at once
    │   ├── SettingsMissing          all missing or wrong settings at once
    │   └── NotFound                 a named thing does not exist
    ├── PolicyRefused                the safety policy says no (exit code 3); never retried
    ├── BudgetExceeded               the spend limit would be passed (exit code 4)
    ├── Busy                         somebody else holds it just now; try later (exit code 5)
    ├── StageFailed                  a stage ended without its product, with reasons (exit code 1)
    ├── Unavailable                  something of ours is down: database, objects (exit code 6)
    ├── NotImage / BadWeights        bytes that are not what they should be
    └── ProviderError                the other side of the wire
        ├── Transient                surely not done; try again after `retry_after` seconds
        ├── Permanent                surely not done and never will be; stops *every* retry machine
        └── Unknown                  may have been done; must be reconciled, never blindly retried
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime


class VixenError(Exception):
    """Base of all errors raised on purpose. `str(error)` is one clear line for a person."""

    exit_code = 1

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        if not self.next_step:
            return self.message
        stop = "" if self.message.endswith((".", "!", "?", ":")) else "."
        return f"{self.message}{stop} {self.next_step}"


class UserError(VixenError):
    """The person's input cannot be used."""

    exit_code = 2


class InvalidInput(UserError):
    """Every problem of one input, at once. `problems` holds one line each."""

    def __init__(self, subject: str, problems: Sequence[str], *, next_step: str | None = None):
        self.subject = subject
        self.problems = tuple(problems)
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        super().__init__(f"{subject}: {count} {noun}", next_step=next_step)


class SettingsMissing(InvalidInput):
    """Settings that are missing or wrong, all of them, each with where to get it."""


class NotFound(UserError):
    """A named thing does not exist."""


class PolicyRefused(VixenError):
    """The safety policy refuses. `rule` is the stable name of the rule that spoke."""

    exit_code = 3

    def __init__(self, rule: str, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.rule = rule


class BudgetExceeded(VixenError):
    """A paid call was refused beforehand: the avatar's or the day's budget would be passed.

    `retry_at` is when the budget begins anew (UTC midnight for the day's); None: only a person
    can change it.
    """

    exit_code = 4

    def __init__(
        self, message: str, *, next_step: str | None = None, retry_at: datetime | None = None
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.retry_at = retry_at


class Busy(VixenError):
    """Another process holds the lock or lease; nothing was done."""

    exit_code = 5


class StageFailed(VixenError):
    """A stage ended without its product. `reasons` says why, most frequent first."""

    def __init__(
        self,
        stage: str,
        message: str,
        *,
        reasons: Sequence[str] = (),
        permanent: bool = True,
        next_step: str | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.stage = stage
        self.reasons = tuple(reasons)
        self.permanent = permanent


class Unavailable(VixenError):
    """Something of our own is down (database, object store); a clean retry is safe."""

    exit_code = 6


class NotImage(VixenError):
    """Bytes that are not a usable image; the message says in what way."""


class BadWeights(VixenError):
    """A weights file that is not a LoRA of the expected family; the message says in what way."""


class ProviderError(VixenError):
    """A failure at a provider, classified once, at the client edge."""

    def __init__(
        self,
        provider: str,
        message: str,
        *,
        code: str | None = None,
        next_step: str | None = None,
    ) -> None:
        super().__init__(f"{provider}: {message}", next_step=next_step)
        self.provider = provider
        self.code = code


class Transient(ProviderError):
    """The effect surely did not happen; trying again may work. `retry_after` in seconds."""

    def __init__(
        self,
        provider: str,
        message: str,
        *,
        retry_after: float | None = None,
        code: str | None = None,
        next_step: str | None = None,
    ) -> None:
        super().__init__(provider, message, code=code, next_step=next_step)
        self.retry_after = retry_after


class Permanent(ProviderError):
    """The effect surely did not happen and will not: no retry machine may try it again."""


class Unknown(ProviderError):
    """The effect may have happened (timeout, dropped reply, 5xx after send): reconcile."""
