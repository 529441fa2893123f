"""Sentence embeddings by a frozen encoder, each text encoded once on this machine.

Vectors are kept in a cache that is addressed by content: what the encoder is (weights, tokenizer, pooling, length)
and what the text is. Shards are only ever added, under a temporary name first, so that several processes can read
while others write and a killed one leaves nothing half-written that counts.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.durable import clear_disk_errors, read_json, write_json
from core.errors import ModelError
from core.methods.base import Stopped
from core.methods.portions import Portions

MAX_LENGTH = 256
TOKENS_PER_BATCH = 2048
"""Padded tokens in one forward pass on a CPU; larger batches leave its caches, smaller ones waste threads."""
TOKENS_PER_BATCH_GPU = 32_768
TEXTS_PER_CHUNK = 16_384
"""Texts that are tokenised and sorted by length together: bounds memory, keeps padding low."""
SECONDS_PER_SHARD = 10.0
"""A kill loses at most this much encoding."""
SMALL_SHARD = 1024
MANY_SHARDS = 32
KEY_BYTES = 16

Progress = Callable[[int, int], None]
_hashes: dict[str, str] = {}
"""sha256 of files by path, size and time of change, as this process learned them."""


def encode(
    texts: Sequence[str],
    base: Path,
    cache: Path | None = None,
    device: str = "cpu",
    max_length: int = MAX_LENGTH,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
    encoder: Encoder | None = None,
) -> np.ndarray:
    """Unit-length embeddings of ``texts`` by the encoder in the folder ``base``, (len(texts), d) float32.

    ``encoder`` is that encoder where it is loaded already.

    Texts in the cache cost no forward pass; when all are there, torch is not even imported. ``progress`` gets
    (texts done, texts to do). Raises Stopped when ``should_stop`` says so (what is done is kept), ModelError when the
    encoder cannot be loaded.
    """
    width = embedding_width(base)
    keys = np.array([_key(text) for text in texts], dtype=f"S{KEY_BYTES * 2}")
    unique, first, back = np.unique(keys, return_index=True, return_inverse=True)
    store = VectorCache(cache / "embeddings" / fingerprint(base, cache, max_length), width) if cache else None
    vectors = np.empty((len(unique), width), dtype=np.float32)
    missing = store.read(unique, vectors) if store else np.arange(len(unique))
    if len(missing):
        new = [texts[i] for i in first[missing]]
        unsaved: list[np.ndarray] = []
        saved_at = time.monotonic()
        done = 0
        try:
            for rows, found in (encoder or open_encoder(str(base), device)).encode(new, max_length):
                vectors[missing[rows]] = found
                unsaved.append(missing[rows])
                done += len(rows)
                if progress:
                    progress(done, len(new))
                if store and time.monotonic() - saved_at > SECONDS_PER_SHARD:
                    store.append(unique, vectors, unsaved)
                    saved_at = time.monotonic()
                if should_stop and should_stop():
                    raise Stopped
        finally:
            if store:
                store.append(unique, vectors, unsaved)
    return vectors[back.reshape(-1)]


def missing_share(texts: Sequence[str], base: Path, cache: Path | None, max_length: int = MAX_LENGTH) -> float:
    """Share of the texts that ``encode`` would have to read, because their vectors are not in the cache; 1 of none."""
    if cache is None or not len(texts):
        return 1.0
    folder = cache / "embeddings" / fingerprint(base, cache, max_length)
    keys = np.unique(np.array([_key(text) for text in texts], dtype=f"S{KEY_BYTES * 2}"))
    known = np.zeros(len(keys), dtype=bool)
    for shard in sorted(folder.glob("*.keys")) if folder.is_dir() else []:
        with suppress(FileNotFoundError):  # merged away a moment ago
            known |= np.isin(keys, np.fromfile(shard, dtype=keys.dtype))
    return float(1 - known.mean())


def _key(text: str) -> str:
    """Content address of a text, 32 hexadecimal characters."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).hexdigest()


# ---------------------------------------------------------------- what the encoder is


def embedding_width(base: Path) -> int:
    """Width of the embeddings, from the encoder's config.json. Raises ModelError."""
    facts = read_json(base / "config.json") or {}
    width = facts.get("hidden_size", facts.get("dim", facts.get("d_model")))
    if not isinstance(width, int):
        raise ModelError(f"{base.name} has no config.json that tells its width.", "Choose another base model.")
    return width


def pooling(base: Path) -> str:
    """``cls`` where the encoder was trained to put the meaning into its first token (BGE), else ``mean``."""
    facts = read_json(base / "1_Pooling" / "config.json") or {}
    return "cls" if facts.get("pooling_mode_cls_token") else "mean"


