"""Full fine-tuning, top layers and LoRA on a tiny model: what learns, what is saved, and that others can load it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core.errors import ModelError, TrainingError
from core.methods import all_methods, get_method
from core.methods.base import Estimate, TrainingData, Work
from core.methods.encoders import load_tokenizer, new_model
from core.methods.heads import head_for
from core.methods.heads.labels import class_weights
from core.methods.neural_options import epochs_for

TEXTS = ["money back please", "hello there", "where is the parcel it arrives very late today", "", "unheard words"]
QUICK = {"epochs": 2, "batch_size": 16, "learning_rate": 5e-3}


class Context:
    """A RunContext that ignores what it is told."""

    device = "cpu"

    def __init__(self, directory: Path) -> None:
        self.directory = self.cache = directory

    def report(self, kind: str, **values: Any) -> None: ...

    def progress(self, done: int, total: int, message: str = "") -> None: ...

    def should_stop(self) -> bool:
        return False


@pytest.fixture
def tune(tiny_bases: Path, toy_data: Callable[..., TrainingData], tmp_path: Path) -> Callable[..., Any]:
    def run(name: str, base: Path | None = None, **options: Any) -> Any:
        method = get_method(name)
        checked = method.Options.model_validate({**QUICK, **options})
        return method.fit(toy_data(), checked, base or tiny_bases / "tiny", Context(tmp_path))

    return run


def plain_probabilities(model: Any, folder: Path, texts: list[str]) -> np.ndarray:
    """What a user of plain transformers gets, one text at a time."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = [model(**tokenizer(text, truncation=True, return_tensors="pt")).logits for text in texts]
    return torch.cat(logits).softmax(-1).numpy()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("full", {}),
        ("lora", {"variant": "rslora", "targets": "all"}),
        ("lora", {"variant": "dora"}),
        ("lora", {"variant": "pissa"}),
    ],
)
def test_plain_transformers_loads_it_and_predicts_the_same(tune, tmp_path, name, options):
    from transformers import AutoModelForSequenceClassification

    predictor = tune(name, **options)
    predictor.save(tmp_path / "model")
    loaded = get_method(name).load(tmp_path / "model", predictor.labels)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    ours = predictor.scores(TEXTS)
    assert np.allclose(loaded.scores(TEXTS), ours, atol=1e-6)
    assert np.allclose(plain_probabilities(plain, tmp_path / "model", TEXTS), ours, atol=1e-5)
    assert [plain.config.id2label[i] for i in range(3)] == predictor.labels
    assert {path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_peft_loads_the_adapter_and_predicts_the_same(tune, tiny_bases, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    predictor = tune("lora", variant="dora")
    predictor.save(tmp_path / "model")
    base = AutoModelForSequenceClassification.from_pretrained(tiny_bases / "tiny", num_labels=3)
    adapted = PeftModel.from_pretrained(base, tmp_path / "model" / "adapter").eval()
    assert np.allclose(plain_probabilities(adapted, tmp_path / "model", TEXTS), predictor.scores(TEXTS), atol=1e-5)
    names = set(load_file(tmp_path / "model" / "adapter" / "adapter_model.safetensors"))
    assert any("pooler" in name for name in names) and any("classifier" in name for name in names)


def test_pairs_are_read_as_pairs(tune, tmp_path):
    predictor = tune("full")
    one = predictor.scores(["hello there"], ["money back"])
    assert not np.allclose(one, predictor.scores(["hello there"], ["late parcel"]), atol=1e-4)


def test_top_layers_leave_the_lower_ones_as_they_are(tune, tiny_bases):
    before = load_file(tiny_bases / "tiny" / "model.safetensors")
    after = {
        name.removeprefix("bert."): value for name, value in tune("top_layers", layers=1).model.state_dict().items()
    }
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("encoder.layer.1.") for name in changed)
    assert not any(name.startswith(("encoder.layer.0.", "embeddings.")) for name in changed)


def test_lora_leaves_the_encoder_as_it_is_until_merged(tune, tiny_bases):
    before = load_file(tiny_bases / "tiny" / "model.safetensors")
    after = {name.removeprefix("bert."): value for name, value in tune("lora").model.state_dict().items()}
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[-2] for name in changed} == {"query", "value", "dense"}
    assert {name for name in changed if "dense" in name} == {"pooler.dense.weight", "pooler.dense.bias"}


