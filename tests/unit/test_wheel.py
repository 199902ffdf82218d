"""What `pip install .` brings."""

import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import EntryPoint
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]


def test_the_wheel_has_both_commands_and_every_file_of_both_packages(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "wheel", "--quiet"]
    subprocess.run(
        [*pip, "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)], check=True
    )
    (path,) = tmp_path.glob("*.whl")
    with ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        (entry_points,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
        commands = ConfigParser(delimiters="=")
        commands.read_string(wheel.read(entry_points).decode())
    sources = (
        found for found in (ROOT / "operator").rglob("*") if found.is_file() and "__pycache__" not in found.parts
    )
    assert names == {found.relative_to(ROOT / "operator").as_posix() for found in sources}
    scripts = dict(commands["console_scripts"])
    assert set(scripts) == {"foreman-stacks", "foreman-simulator"}
    assert all(callable(EntryPoint(name, target, "console_scripts").load()) for name, target in scripts.items())
