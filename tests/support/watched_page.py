"""A browser page that remembers what went wrong on it.

Belongs here: opening, looking, taking pictures. Does not: what must be on a page.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import ConsoleMessage, Locator, Page, Response, expect

SHOWN_MS = 30_000
"""Longest wait for something to appear: the UI asks its server a lot, on a busy machine."""


class Watched:
    """A page of the Dagster UI. `errors`: console errors, exceptions, answers from 400 on."""

    def __init__(self, page: Page, base: str, pictures: Path) -> None:
        self.page = page
        self.errors: list[str] = []
        self._base = base
        self._pictures = pictures
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.errors.append(f"{response.status} {response.url}")

    def open(self, path: str) -> Page:
        self.page.goto(self._base + path, wait_until="load")
        return self.page

    def sees(self, what: str | Locator) -> Locator:
        """The first element with exactly this text (or of this locator), once it is visible."""
        found = self.page.get_by_text(what, exact=True) if isinstance(what, str) else what
        expect(found.first).to_be_visible(timeout=SHOWN_MS)
        return found.first

    def picture(self, name: str) -> None:
        self.page.screenshot(path=str(self._pictures / f"{name}.png"))
