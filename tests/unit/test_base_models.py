from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from core.base_models import DEFAULT_BASE, default_base, get_base, is_available, list_bases, resolve
from core.errors import InputError, ModelError, NotFoundError, OfflineError


@pytest.fixture
def copy(tiny_bases: Path, tmp_path: Path) -> Path:
    """``local:model`` that a test may spoil."""
    shutil.copytree(tiny_bases / "tiny", tmp_path / "bases" / "model")
    return tmp_path / "bases"


def test_the_built_in_base_needs_no_network():
    folder = resolve(DEFAULT_BASE, offline=True)
    assert (folder / "model.safetensors").is_file() and is_available(DEFAULT_BASE)


def test_an_altered_built_in_base_is_refused(monkeypatch):
    monkeypatch.setattr("core.base_models.MINILM_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="missing or altered"):
        resolve(DEFAULT_BASE)


def test_the_registry_says_what_people_choose_by():
    for info in list_bases():
        assert info.title and info.languages and info.licence and info.note
        assert info.parameters > 1e7 and info.memory_bytes > info.parameters * 4 and info.max_length >= 512
        assert get_base(info.id) == info


@pytest.mark.parametrize(
    "name",
    ["", "../x", "/etc/passwd", "a/b/c", "a/../b", "..", "C:\\x", "local:../x", "local:", "local:/etc", "a b", "x\0y",
     "https://example.org/x", "owner/" + "n" * 200],
)  # fmt: skip
def test_a_name_is_never_a_path(name):
    with pytest.raises(InputError):
        resolve(name)


def test_any_hub_id_may_be_typed():
    assert get_base("some-owner/some.model-1").source == "hub"


def test_offline_and_not_cached_is_told_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    start = time.monotonic()
    with pytest.raises(OfflineError) as caught:
        resolve("owner/model-that-is-not-here", offline=True)
    assert time.monotonic() - start < 5
    assert "owner/model-that-is-not-here" in caught.value.message and "minilm" in caught.value.hint


def test_a_hub_that_cannot_be_reached_is_no_hang(monkeypatch):
    from huggingface_hub.errors import HTTPError

    def unreachable(*_: object, **__: object) -> None:
        raise HTTPError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(OfflineError, match="does not answer"):
        resolve("owner/model-that-is-not-here")


def test_a_hub_model_without_safetensors_is_refused_before_the_download(monkeypatch):
    from types import SimpleNamespace

    files = [SimpleNamespace(rfilename="pytorch_model.bin"), SimpleNamespace(rfilename="config.json")]
    answer = SimpleNamespace(siblings=files, sha="0")
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: answer)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", _only_local)
    with pytest.raises(ModelError, match="no safetensors"):
        resolve("owner/old-model")


def _only_local(*_: object, local_files_only: bool = False, **__: object) -> str:
    from huggingface_hub.errors import LocalEntryNotFoundError

    assert local_files_only, "the model was fetched"
    raise LocalEntryNotFoundError("not here")


def test_a_local_folder_is_listed_and_used(copy):
    assert resolve("local:model", bases=copy) == copy / "model"
    assert [info.id for info in list_bases(copy)][-1] == "local:model"
    assert is_available("local:model", copy)
    with pytest.raises(NotFoundError, match="no model folder 'other'"):
        resolve("local:other", bases=copy)


def test_a_folder_says_itself_whether_it_writes(copy, tiny_writers):
    for name in ("llama", "t5"):
        shutil.copytree(tiny_writers / name, copy / name)
    found = {info.title: info.tasks for info in list_bases(copy) if info.source == "local"}
    assert found["llama"] == found["t5"] == ("generation",) and "classification" in found["model"]


def test_each_task_has_a_base_to_start_from():
    assert default_base("classification") == default_base("pair") == DEFAULT_BASE
    assert "generation" in get_base(default_base("generation")).tasks


def test_a_pickle_model_folder_is_refused(copy):
    weights = copy / "model" / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(ModelError, match=r"only pytorch_model\.bin, a format that can run code"):
        resolve("local:model", bases=copy)


@pytest.mark.parametrize("config", [True, False])
def test_rounded_weights_are_refused_with_the_way_to_others(copy, config):
    folder = copy / "model"
    (folder / "model.safetensors").rename(folder / "model.Q4_1.gguf")
    if not config:
        (folder / "config.json").unlink()
    with pytest.raises(ModelError, match="holds GGUF") as refusal:
        resolve("local:model", bases=copy)
    assert "docs/generation.md" in refusal.value.hint


@pytest.mark.parametrize("config", ["", "{}", "[]", '{"model_type": "my_own_code"}'])
def test_a_folder_that_is_no_known_model_is_refused(copy, config):
    (copy / "model" / "config.json").write_text(config)
    with pytest.raises(ModelError):
        resolve("local:model", bases=copy)


def test_the_message_about_foreign_code_names_the_type(copy):
    (copy / "model" / "config.json").write_text(json.dumps({"model_type": "my_own_code", "auto_map": {}}))
    with pytest.raises(ModelError, match="'my_own_code'"):
        resolve("local:model", bases=copy)