def fingerprint(base: Path, memo: Path | None = None, max_length: int = MAX_LENGTH) -> str:
    """Hash of everything that decides what the embeddings are: weights, tokenizer, config, pooling, length.

    Large weights are read once: the hash of a file is remembered in ``memo`` by its size and time of change.
    """
    parts = [pooling(base), str(max_length)]
    files = sorted([*base.glob("*.safetensors"), *base.glob("tokenizer*.json"), base / "config.json"])
    parts += [f"{path.name}:{file_hash(path, memo)}" for path in files if path.is_file()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def file_hash(path: Path, memo: Path | None) -> str:
    """Hex sha256 of a large file, read once: remembered by size and time of change here and in the folder ``memo``."""
    real = path.resolve()
    stat = real.stat()
    mark = f"{real}:{stat.st_size}:{stat.st_mtime_ns}"
    if mark in _hashes:
        return _hashes[mark]
    note = memo / "hashes" / f"{hashlib.sha256(mark.encode()).hexdigest()[:32]}.json" if memo else None
    known = read_json(note) if note else None
    if isinstance(known, dict) and known.get("of") == mark:
        return _hashes.setdefault(mark, str(known["sha256"]))
    with real.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if note:
        note.parent.mkdir(parents=True, exist_ok=True)
        write_json(note, {"of": mark, "sha256": digest}, sync=False)
    return _hashes.setdefault(mark, digest)


# ---------------------------------------------------------------- the cache


class VectorCache:
    """Vectors by key in one folder. A shard is two files, ``X.vectors`` (n, d) and ``X.keys`` (n,): the second counts.

    Both are plain arrays without header; sizes are checked, so that a truncated file is left out.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder = folder
        self.width = width

    def read(self, keys: np.ndarray, into: np.ndarray) -> np.ndarray:
        """Fill the rows of ``into`` (n, d) whose sorted keys (n,) are known; returns the indices of the others."""
        known = np.zeros(len(keys), dtype=bool)
        for shard in sorted(self.folder.glob("*.keys")) if self.folder.is_dir() else []:
            if known.all():
                break
            self._read_shard(shard, keys, into, known)
        return np.flatnonzero(~known)

    def _read_shard(self, shard: Path, keys: np.ndarray, into: np.ndarray, known: np.ndarray) -> None:
        try:
            own = np.fromfile(shard, dtype=keys.dtype)
            vectors = np.memmap(shard.with_suffix(".vectors"), dtype=np.float32, mode="r")
        except (FileNotFoundError, ValueError):
            return  # merged away a moment ago, or empty: its texts are encoded again
        if not len(own) or vectors.size != len(own) * self.width or not len(keys):
            return
        place = np.minimum(np.searchsorted(keys, own), len(keys) - 1)
        rows = np.flatnonzero(keys[place] == own)
        into[place[rows]] = vectors.reshape(-1, self.width)[rows]
        known[place[rows]] = True

    def append(self, keys: np.ndarray, vectors: np.ndarray, rows: list[np.ndarray]) -> None:
        """Add these rows of ``keys`` and ``vectors`` as one shard and empty ``rows``."""
        if not rows:
            return
        chosen = np.concatenate(rows)
        rows.clear()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write(keys[chosen], vectors[chosen])
        self._merge_small()

    def _write(self, keys: np.ndarray, vectors: np.ndarray) -> None:
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        for suffix, content in ((".vectors", vectors), (".keys", keys)):
            temporary = self.folder / f".{name}{suffix}.tmp"
            with clear_disk_errors(temporary):
                try:
                    with temporary.open("wb") as file:
                        file.write(np.ascontiguousarray(content).data)
                        file.flush()
                        os.fsync(file.fileno())
                    temporary.replace(self.folder / f"{name}{suffix}")
                except OSError:
                    temporary.unlink(missing_ok=True)
                    (self.folder / f"{name}.vectors").unlink(missing_ok=True)
                    raise

    def _merge_small(self) -> None:
        """Many small shards (one a page of suggestions) become one; skipped while another process does the same."""
        small = [
            shard for shard in sorted(self.folder.glob("*.keys")) if shard.stat().st_size <= SMALL_SHARD * KEY_BYTES * 2
        ]
        if len(small) < MANY_SHARDS:
            return
        from filelock import FileLock, Timeout

        with suppress(Timeout, FileNotFoundError), FileLock(self.folder / "merge.lock", timeout=0):
            keys = np.concatenate([np.fromfile(shard, dtype=f"S{KEY_BYTES * 2}") for shard in small])
            vectors = [np.fromfile(shard.with_suffix(".vectors"), dtype=np.float32) for shard in small]
            if sum(part.size for part in vectors) == len(keys) * self.width:
                self._write(keys, np.concatenate(vectors).reshape(-1, self.width))
            for shard in small:
                shard.unlink(missing_ok=True)
                shard.with_suffix(".vectors").unlink(missing_ok=True)


# ---------------------------------------------------------------- the forward pass


@dataclass
class Encoder:
    """A loaded encoder. One forward pass at a time: it already uses every core."""

    model: Any
    tokenizer: Any
    device: str
    pooling: str
    longest: int
    """Tokens that the model can read at most."""
    lock: threading.Lock
    portions: Portions = field(default_factory=Portions)

    def encode(self, texts: list[str], max_length: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of (row numbers, unit vectors (rows, d)), longest texts of a chunk first."""
        budget = TOKENS_PER_BATCH if self.device == "cpu" else TOKENS_PER_BATCH_GPU
        for start in range(0, len(texts), TEXTS_PER_CHUNK):
            with self.lock:  # the tokenizer keeps the length at which it cuts
                ids = self._tokenise(texts[start : start + TEXTS_PER_CHUNK], min(max_length, self.longest))
            for rows in batches([len(row) for row in ids], budget):
                with self.lock:
                    vectors = self._read([ids[i] for i in rows])
                yield rows + start, vectors

    def _read(self, ids: list[list[int]]) -> np.ndarray:
        """Unit vectors (len(ids), d), in parts where memory does not hold them all."""
        found: list[np.ndarray] = []
        self.portions.each([np.arange(len(ids))], lambda rows: found.append(self._forward([ids[i] for i in rows])))
        return np.concatenate(found)

    def _tokenise(self, texts: list[str], max_length: int) -> list[list[int]]:
        made = self.tokenizer(
            texts, truncation=True, max_length=max_length, return_attention_mask=False, return_token_type_ids=False
        )
        return [ids or [self.tokenizer.pad_token_id or 0] for ids in made["input_ids"]]

    def _forward(self, ids: list[list[int]]) -> np.ndarray:
        import torch

        lengths = torch.tensor([len(row) for row in ids])
        width = int(lengths[0])  # longest first
        padded = torch.tensor([row + [self.tokenizer.pad_token_id or 0] * (width - len(row)) for row in ids])
        mask = torch.arange(width)[None, :] < lengths[:, None]  # (B, T)
        whole = int(lengths[-1]) == width  # nothing padded: attention needs no mask and is faster without
        with torch.inference_mode():
            seen = None if whole else mask.long().to(self.device)
            hidden = self.model(input_ids=padded.to(self.device), attention_mask=seen).last_hidden_state  # (B, T, d)
            return pooled(hidden, seen, self.pooling).cpu().numpy()


def pooled(hidden: Any, mask: Any | None, pooling: str) -> Any:
    """Unit vectors (B, d) of texts from the states of their tokens (B, T, d).

    ``mask`` (B, T) is 1 for tokens and 0 for padding; None says that nothing is padded.
    """
    import torch

    if pooling == "cls":
        vectors = hidden[:, 0]
    elif mask is None:
        vectors = hidden.mean(1)
    else:
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        vectors = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)
    return torch.nn.functional.normalize(vectors.float(), dim=1)


