"""The README is a contract: settings, methods and commands in it are the real ones."""

from __future__ import annotations

import re
from pathlib import Path

from core.methods import all_methods
from core.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_described_as_in_the_code() -> None:
    table = dict(re.findall(r"^\| `WHETSTONE_(\w+)` \| `[^`]*` \| (.*) \|$", README, re.MULTILINE))
    assert table == {name.upper(): field.description for name, field in Settings.model_fields.items()}


def test_every_method_is_listed() -> None:
    assert {method.name for method in all_methods()} <= set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE))


def test_every_command_is_a_target() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake (\w+)", README)) <= targets


def test_every_named_file_exists() -> None:
    assert all((ROOT / link).exists() for link in re.findall(r"\]\((?!http)([^)#]+)\)", README))
