"""Which of our own files a module needs."""

from pathlib import Path

import pytest

from evaluation.platforms.program import files_needed

SOURCES = {
    "a/__init__.py": "",
    "a/start.py": "import json\nfrom a import near\nfrom a.far.deep import name\nfrom typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    from a import typed\nelse:\n    from a import otherwise\n",
    "a/near.py": "def f():\n    from b import late\n",
    "a/typed.py": "",
    "a/otherwise.py": "import a.start",
    "a/unused.py": "",
    "a/pages/page.html": "x",
    "a/far/__init__.py": "",
    "a/far/deep.py": "name = 1",
    "a/other/__init__.py": "",
    "a/other/words.txt": "x",
    "b/__init__.py": "",
    "b/late.py": "",
    "b/__pycache__/late.pyc": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, source in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    return tmp_path


def test_imports_are_followed_and_data_comes_along(root: Path) -> None:
    assert {str(name) for name in files_needed("a.start", root)} == {
        *("a/__init__.py", "a/start.py", "a/near.py", "a/otherwise.py", "a/pages/page.html"),
        *("a/far/__init__.py", "a/far/deep.py", "b/__init__.py", "b/late.py"),
    }


def test_a_module_that_there_is_not(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files_needed("a.none", root)
