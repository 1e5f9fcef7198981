"""What must hold of every avatar, whatever was done to the processes that made it.

Belongs here: the assertions that several end-to-end tests share. Does not: hurting anything.
"""

from __future__ import annotations

import re
from pathlib import Path

from guard_paths import ROOT
from instance import QUICK, Instance
from vixen_testkit import wait_until

IMAGES = int(QUICK["VIXEN_DATASET_IMAGES"])
READY_S = 150.0
STAGES = {
    "avatars",
    "personas",
    "reference_portraits",
    "training_datasets",
    "lora_trainings",
    "lora_weights",
}


def example(name: str) -> Path:
    return ROOT / "examples" / "avatars" / f"{name}.yaml"


def add_example(instance: Instance, name: str) -> str:
    """Add one of the example avatars; its key."""
    said = instance.vixen("avatar", "add", str(example(name))).stdout
    return ":".join(said.split(":")[:2])


def add_sister(instance: Instance, name: str, handle: str) -> str:
    """Add an avatar like an example, under another handle; its key."""
    text = example(name).read_text()
    changed = re.sub(r"(?m)^handle: .*$", f"handle: {handle}", text)
    assert changed != text
    spec = instance.home / f"{handle}.yaml"
    spec.write_text(changed)
    said = instance.vixen("avatar", "add", str(spec)).stdout
    return ":".join(said.split(":")[:2])


def assert_ready_exactly_once(instance: Instance, key: str) -> None:
    """The avatar becomes ready; nothing at the provider was made twice, lost, or paid twice."""
    wait_until(lambda: instance.status(key) == "ready", seconds=READY_S, every=0.2)
    assert len(trainings_of(instance, key)) == 1, "a second training exists at the provider"
    assert_dataset_is_whole(instance, key)
    assert_every_image_is_kept_and_paid_once(instance)
    assert_nothing_is_open(instance, key)
    wait_until(lambda: recorded_stages(instance, key) >= STAGES, seconds=30, every=0.2)


def trainings_of(instance: Instance, key: str) -> list[dict[str, object]]:
    destination = f"/vixen-{key.replace(':', '-')}"
    return [
        training
        for training in instance.control.trainings()
        if str(training["destination"]).endswith(destination)
    ]


def assert_dataset_is_whole(instance: Instance, key: str) -> None:
    selected = instance.rows(
        "SELECT g.slot, g.sha256 FROM vixen.generated_images g"
        " JOIN vixen.avatars a ON a.id = g.avatar_id"
        " WHERE a.key = %s AND g.purpose = 'dataset' AND g.selected",
        key,
    )
    assert len(selected) == IMAGES
    assert len({row["slot"] for row in selected}) == IMAGES
    assert len({row["sha256"] for row in selected}) == IMAGES


def assert_every_image_is_kept_and_paid_once(instance: Instance) -> None:
    """Over all avatars: what the provider made, what we keep, what was booked."""
    made = sum(instance.control.state()["predictions"].values())
    kept = instance.value("SELECT count(*) FROM vixen.generated_images")
    paid = instance.rows(
        "SELECT count(c.id) AS entries FROM vixen.generated_images g"
        " LEFT JOIN vixen.cost_entries c ON c.effect_id = g.effect_id GROUP BY g.id"
    )
    assert made == kept, "an image was made that we do not keep"
    assert [row["entries"] for row in paid] == [1] * kept


def assert_nothing_is_open(instance: Instance, key: str) -> None:
    """Every effect of System 1 has ended well, but for text calls: those cannot be read back."""
    rest = instance.rows(
        "SELECT e.kind, e.state, e.error FROM vixen.effects e"
        " JOIN vixen.avatars a ON a.id = e.avatar_id WHERE a.key = %s"
        " AND e.state <> 'confirmed' AND NOT (e.kind = 'persona' AND e.state = 'failed')"
        " AND e.kind NOT LIKE 'content%%'",
        key,
    )
    assert rest == []
    trained = instance.value(
        "SELECT count(*) FROM vixen.cost_entries c JOIN vixen.effects e ON e.id = c.effect_id"
        " JOIN vixen.avatars a ON a.id = e.avatar_id"
        " WHERE a.key = %s AND e.kind = 'identity.training'",
        key,
    )
    assert trained == 1, "the training was not paid exactly once"


def recorded_stages(instance: Instance, key: str) -> set[str]:
    """What Dagster has as materialized for the avatar."""
    rows = instance.rows(
        "SELECT DISTINCT asset_key FROM event_logs"
        " WHERE partition = %s AND dagster_event_type = 'ASSET_MATERIALIZATION'",
        key,
        database="dagster",
    )
    return {str(row["asset_key"]).strip('[]"') for row in rows}
