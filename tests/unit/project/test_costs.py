"""What a run will cost: counted, corrected by earlier runs of this workspace, and the share of texts that are cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.versions import read_split
from core.project import Project
from core.training import pace


def test_the_share_of_cut_texts_is_known_before_training(project: Project, tiny_bases: Path) -> None:
    (project.workspace.path / "bases").symlink_to(tiny_bases, target_is_directory=True)
    rows = [
        {"text": f"hello {'the ' * (90 if i < 20 else 3)} {i}", "label": ["refund", "delivery"][i % 2]}
        for i in range(40)
    ]
    project.add_items(rows)
    version = project.freeze(test=0.1, dev=0.1)
    train = read_split(version.path, "train").texts
    long = sum(len(text.split()) > 62 for text in train) / len(train)
    cost = project.estimate(version, "features", base="local:tiny", max_length=64)
    assert cost is not None
    assert cost.cut_share == pytest.approx(long)
    assert 0.3 < cost.cut_share < 0.7
    roomy = project.estimate(version, "features", base="local:tiny", max_length=128)
    assert roomy is not None
    assert roomy.cut_share == 0


def test_the_estimate_follows_what_runs_of_this_workspace_took(project: Project, tiny_bases: Path) -> None:
    (project.workspace.path / "bases").symlink_to(tiny_bases, target_is_directory=True)
    project.add_items([{"text": f"hello {i}", "label": ["refund", "delivery"][i % 2]} for i in range(80)])
    version = project.freeze(test=0.2, dev=0.2)
    cache = project.workspace.path / "cache"
    before, began = project.estimate(version, "full", base="local:tiny", epochs=3), pace.revision(cache)
    run = project.train(version, "full", base="local:tiny", epochs=3, patience=0).wait(120)
    assert before is not None and run.state == "finished", run.error
    took = (run.result or {})["seconds"]
    after = project.estimate(version, "full", base="local:tiny", epochs=3)
    assert after is not None and pace.revision(cache) > began
    assert after.seconds == pytest.approx(took, rel=0.25)
    assert after.memory_bytes == pytest.approx((run.result or {})["peak_memory_bytes"], rel=0.05)
    assert project.estimate(version, "full", base="local:tiny", epochs=30).seconds > after.seconds  # type: ignore[union-attr]
    other = project.estimate(version, "lora", base="local:tiny", epochs=3)
    assert other is not None, "another method of the same base begins as quickly"
    start, same = (cost.seconds - cost.training - cost.scoring for cost in (after, other))
    assert start == pytest.approx(same) and start > 1