def test_bitfit_moves_only_biases_and_the_head(tune, tiny_bases):
    before = load_file(tiny_bases / "tiny" / "model.safetensors")
    after = {name.removeprefix("bert."): value for name, value in tune("bitfit").model.state_dict().items()}
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.endswith("query.bias") for name in changed)
    assert all(name.endswith(".bias") or name.startswith("pooler.") for name in changed)


def test_adapters_start_as_the_base_model_learn_and_come_back_equal(tune, tiny_bases, tmp_path):
    from core.methods.adapter import insert

    model = new_model(tiny_bases / "tiny", head_for("classification", ["a", "b"]), 0.0).eval()
    ids = torch.tensor([[2, 5, 6, 3]])
    before = model(ids).logits
    insert(model, 4)
    assert torch.equal(model(ids).logits, before)
    predictor = tune("adapter", width=4)
    untouched = load_file(tiny_bases / "tiny" / "model.safetensors")["encoder.layer.0.output.dense.weight"]
    inside = predictor.model.bert.encoder.layer[0].output.dense
    assert torch.equal(inside.linear.weight, untouched) and inside.bottleneck.up.weight.abs().sum() > 0
    predictor.save(tmp_path / "model")
    loaded = get_method("adapter").load(tmp_path / "model", predictor.labels)
    assert np.allclose(loaded.scores(TEXTS), predictor.scores(TEXTS), atol=1e-6)
    (tmp_path / "model" / "adapter.json").unlink()
    with pytest.raises(ModelError):
        get_method("adapter").load(tmp_path / "model", predictor.labels)


@pytest.mark.parametrize("kind", ["DistilBert", "ModernBert", "Roberta"])
def test_other_architectures_train_save_and_load(tune, tiny_bases, tmp_path, kind):
    import transformers

    sizes = {
        "DistilBert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
        "ModernBert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
                       "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
        "Roberta": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
                    "pad_token_id": 0, "type_vocab_size": 1},
    }[kind]  # fmt: skip
    tokenizer = load_tokenizer(tiny_bases / "tiny")
    config = getattr(transformers, f"{kind}Config")(vocab_size=len(tokenizer), max_position_embeddings=80, **sizes)
    base = tmp_path / "base"
    getattr(transformers, f"{kind}Model")(config).save_pretrained(base)
    tokenizer.save_pretrained(base)
    for name in ("lora", "top_layers", "adalora", "ia3", "bitfit", "adapter", "prefix_tuning", "prompt_tuning"):
        if (kind != "Roberta" and name.endswith("_tuning")) or (kind == "ModernBert" and name == "bitfit"):
            with pytest.raises(TrainingError, match=f"base models of the type '{kind.lower()}'"):
                tune(name, base)
            continue
        predictor = tune(name, base, epochs=1)
        predictor.save(tmp_path / name)
        loaded = get_method(name).load(tmp_path / name, predictor.labels)
        assert np.allclose(loaded.scores(TEXTS), predictor.scores(TEXTS), atol=1e-5), name


def test_the_blocks_of_a_decoder_come_after_those_of_its_encoder(tiny_writers):
    from core.methods.encoders import layers, saved_model

    model = saved_model(tiny_writers / "t5", head_for("generation", []))
    assert layers(model) == [*model.encoder.block, *model.decoder.block]


