"""Portraits and datasets against the real sandbox: real pixels, real HTTP, real faults."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from sqlalchemy import select, text
from vixen_identity import add_avatars

from vixen_pipeline.db.models import GeneratedImage, TrainingDataset
from vixen_pipeline.identity.datasets import run_training_datasets
from vixen_pipeline.identity.portraits import run_reference_portraits
from vixen_pipeline.providers.fakes import MemoryObjectStore
from vixen_pipeline.services import Services
from vixen_pipeline.stages import no_progress

N = 6


class DataUrls(MemoryObjectStore):
    def presign(self, key, seconds=None):
        import base64

        return "data:image/jpeg;base64," + base64.b64encode(self.get(key)).decode()


@pytest.fixture
def small(settings, database, sandbox):
    with Services(
        settings.model_copy(update={"dataset_images": N, "replicate_concurrency": 4}),
        database=database,
        objects=DataUrls(),
    ) as services:
        yield services


def portraits(services, *keys):
    results = run_reference_portraits(services, keys, no_progress)
    assert [result.outcome for result in results] == ["made"] * len(keys), results
    return results


def datasets(services, *keys):
    return run_training_datasets(services, keys, no_progress)


def images(services, purpose="dataset"):
    with services.database.begin() as session:
        return list(
            session.scalars(
                select(GeneratedImage)
                .where(GeneratedImage.purpose == purpose)
                .order_by(GeneratedImage.slot, GeneratedImage.attempt)
            )
        )


def test_two_avatars_become_portraits_and_complete_datasets(small, sandbox):
    luna, amara = add_avatars(small, "luna", "amara")
    portraits(small, luna.key, amara.key)
    results = datasets(small, luna.key, amara.key)
    for result in results:
        assert result.outcome == "made", result
        assert all(check.passed for check in result.checks), result.checks
        assert result.metadata["images_accepted"].value == N
        sheet = result.metadata["contact_sheet"].value
        assert sheet.startswith("![") and len(sheet) <= 100_000
    with small.database.begin() as session:
        rows = list(session.scalars(select(TrainingDataset)))
        assert (
            session.scalar(text("SELECT count(*) FROM vixen.effects WHERE state <> 'confirmed'"))
            == 0
        )
        assert session.scalar(text("SELECT count(*) FROM vixen.cost_reservations")) == 0
        assert (
            session.scalar(
                text("SELECT count(*) FROM vixen.effects WHERE request::text LIKE '%http%'")
            )
            == 0
        )
    assert len(rows) == 2 and {row.image_count for row in rows} == {N}
    with zipfile.ZipFile(io.BytesIO(small.objects.get(rows[0].archive_key))) as archive:
        assert len([name for name in archive.namelist() if name.endswith(".jpg")]) == N
        manifest = json.loads(archive.read("manifest.json"))
        assert archive.read("001.txt").decode().startswith(manifest["trigger_word"] + ", ")
    again = datasets(small, luna.key, amara.key)
    assert [result.outcome for result in again] == ["unchanged", "unchanged"]
    assert again[0].metadata.keys() == results[0].metadata.keys()
