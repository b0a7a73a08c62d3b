from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.import_rule import INSTALLED, module_name, violations

HEAVY = ("torch", "onnx", "cv2", "mujoco", "onnxruntime", "rich", "yaml", "msgspec", "asyncio")

GOOD = {
    "sage/irp/plugin.py": "import math\nimport numpy as np\nfrom sage.irp import errors\n",
    "sage/run.py": "from orchestrator import HRMOrchestrator\nfrom sage.commands import cli\n",
    "sage/sensors/__init__.py": "from sage.irp.errors import DeviceError\nimport cv2\n",
    "sage/__main__.py": "from sage.commands.cli import main\n",
    "models/train.py": "import torch\nfrom sage.irp import errors\n",
    "plugins/vision.py": "from models.backends import Backend\nfrom . import control\n",
    "orchestrator/lanes.py": "from sage.irp import Refinement\n",
    "memory/store.py": "from sage import clock\n",
}

BAD = [
    ("sage/irp/meter.py", "import sage.clock\n", "sage.irp.meter imports sage.clock"),
    ("sage/irp/meter.py", "from .. import clock\n", "sage.irp.meter imports sage.clock"),
    (
        "sage/irp/meter.py",
        "def f():\n    import yaml\n",
        "imports yaml; the kernel is the standard",
    ),
    (
        "sage/clock.py",
        "import orchestrator\n",
        "sage.clock imports orchestrator; it may import sage",
    ),
    ("sage/clock.py", "from sage import build\n", "which only the commands may"),
    ("sage/clock.py", "from sage.run import main\n", "which only the commands may"),
    ("sage/clock.py", "if True:\n    import torch\n", "imports torch, which only models/ may"),
    ("models/net.py", "import plugins.vision\n", "models.net imports plugins.vision"),
    (
        "plugins/control.py",
        "from orchestrator import lanes\n",
        "it may import plugins, models, sage",
    ),
    ("plugins/control.py", "import torch.nn as nn\n", "imports torch, which only models/ may"),
    ("plugins/control.py", "import tests.helpers\n", "imports tests.helpers"),
    ("orchestrator/lanes.py", "import plugins\n", "it may import orchestrator, sage"),
    (
        "memory/store.py",
        "import importlib\nimportlib.import_module('models')\n",
        ":2: memory.store",
    ),
    ("memory/store.py", "__import__('orchestrator.lanes')\n", "imports orchestrator.lanes"),
]


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def in_fresh_python(code: str, root: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_this_repository_keeps_the_rule(repository: Path) -> None:
    assert violations(repository) == []


def test_what_the_rule_allows(tmp_path: Path) -> None:
    assert violations(plant(tmp_path, GOOD)) == []


@pytest.mark.parametrize(("name", "text", "says"), BAD)
def test_what_the_rule_forbids_is_found(tmp_path: Path, name: str, text: str, says: str) -> None:
    found = violations(plant(tmp_path, {**GOOD, name: text}))
    assert len(found) == 1
    assert found[0].startswith(f"{name}:")
    assert says in found[0]


def test_the_kernel_imports_nothing_heavy(repository: Path) -> None:
    code = f"import sys, sage, sage.irp; print([m for m in {HEAVY} if m in sys.modules])"
    assert in_fresh_python(code, repository) == "[]"


def test_the_runtime_imports_without_torch(repository: Path) -> None:
    """Every module outside models/, and the models' own runtime side, with torch forbidden."""
    modules = [
        module_name(path, repository)
        for package in INSTALLED
        if package != "models"
        for path in sorted((repository / package).rglob("*.py"))
        if path.name != "__main__.py"
    ]
    modules += ["models", "models.backends"]
    code = (
        "import sys, importlib\n"
        "for name in ('torch', 'torchvision', 'onnx', 'onnxscript'): sys.modules[name] = None\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        "print('imported')"
    )
    assert in_fresh_python(code, repository) == "imported"
