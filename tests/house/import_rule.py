"""The import rule: which first-party package may import which, and who may touch what is heavy.

It reads the source (so imports inside functions count, and imports named by a constant string)
and never runs it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FIRST_PARTY = (
    "sage",
    "models",
    "plugins",
    "orchestrator",
    "memory",
    "demos",
    "benchmarks",
    "tests",
)
INSTALLED = ("sage", "models", "plugins", "orchestrator", "memory")

# The composition root and the commands: they may import whatever is installed, and nobody imports
# them but each other (and __main__, which is a command's way in).
COMPOSITION = ("sage.build", "sage.run", "sage.commands")

# The first line whose prefix fits a module decides. "sage" leaves out COMPOSITION.
MAY_IMPORT: tuple[tuple[str, tuple[str, ...]], ...] = (
    *((name, INSTALLED) for name in COMPOSITION),
    ("sage.__main__", ("sage", "sage.commands")),
    ("sage.irp", ("sage.irp",)),
    ("sage", ("sage",)),
    ("models", ("models", "sage")),
    ("plugins", ("plugins", "models", "sage")),
    ("orchestrator", ("orchestrator", "sage")),
    ("memory", ("memory", "sage")),
)

# Torch and what trains or exports belong to models/ alone; the kernel is numpy and nothing else.
TRAINING = ("torch", "torchvision", "onnx", "onnxscript")
TRAINING_PLACE = "models"
KERNEL = "sage.irp"
KERNEL_THIRD_PARTY = ("numpy",)


def within(module: str, package: str) -> bool:
    """Whether ``module`` is ``package`` or lies inside it."""
    return module == package or module.startswith(package + ".")


def violations(root: Path) -> list[str]:
    """Every import under ``root`` that breaks the rule, as ``path:line: what``."""
    found = []
    for package in INSTALLED:
        for path in sorted((root / package).rglob("*.py")):
            importer = module_name(path, root)
            for line, imported in imports_of(path, importer):
                reason = _fault(importer, imported)
                if reason:
                    found.append(f"{path.relative_to(root)}:{line}: {reason}")
    return found


def module_name(path: Path, root: Path) -> str:
    """The dotted name of a file below ``root``."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, importer: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that a file imports, anywhere in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    package = importer if path.name == "__init__.py" else importer.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args:
            function = node.func
            name = (
                function.attr
                if isinstance(function, ast.Attribute)
                else getattr(function, "id", "")
            )
            argument = node.args[0]
            if (
                name in ("import_module", "__import__")
                and isinstance(argument, ast.Constant)
                and isinstance(argument.value, str)
            ):
                yield node.lineno, argument.value


def _fault(importer: str, imported: str) -> str:
    top = imported.partition(".")[0]
    if top not in FIRST_PARTY:
        return _third_party_fault(importer, top)
    allowed = next(names for prefix, names in MAY_IMPORT if within(importer, prefix))
    fits = any(within(imported, name) for name in allowed)
    # "from sage import run" names a module too.
    upward = next((name for name in COMPOSITION if within(imported, name)), None)
    if upward and not any(within(importer, name) for name in (*COMPOSITION, "sage.__main__")):
        return f"{importer} imports {imported}, which only the commands may"
    if not fits:
        return f"{importer} imports {imported}; it may import {', '.join(allowed)}"
    return ""


def _third_party_fault(importer: str, top: str) -> str:
    if within(importer, KERNEL) and top not in (*sys.stdlib_module_names, *KERNEL_THIRD_PARTY):
        return f"{importer} imports {top}; the kernel is the standard library and numpy"
    if top in TRAINING and not within(importer, TRAINING_PLACE):
        return f"{importer} imports {top}, which only {TRAINING_PLACE}/ may"
    return ""