def batches(lengths: Sequence[int], budget: int) -> Iterator[np.ndarray]:
    """Row numbers in batches of at most ``budget`` padded tokens (at least one row), longest rows first."""
    order = np.argsort(-np.asarray(lengths), kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


def forward_all(
    encoder: Encoder,
    texts: Sequence[str],
    max_length: int = MAX_LENGTH,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> np.ndarray:
    """Unit vectors (len(texts), d) float32 by an encoder in memory; nothing is looked up or kept.

    ``progress`` gets (texts done, texts to do). Raises Stopped when ``should_stop`` says so.
    """
    vectors = np.zeros((len(texts), int(encoder.model.config.hidden_size)), dtype=np.float32)
    done = 0
    for rows, found in encoder.encode(list(texts), max_length):
        vectors[rows] = found
        done += len(rows)
        if progress:
            progress(done, len(texts))
        if should_stop and should_stop():
            raise Stopped
    return vectors


@lru_cache(maxsize=2)
def open_encoder(base: str, device: str) -> Encoder:
    """The encoder in a folder, loaded once a process and shared: not to be changed. Raises ModelError."""
    return read_encoder(Path(base), device)


def read_encoder(folder: Path, device: str = "cpu", dropout: float | None = None) -> Encoder:
    """A copy of the encoder in a folder, with another share of dropout if one is given. Raises ModelError."""
    from core.methods.encoders import load_tokenizer, new_encoder

    tokenizer = load_tokenizer(folder)
    model = new_encoder(folder, dropout)
    positions = int(getattr(model.config, "max_position_embeddings", 512) or 512)
    return Encoder(
        model=model.to(device),
        tokenizer=tokenizer,
        device=device,
        pooling=pooling(folder),
        longest=_longest(folder, positions, tokenizer),
        lock=threading.Lock(),
    )


def _longest(folder: Path, positions: int, tokenizer: Any) -> int:
    """Longest text in tokens that both the model and its tokenizer accept."""
    with suppress(OSError, ValueError, TypeError):
        positions = min(
            positions, int(json.loads((folder / "sentence_bert_config.json").read_bytes())["max_seq_length"])
        )
    return int(min(positions - (2 if positions == 514 else 0), tokenizer.model_max_length))
