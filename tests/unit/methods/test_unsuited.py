"""What does not go together is said before the start: methods, tasks, types of base models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.base_models import kind_of, list_bases
from core.errors import RefusedError
from core.methods import all_methods, excuse, get_method, unsuited
from core.settings import Settings
from core.workspace import Workspace


def test_prefixes_want_a_base_like_bert() -> None:
    prefix = get_method("prefix_tuning")
    assert "'distilbert'" in (unsuited(prefix, "classification", "distilbert") or "")
    assert unsuited(prefix, "classification", "bert") is None and unsuited(prefix, "classification") is None
    assert unsuited(get_method("lora"), "classification", "distilbert") is None


def test_biases_want_a_base_that_has_some() -> None:
    bitfit = get_method("bitfit")
    assert "have none" in (unsuited(bitfit, "generation", "llama") or "")
    assert unsuited(bitfit, "generation", "qwen2") is None and unsuited(bitfit, "tagging", "bert") is None


def test_what_a_method_cannot_do_it_says() -> None:
    assert "how well two texts match" in (excuse(get_method("bi_encoder"), "classification") or "")
    assert "cross-encoder" in (excuse(get_method("full"), "pair") or "")
    for method in all_methods("classification"):
        assert unsuited(method, "classification", "bert") is None, method.name


def test_the_type_of_every_registered_base_is_known(tiny_bases: Path) -> None:
    assert all(info.kind for info in list_bases())
    assert kind_of("minilm") == "bert" and kind_of("local:tiny", tiny_bases) == "bert"
    assert (
        kind_of("local:nothing", tiny_bases) == "" and kind_of("model:20261122-100000-aaaaaa", None, tiny_bases) == ""
    )


def test_a_pair_that_does_not_fit_is_refused_before_the_run(tmp_path: Path, toy_texts: Any) -> None:
    with Workspace.open(tmp_path, Settings(offline=True)) as workspace:
        project = workspace.create_project("Toy", labels=["refund", "delivery", "greeting"])
        project.add_items([{"text": f"{text} {i}", "label": label} for i, (text, label) in enumerate(toy_texts(30))])
        version = project.freeze()
        with pytest.raises(RefusedError, match="does not work with base models of the type 'distilbert'"):
            project.train(version, method="prefix_tuning", base="distilbert-base-uncased")
        with pytest.raises(RefusedError, match="not what this task asks"):
            project.train(version, method="cross_encoder")
        assert not project.runs()