def test_a_base_with_missing_weights_is_refused(tiny_bases, tmp_path):
    from safetensors.torch import save_file

    folder = tmp_path / "holey"
    load_tokenizer(tiny_bases / "tiny").save_pretrained(folder)
    (folder / "config.json").write_bytes((tiny_bases / "tiny" / "config.json").read_bytes())
    tensors = load_file(tiny_bases / "tiny" / "model.safetensors")
    del tensors["encoder.layer.1.attention.self.query.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"encoder\.layer\.1\.attention"):
        new_model(folder, head_for("classification", ["a", "b"]), 0.1)


def test_keys_that_point_to_code_are_not_followed(tiny_bases, tmp_path):
    import json
    import shutil

    folder = tmp_path / "sly"
    shutil.copytree(tiny_bases / "tiny", folder)
    facts = json.loads((folder / "config.json").read_text())
    facts["auto_map"] = {"AutoModelForSequenceClassification": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(facts))
    (folder / "evil.py").write_text("raise SystemExit('code of a repository was run')")
    assert (
        type(new_model(folder, head_for("classification", ["a", "b"]), 0.1)).__name__ == "BertForSequenceClassification"
    )


def test_without_a_base_it_says_so(toy_data, tmp_path):
    with pytest.raises(TrainingError, match="base model"):
        get_method("full").fit(toy_data(), get_method("full").Options(), None, Context(tmp_path))


def test_class_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    targets = torch.tensor([0, 0, 0, 0, 0, 1, 1, 3])
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=targets.numpy())
    weights = class_weights(targets, 4)
    assert weights[[0, 1, 3]].tolist() == pytest.approx(expected.tolist()) and weights[2] == 1


def test_estimates_grow_with_the_work():
    from core.base_models import resolve

    base = resolve("minilm")
    plain = Work(rows=9000, lengths=np.full((1, 1), 16.0), dev=1000, test=1000)

    def cost(name: str, work: Work = plain, **options: Any) -> Estimate:
        method = get_method(name)
        return method.estimate(work, method.Options.model_validate(options), base)

    def seconds(name: str, work: Work = plain, **options: Any) -> float:
        return cost(name, work, **options).seconds

    slow = seconds("full")
    assert seconds("full", epochs=8) > 1.8 * seconds("full", epochs=4)
    assert seconds("full", replace(plain, rows=90_000)) > 8 * slow
    assert seconds("full", replace(plain, speed=4e11)) < 0.5 * slow
    assert seconds("top_layers", layers=1) < 0.7 * slow and seconds("lora") < slow
    assert 5e8 < cost("full", batch_size=8).memory_bytes < cost("full", batch_size=64).memory_bytes
    assert seconds("full", gradient_checkpointing=True) > 1.2 * slow
    assert seconds("full", adversarial="freelb") > 2 * slow and seconds("full", r_drop=1.0) > 1.5 * slow
    assert seconds("full", replace(plain, dev=3000)) > slow < seconds("full", replace(plain, test=3000))
    sixteen = replace(plain, half=True)
    assert seconds("full", sixteen) < 0.8 * slow == 0.8 * seconds("full", sixteen, half_precision=False)
    two = cost("full", replace(plain, devices=("cpu", "cpu")))
    assert two.memory_bytes > 1.5 * cost("full").memory_bytes and two.seconds > slow
    long = replace(plain, lengths=np.full((1, 1), 900.0))
    assert seconds("full", replace(long, task="tagging")) > 5 * seconds("full", long), "windows leave nothing out"
    pairs = replace(plain, lengths=np.full((1, 2), 9.0), task="pair")
    for name in ("bi_encoder", "cross_encoder"):
        assert seconds(name, replace(pairs, ranked=True)) > seconds(name, pairs)
    prompts = replace(plain, task="generation", dev=100, test=100)
    assert seconds("lora", replace(prompts, written=200.0)) > seconds("lora", prompts) + 10
    whole = cost("full", patience=0)
    assert whole.seconds > whole.training + whole.scoring > whole.training > whole.scoring > 0 and not whole.notes


def test_every_option_of_every_method_is_explained():
    for method in all_methods():
        for name, field in method.Options.model_fields.items():
            assert field.description and len(field.description) > 20, f"{method.name}.{name}"
        method.Options()


def test_automatic_epochs_repeat_small_data_within_bounds():
    assert [epochs_for(None, steps) for steps in (1, 100, 281, 10_000)] == [20, 10, 5, 5]
    assert epochs_for(7, 1) == 7
