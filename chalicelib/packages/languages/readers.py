"""Every reader of languages' packages: one line each."""

from __future__ import annotations

from typing import Final

from ..reading import Reader
from .binaries import BinaryReader
from .cargo import CargoReader
from .conda import CondaReader
from .dotnet import DependenciesReader, NugetReader, PropertiesReader
from .java import JavaReader
from .materials import MaterialsReader
from .node import NodeReader
from .php import ComposerReader
from .python import EggReader, PythonReader
from .ruby import RubyReader

LANGUAGE_READERS: Final[tuple[Reader, ...]] = (
    PythonReader(),
    EggReader(),
    CondaReader(),
    NodeReader(),
    JavaReader(),
    RubyReader(),
    ComposerReader(),
    DependenciesReader(),
    NugetReader(),
    PropertiesReader(),
    CargoReader(),
    MaterialsReader(),
    BinaryReader(),
)
