"""Importing a provider module costs nothing; the SDKs come with the first call."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("replicate", "openai", "anthropic", "modal", "stripe", "boto3", "botocore")
HEAVY += ("httpx", "httpx2", "pandas", "numpy", "PIL", "sqlalchemy", "dagster")

SCRIPT = f"""
import importlib, pkgutil, sys
import vixen_pipeline.providers as package
for module in pkgutil.iter_modules(package.__path__):
    importlib.import_module(f"vixen_pipeline.providers.{{module.name}}")
loaded = [name for name in {HEAVY!r} if name in sys.modules]
assert not loaded, loaded
"""


def test_importing_every_provider_module_pulls_in_no_sdk() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_building_a_client_pulls_in_no_sdk_either() -> None:
    script = """
import sys
from vixen_pipeline.settings import load_settings
from vixen_pipeline.providers import embeddings, moderation, objects, replicate_images
from vixen_pipeline.providers import replicate_training, text
settings = load_settings(sandbox_token="t")
text.build_text_model(settings), embeddings.build_embedder(settings)
moderation.build_moderator(settings), objects.build_object_store(settings)
replicate_images.build_image_model(settings), replicate_training.build_trainer(settings)
loaded = [name for name in ("replicate", "openai", "anthropic", "boto3") if name in sys.modules]
assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
