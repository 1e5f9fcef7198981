"""The guards of the four top-level packages, and the rules of the house that a test can hold."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from guard_paths import PACKAGES, ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = [
    path
    for name in (*PACKAGES, "benchmarks", "deploy", "tests", "tests_inference")
    for path in (ROOT / name).rglob("*.py")
]
OURS = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in PACKAGES]

LOCKS = [f"requirements{kind}.lock" for kind in ("", "-dev", "-inference", "-inference-cpu")]


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_import_contracts_hold() -> None:
    result = run(str(Path(sys.executable).parent / "lint-imports"), "--no-cache")
    assert result.returncode == 0, result.stdout[-3000:]


def test_a_core_module_that_imports_dagster_breaks_the_contract(tmp_path: Path) -> None:
    """The contract is alive: a copy of the tree with one wrong import fails it."""
    import shutil

    for name in (*PACKAGES, "pyproject.toml"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    (tmp_path / "vixen_pipeline" / "money.py").write_text("import dagster\n")
    result = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "vixen_pipeline.money -> dagster" in result.stdout


@pytest.mark.long
def test_the_wheel_holds_all_four_packages_and_imports_from_another_folder(tmp_path: Path) -> None:
    built = run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)
    )
    assert built.returncode == 0, built.stdout + built.stderr
    wheel = next(tmp_path.glob("*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    for package in PACKAGES:
        assert f"{package}/__init__.py" in names
        assert f"{package}/py.typed" in names
    environment = tmp_path / "env"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    site = next((environment / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = f"import {', '.join(PACKAGES)}; print(vixen_pipeline.__file__)"
    imported = run(str(python), "-c", code, cwd=elsewhere)
    assert imported.returncode == 0, imported.stderr
    assert imported.stdout.startswith(str(site))


@pytest.mark.parametrize("name", PACKAGES)
def test_each_top_level_package_resolves_inside_this_project(name: str) -> None:
    module = importlib.import_module(name)
    assert Path(str(module.__file__)).is_relative_to(ROOT)


def test_no_other_installed_distribution_claims_our_names() -> None:
    claims = importlib.metadata.packages_distributions()
    for name in PACKAGES:
        assert set(claims.get(name, [])) <= {"vixen-pipeline"}


def test_every_package_is_typed_and_no_test_folder_is_a_package() -> None:
    assert all((ROOT / name / "py.typed").exists() for name in PACKAGES)
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_the_distribution_is_marked_private() -> None:
    assert "Private :: Do Not Upload" in PYPROJECT["project"]["classifiers"]


def test_pytest_runs_in_importlib_mode() -> None:
    assert "--import-mode=importlib" in PYPROJECT["tool"]["pytest"]["ini_options"]["addopts"]


def test_types_are_strict_on_all_four_packages_in_one_run() -> None:
    config = PYPROJECT["tool"]["basedpyright"]
    assert config["typeCheckingMode"] == "strict"
    assert set(config["include"]) == set(PACKAGES)


def test_the_stdlib_module_resource_is_banned_and_relative_imports_too(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text("import resource\nfrom . import x\n")
    result = run(
        str(Path(sys.executable).parent / "ruff"),
        "check",
        "--config",
        str(ROOT / "pyproject.toml"),
        "--output-format",
        "concise",
        str(sample),
    )
    assert "TID251" in result.stdout and "TID252" in result.stdout


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.parent.name != "versions"],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_no_file_is_longer_than_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", OURS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_belongs_in_it(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "a module needs a docstring"


def test_lock_files_hold_hashes_and_no_addresses() -> None:
    for name in LOCKS:
        text = (ROOT / name).read_text()
        assert "://" not in text and "index-url" not in text
        pins = re.findall(r"^[a-zA-Z0-9._-]+(?:\[[^\]]*\])?==", text, re.M)
        assert len(pins) > 50 and text.count("--hash=sha256:") >= len(pins)


def test_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    groups = PYPROJECT["dependency-groups"].values()
    extras = PYPROJECT["project"]["optional-dependencies"]
    grouped = [d for group in (*groups, extras["inference"]) for d in group]
    listed = [*PYPROJECT["project"]["dependencies"], *grouped]
    assert [d for d in listed if ">=" not in d or "<" not in d] == []


def test_every_make_target_is_explained() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (\S+)", text, re.M))
    explained = set(re.findall(r"^([a-z-]+):.*## ", text, re.M))
    assert targets == explained


def test_ci_runs_the_test_command_of_the_readme_and_the_checks() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    readme = (ROOT / "README.md").read_text()
    assert "make test" in readme and "make test" in script and "make check" in script
    assert "make test-inference" in script


def test_the_two_locks_of_the_inference_endpoint_pin_the_same_versions() -> None:
    def pins(name: str) -> set[tuple[str, str]]:
        found = re.findall(r"^([a-z0-9._-]+)==([^\s;\\+]+)", (ROOT / name).read_text(), re.M)
        return set(found)

    cpu = pins("requirements-inference-cpu.lock")
    assert len(cpu) > 50
    assert cpu <= pins("requirements-inference.lock")
    assert not [name for name, _ in cpu if name.startswith(("nvidia", "cuda", "triton"))]
