"""What was not measured is said to be so: it is never shown as zero."""

from __future__ import annotations

from vixen_pipeline.db.models import GeneratedImage
from vixen_pipeline.identity.dataset_checks import DatasetFacts
from vixen_pipeline.pictures.quality import Thresholds

MEASURES = ("identity_least", "identity_mean", "sharpness_least")


def image(**measured):
    shot = {"framing": "close-up", "angle": "front", "expression": "neutral"}
    return GeneratedImage(id=1, slot=0, attempt=1, selected=True, shot=shot, **measured)


def measures(monkeypatch, *rows):
    monkeypatch.setattr(DatasetFacts, "shots", [])
    monkeypatch.setattr(DatasetFacts, "rejected", lambda _: {})
    figures = DatasetFacts(rows, Thresholds(), "appearance", 1).figures()
    return [figures[name].value for name in MEASURES]


def test_the_figures_of_images_without_measurements_are_empty(monkeypatch):
    assert measures(monkeypatch) == [None] * 3
    assert measures(monkeypatch, image()) == [None] * 3


def test_another_scorers_similarity_is_not_the_one_that_is_named(monkeypatch):
    other = image(identity_score=0.9, identity_scorer="dlib", sharpness=50.0)
    assert measures(monkeypatch, other) == [None, None, 50.0]
    mine = image(identity_score=0.5, identity_scorer="appearance", sharpness=60.0)
    assert measures(monkeypatch, other, mine) == [0.5, 0.5, 50.0]
