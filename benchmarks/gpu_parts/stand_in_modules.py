"""Modules that training's code imports and a GPU machine may lack: inert ones in their place, so that a step runs.

A step checks no settings and reads no files; only what makes its dataclasses has to work.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAMES = ("omegaconf", "pyarrow", "pydantic", "yaml")


class Inert:
    """Takes any arguments and means nothing; so do those that inherit from it."""

    def __init__(self, *_: Any, **__: Any) -> None: ...


class InertModule(ModuleType):
    """A module in which every name is inert."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system asks for
            raise AttributeError(name)
        return Inert


def dataclass(config: Any = None, **options: Any) -> Callable[[type], type]:
    """Python's own dataclass, called as pydantic's is; of its fields it tells none."""

    def decorate(kind: type) -> type:
        made: Any = dataclasses.dataclass(**options)(kind)
        made.__pydantic_fields__ = {}
        return made

    return decorate


class InertLoader(Loader):
    """Makes inert modules."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make one, with what must work in it."""
        module = InertModule(spec.name)
        if spec.name == "pydantic.dataclasses":
            vars(module).update(dataclass=dataclass)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is to be run."""


class InertFinder(MetaPathFinder):
    """Finds an inert module for each name in or below some packages."""

    def __init__(self, packages: Sequence[str]) -> None:
        self.packages = packages

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Say how a module of those packages is made."""
        if fullname.partition(".")[0] not in self.packages:
            return None
        return ModuleSpec(fullname, InertLoader(), is_package=True)


def stand_in_for_missing() -> None:
    """Put stand-ins where a package is not installed; where it is, nothing changes."""
    missing = [package for package in NAMES if importlib.util.find_spec(package) is None]
    sys.meta_path.append(InertFinder(missing))
