"""Each text is encoded once; what is cached survives readers, writers and kills; order and batches change nothing."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from core.errors import ModelError
from core.methods import embeddings
from core.methods.base import Stopped
from core.methods.embeddings import VectorCache, batches, encode, fingerprint

TEXTS = ["refund please", "my parcel arrives very late today", "", "hello", "refund please"]


@pytest.fixture
def forward(monkeypatch):
    """Counts the texts that go through the encoder."""
    counted = []
    original = embeddings.Encoder.encode

    def encode_and_count(self, texts, max_length):
        counted.extend(texts)
        return original(self, texts, max_length)

    monkeypatch.setattr(embeddings.Encoder, "encode", encode_and_count)
    return counted


def test_vectors_have_length_one_in_the_order_of_the_texts(tiny):
    vectors = encode(TEXTS, tiny)
    assert vectors.shape == (5, 32) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert np.array_equal(vectors[0], vectors[4])
    assert encode(TEXTS[::-1], tiny) == pytest.approx(vectors[::-1], abs=1e-5)


def test_batching_equals_one_text_at_a_time(tiny):
    alone = np.concatenate([encode([text], tiny) for text in TEXTS])
    assert encode(TEXTS, tiny) == pytest.approx(alone, abs=1e-5)


def test_mean_pooling_equals_a_plain_forward_pass(tiny):
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(tiny), AutoModel.from_pretrained(tiny).eval()
    with torch.no_grad():
        hidden = model(**tokenizer(TEXTS[1], return_tensors="pt", return_token_type_ids=False)).last_hidden_state[0]
    expected = torch.nn.functional.normalize(hidden.mean(0), dim=0).numpy()
    assert encode([TEXTS[1]], tiny)[0] == pytest.approx(expected, abs=1e-5)


def test_a_text_is_encoded_once(tiny, tmp_path, forward):
    first = encode(TEXTS, tiny, tmp_path)
    assert len(forward) == 4  # the repeated text counts once
    again = encode([*TEXTS[::-1], "good day"], tiny, tmp_path)
    assert forward[4:] == ["good day"]
    assert np.array_equal(again[:5], first[::-1])


def test_another_length_or_encoder_is_another_address(tiny, tmp_path, forward):
    encode(["good day"], tiny, tmp_path)
    encode(["good day"], tiny, tmp_path, max_length=16)
    assert forward == ["good day"] * 2
    assert fingerprint(tiny, tmp_path) == fingerprint(tiny) != fingerprint(tiny, max_length=16)


def test_stopping_keeps_what_is_done(tiny, tmp_path, forward, monkeypatch):
    monkeypatch.setattr(embeddings, "TOKENS_PER_BATCH", 8)
    asked = []
    with pytest.raises(Stopped):
        encode(TEXTS, tiny, tmp_path, progress=lambda done, total: asked.append((done, total)),
               should_stop=lambda: len(asked) >= 2)  # fmt: skip
    assert asked[0][1] == 4
    forward.clear()
    encode(TEXTS, tiny, tmp_path)
    assert len(forward) == 4 - asked[-1][0]


def test_damaged_and_half_written_shards_are_left_out(tiny, tmp_path, forward):
    expected = encode(TEXTS, tiny, tmp_path)
    folder = next((tmp_path / "embeddings").iterdir())
    vectors = next(folder.glob("*.vectors"))
    vectors.write_bytes(vectors.read_bytes()[:-4])  # torn by a crash of the machine
    (folder / "0-x.vectors").write_bytes(b"")
    (folder / "1-y.keys").write_bytes(b"a" * 32)
    (folder / ".2-z.keys.tmp").write_bytes(b"junk")
    forward.clear()
    assert np.array_equal(encode(TEXTS, tiny, tmp_path), expected)
    assert len(forward) == 4


def test_many_small_shards_become_one(tiny, tmp_path):
    texts = [f"refund {number}" for number in range(embeddings.MANY_SHARDS + 3)]
    for text in texts:
        encode([text], tiny, tmp_path)
    folder = next((tmp_path / "embeddings").iterdir())
    assert len(list(folder.glob("*.keys"))) == len(list(folder.glob("*.vectors"))) < 10
    into = np.empty((1, 32), np.float32)
    for text in texts:
        assert not len(VectorCache(folder, 32).read(np.array([embeddings._key(text)], "S32"), into))


def test_a_killed_writer_leaves_a_cache_that_works(tmp_path):
    script = (
        "import sys, numpy as np, pathlib\n"
        "from core.methods.embeddings import VectorCache\n"
        "cache = VectorCache(pathlib.Path(sys.argv[1]), 8)\n"
        "n = 0\n"
        "while True:\n"
        "    keys = np.array(sorted(f'{n + i:032d}' for i in range(50)), 'S32')\n"
        "    cache.append(keys, np.full((50, 8), 7, np.float32), [np.arange(50)])\n"
        "    n += 50\n"
    )
    for pause in (0.1, 0.25):
        child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob("*.keys")) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(pause)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    into = np.zeros((50, 8), np.float32)
    keys = np.array(sorted(f"{i:032d}" for i in range(50)), "S32")
    assert not len(VectorCache(tmp_path, 8).read(keys, into)) and (into == 7).all()


def test_batches_hold_the_token_budget_longest_first():
    lengths = [5, 30, 7, 30, 2, 100]
    found = list(batches(lengths, 60))
    assert sorted(np.concatenate(found).tolist()) == list(range(6))
    assert found[0].tolist() == [5]  # longer than the budget: alone
    assert all(len(rows) * max(lengths[i] for i in rows) <= 60 for rows in found[1:])


def test_a_folder_that_is_no_encoder_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"config\.json"):
        encode(["x"], tmp_path)
