"""The outputs of a prediction: who is drawn, in what order, written where they are fetched from.

Belongs here: references, content faults that change a picture, the pool. Does not: the life of a
prediction (replicate_predictions.py), pixels (drawing.py).
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from vixen_pipeline.sandbox.drawing import Order, draw
from vixen_pipeline.sandbox.drawing_look import (
    Look,
    look_from_pixels,
    look_from_prompt,
    stranger_to,
)
from vixen_pipeline.sandbox.drawing_pool import PreDrawn
from vixen_pipeline.sandbox.replicate_catalog import CatalogModel
from vixen_pipeline.sandbox.replicate_common import Json
from vixen_pipeline.sandbox.replicate_files import BadInput, fetch_input, folder
from vixen_pipeline.sandbox.replicate_tables import Row
from vixen_pipeline.sandbox.state import SandboxState

KINDS = ("stranger", "duplicate", "blurry", "nsfw")


class Painter:
    """Draws on the state's painter threads."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._last: dict[str, Order] = {}  # what was drawn last of a person, for `duplicate`
        self._predrawn = PreDrawn()

    def forget(self) -> None:
        self._last.clear()
        self._predrawn.forget()

    async def paint(self, row: Row, model: CatalogModel) -> list[Json]:
        """Draw the outputs and write them; rows for `drawn_images`, each with its file `name`.

        Raises BadInput for a reference that is no picture, OSError when there is no room.
        """
        given: Json = row["input"]
        look, person = await self._look(given, model)
        found: list[Json] = []
        loop = asyncio.get_running_loop()
        for index in range(int(given.get("num_outputs") or 1)):
            order = self._order(row, look, person, index)
            name = f"out-{index}.{order.format}"
            path = folder(self._state) / str(row["id"]) / name
            mark = f"{row['id']}-{index}"
            painted = await loop.run_in_executor(
                self._state.painters, self._write, order, person, path, mark
            )
            found.append({**painted, "name": name})
        return found

    def _write(self, order: Order, person: str, path: Path, mark: str) -> Json:
        pool = self._state.controls.predrawn
        if pool and order.kind == "portrait":
            content, shown = self._predrawn.take(order, person, mark, pool)
        else:
            content, shown = draw(order), order.look
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return {"sha256": sha256, "look": shown.as_json(), "kind": order.kind}

    async def _look(self, given: Json, model: CatalogModel) -> tuple[Look, str]:
        """Who is to be drawn, and a key of that person."""
        prompt = str(given.get("prompt") or "")
        if model.reference is None:
            look = look_from_prompt(prompt)
            return look, f"{look.key}{prompt}"
        url = str(given[model.reference])
        if self._state.controls.predrawn:  # everybody looks the same there: nothing to fetch
            return look_from_prompt(prompt), url.partition("?")[0]
        content = await fetch_input(self._state, url)
        sha256 = hashlib.sha256(content).hexdigest()
        known = await self._state.drawn(sha256)
        if known is not None:
            return Look.from_json(known[0]), sha256
        loop = asyncio.get_running_loop()
        look = await loop.run_in_executor(self._state.painters, look_from_pixels, content)
        if look is None:
            raise BadInput("No face detected: the input is not an image")
        return look, sha256

    def _order(self, row: Row, look: Look, person: str, index: int) -> Order:
        given: Json = row["input"]
        seed = given.get("seed")
        if seed is None:
            seed = int.from_bytes(hashlib.sha256(str(row["id"]).encode()).digest()[:4], "big")
        kind = str(row["kind"])
        order = Order(
            prompt=str(given.get("prompt") or ""),
            seed=int(seed) + index,
            width=int(given.get("width") or 1024),
            height=int(given.get("height") or 1024),
            look=stranger_to(look, int(seed)) if kind == "stranger" else look,
            format=str(given.get("output_format") or "jpg"),
            quality=int(given.get("output_quality") or 90),
            kind=kind,
        )
        last = self._last.get(person)
        if kind == "duplicate" and last is not None:
            return last.again(str(row["id"]))
        self._last[person] = order
        return order
