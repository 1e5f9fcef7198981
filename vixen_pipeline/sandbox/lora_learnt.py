"""What a LoRA of the sandbox has learnt: whom its training images show, and how well.

Belongs here: learning it from a dataset, carrying it in the safetensors metadata, reading it back
when the weights come to inference. Does not: the tensors (weights.py), drawing. The tensors mean
nothing here, so this is what makes the avatar's LoRA show the avatar and another one somebody else.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, Literal, cast

from sqlalchemy import Column, Integer, Table, Text, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from vixen_pipeline.sandbox.drawing import Order, draw, encode
from vixen_pipeline.sandbox.drawing_look import Look, look_from_pixels, mix, stranger_to
from vixen_pipeline.sandbox.state import SandboxState, drawn_images, metadata

Habit = Literal["varied", "same", "memorised"]
"""varied: draws what it is asked for. same: one picture whatever is asked. memorised: gives back
the pictures it was trained on."""

METADATA = "sandbox.learnt"
KEPT, KEPT_SIDE = 6, 96
"""How many training images a memorised LoRA gives back, and their side in pixels."""
_IMAGES = (".jpg", ".jpeg", ".png", ".webp")
_MOST_HEADER = 100_000_000
_NOBODY = Look((128, 110, 96), (208, 170, 144), (110, 96, 80), (128, 128, 128))

training_results = Table(
    "replicate_training_results",
    metadata,
    Column("id", Text, primary_key=True),
    Column("checkpoints", Integer, nullable=False),
    Column("learnt", JSONB),
)
known_weights = Table(
    "modal_known_weights",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("learnt", JSONB, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Learnt:
    """Whom a LoRA shows, its habit, and the small JPEGs (base64) that it has by heart."""

    look: Look
    habit: Habit = "varied"
    kept: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"look": self.look.as_json(), "habit": self.habit, "kept": list(self.kept)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Learnt:
        return cls(Look.from_json(stored["look"]), stored["habit"], tuple(stored["kept"]))

    def spoiled(self, kind: str) -> Learnt:
        """The same training gone wrong: stranger, same or memorised; otherwise as it is."""
        if kind == "stranger":
            return replace(self, look=stranger_to(self.look, 1), kept=())
        if kind in ("same", "memorised"):
            return replace(self, habit=cast("Habit", kind))
        return replace(self, kept=())

    def after(self, share: float) -> Learnt:
        """What it was after `share` (0..1) of the training: the person comes out of nobody."""
        there = min(1.0, share * 4 / 3)  # learnt after three quarters; the rest changes nothing
        parts = {
            name: mix(getattr(_NOBODY, name), getattr(self.look, name), there)
            for name in ("hair", "skin", "eyes")
        }
        return Learnt(replace(self.look, **parts))

    def paint(self, order: Order) -> bytes:
        """The picture of an order whose `look` is this one's, in this LoRA's habit."""
        if self.habit == "same":
            return draw(replace(order, prompt="portrait", seed=1))
        if self.habit == "memorised" and self.kept:
            return _give_back(self.kept[order.seed % len(self.kept)], order)
        return draw(order)


def _give_back(kept: str, order: Order) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(kept))) as small:
        size = (order.width, order.height)
        return encode(small.convert("RGB").resize(size, Image.Resampling.BICUBIC), order)


# ---- learning -----------------------------------------------------------------------------------


async def learn(state: SandboxState, dataset: bytes) -> Learnt | None:
    """What a training on this zip learns: the person whom most of its images show."""
    images = _images(dataset)
    sums = [hashlib.sha256(image).hexdigest() for image in images]
    query = select(drawn_images.c.look).where(
        drawn_images.c.sha256.in_(sums), drawn_images.c.kind != "stranger"
    )
    rows = await state.run(lambda c: c.execute(query).scalars().all())
    looks = [Look.from_json(row) for row in rows]
    look = _most_shown(looks) or (look_from_pixels(images[0]) if images else None)
    return None if look is None else Learnt(look, kept=tuple(map(_small, images[:KEPT])))


def _most_shown(looks: Sequence[Look]) -> Look | None:
    counts = Counter(look.key for look in looks)
    return next((look for look in looks if look.key == counts.most_common(1)[0][0]), None)


def _images(dataset: bytes) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(dataset)) as archive:
        names = sorted(n for n in archive.namelist() if n.lower().endswith(_IMAGES))
        return [archive.read(name) for name in names]


def _small(image: bytes) -> str:
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(image)) as opened:
        small = opened.convert("RGB").resize((KEPT_SIDE, KEPT_SIDE), Image.Resampling.BOX)
    small.save(out, "JPEG", quality=88)
    return base64.b64encode(out.getvalue()).decode()


async def begin_result(state: SandboxState, training_id: str, checkpoints: int) -> None:
    """How many checkpoints the training will offer beside its final weights."""
    statement = insert(training_results).values(id=training_id, checkpoints=checkpoints)
    await state.run(lambda c: c.execute(statement.on_conflict_do_nothing()) and None)


async def keep_result(state: SandboxState, training_id: str, learnt: Learnt | None) -> None:
    value = None if learnt is None else learnt.as_json()
    statement = insert(training_results).values(id=training_id, checkpoints=0, learnt=value)
    statement = statement.on_conflict_do_update(index_elements=["id"], set_={"learnt": value})
    await state.run(lambda c: c.execute(statement) and None)


async def result_of(state: SandboxState, training_id: str) -> tuple[int, Learnt | None]:
    """(checkpoints, what was learnt) of a training; (0, None) of one that is not known."""
    query = select(training_results.c.checkpoints, training_results.c.learnt).where(
        training_results.c.id == training_id
    )
    row = await state.run(lambda c: c.execute(query).one_or_none())
    if row is None:
        return 0, None
    return row.checkpoints, None if row.learnt is None else Learnt.from_json(row.learnt)


# ---- at inference -------------------------------------------------------------------------------


async def remember(state: SandboxState, sha256: str, file: IO[bytes]) -> None:
    """Read what the weights in `file` have learnt, and know them by their SHA-256 from now on."""
    learnt = learnt_in(file)
    if learnt is None:
        return
    statement = insert(known_weights).values(sha256=sha256, learnt=learnt.as_json())
    await state.run(lambda c: c.execute(statement.on_conflict_do_nothing()) and None)


async def recall(state: SandboxState, sha256: str) -> Learnt | None:
    """What weights that were fetched before have learnt; None: not trained here."""
    query = select(known_weights.c.learnt).where(known_weights.c.sha256 == sha256)
    row = await state.run(lambda c: c.execute(query).scalar_one_or_none())
    return None if row is None else Learnt.from_json(row)


def learnt_in(file: IO[bytes]) -> Learnt | None:
    """What the safetensors file (or the tar that holds one) says it has learnt."""
    if (header := _header(file)) is not None:
        text = header.get(METADATA)
        return None if text is None else Learnt.from_json(json.loads(text))
    file.seek(0)
    try:
        with tarfile.open(fileobj=file) as tar:
            names = [name for name in tar.getnames() if name.endswith("lora.safetensors")]
            member = tar.extractfile(min(names, key=len)) if names else None
            return None if member is None else learnt_in(member)
    except tarfile.TarError:
        return None


def _header(file: IO[bytes]) -> dict[str, str] | None:
    """The metadata of a safetensors file; None when it is no such file."""
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= _MOST_HEADER:
        return None
    try:
        header: dict[str, dict[str, str]] = json.loads(file.read(length))
        return dict(header.get("__metadata__", {}))
    except (ValueError, AttributeError):
        return None


def as_metadata(learnt: Learnt | None) -> dict[str, str] | None:
    """The safetensors metadata that carries it."""
    return None if learnt is None else {METADATA: json.dumps(learnt.as_json(), sort_keys=True)}
