"""Describes the machine of a measurement: processor, memory, load, versions and commit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from label_image.workers import cores

PACKAGES = ("tensorflow", "ai-edge-litert", "numpy", "pillow", "scikit-learn")
_ROOT = Path(__file__).resolve().parent.parent


def machine() -> dict[str, object]:
    """Returns names and versions as types of JSON."""
    info = _text("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.*)$", info, re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", _text("/proc/meminfo"), re.MULTILINE)
    return {
        "processor": model[1] if model else platform.processor() or platform.machine(),
        "int8_dot_products": has_int8_dot_products(info),
        "cores": cores(),
        "memory_gib": round(int(memory[1]) / 2**20, 1) if memory else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": _git("rev-parse", "--short", "HEAD") + ("-changed" if _git("status", "--porcelain", "-uno") else ""),
    }


def has_int8_dot_products(cpuinfo: str = "") -> bool:
    """Whether the processor multiplies and adds bytes in one instruction; without it, int8 is hardly faster than float32."""
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", cpuinfo or _text("/proc/cpuinfo"), re.MULTILINE)
    return bool(flags and {"avx512_vnni", "avx_vnni", "asimddp"} & set(flags[1].split()))


def load() -> list[float]:
    """Returns the load average of the last 1, 5 and 15 minutes."""
    return [round(number, 1) for number in os.getloadavg()] if hasattr(os, "getloadavg") else []


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError:
        return ""


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
