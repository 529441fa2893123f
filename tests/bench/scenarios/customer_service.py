"""Customer service: answers with 10,000 passages, on the server and on screen; foreign messages; the sample's replay.

The data is expected as ``banking77``, ``clinc150`` and ``hint3_curekart`` (JSONL of text and label) in the folder
WHETSTONE_BENCH_DATA; what is missing is left out with a message.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.data.samples import FOLDER, PROJECT
from core.model import Model
from core.scenarios.customer_service.embedder import BaseEmbedder
from core.scenarios.customer_service.knowledge import Draft
from core.scenarios.customer_service.scenario import CustomerService
from core.scenarios.customer_service.scope import Scope, ScopeFigures, scope_figures
from core.settings import Settings
from core.workspace import Workspace
from tests.bench.figures import Figure

DATA = "WHETSTONE_BENCH_DATA"
PASSAGES = 10_000
MESSAGES = 150
ON_SCREEN = 12
REJECTED = 0.05
CAREFUL = 0.025
"""Shares of normal messages that may be turned away: of the form, and where little is."""
FAQ_QUESTIONS = 20
Texts = list[dict[str, str]]


def measure() -> Iterator[Figure]:
    """All figures, each as soon as it is there."""
    folder = Path(os.environ.get(DATA, "."))
    yield from sample()
    for name, part in (("banking77", many_passages), ("clinc150", clinc), ("hint3_curekart", curekart)):
        if (folder / name / "train.jsonl").is_file():
            yield from part(folder / name)
        else:
            print(f"customer service: {name} is left out, {DATA} names no folder with it")


def sample() -> Iterator[Figure]:
    """The replay that ships with the sample, by the model that a fresh workspace trains first."""
    with tempfile.TemporaryDirectory() as home, _workspace(home) as workspace:
        desk = _sample_desk(workspace)
        desk.warm_up()
        summary = desk.replay(desk.sample_cases(), "bench").summary
    for name, what in (
        ("right", "answered right"),
        ("false_confident", "answered, but wrong"),
        ("handover", "handed over"),
        ("top_1", "right passage first"),
        ("top_3", "right passage in the first three"),
    ):
        found = summary.shares[name]
        note = f"{found.of} cases; 95 % interval {100 * found.low:.0f} to {100 * found.high:.0f}"
        yield Figure(f"sample replay, {what}", "", 100 * found.value, "%", note=note)


# ---------------------------------------------------------------- speed with 10,000 passages


def many_passages(folder: Path) -> Iterator[Figure]:
    """Answers with 10,000 passages: on the server, from Enter to the pixel; and the search itself before tuning."""
    train, test = (_rows(folder / f"{split}.jsonl") for split in ("train", "test"))
    with tempfile.TemporaryDirectory() as home:
        with _workspace(home) as workspace:
            desk = _sample_desk(workspace)
            missing = PASSAGES - len(desk.agent().index.passages)
            entries = [Draft(title=f"Passage {n}", answer=row["text"]) for n, row in enumerate(train[:missing])]
            started = time.perf_counter()
            desk.knowledge.add_all(entries, "bench")
            desk.warm_up()
            indexing = time.perf_counter() - started
            yield on_server(desk, test)
            yield Figure("one entry changed among 10,000, until the next answer", "", _edit(desk), "s")
        yield Figure("10,000 passages, from import to the first answer", "", indexing, "s")
        yield on_screen(Path(home), test)
    with tempfile.TemporaryDirectory() as home, _workspace(home) as workspace:
        yield from faq(workspace, train, test)


def on_server(desk: CustomerService, test: Texts) -> Figure:
    """Milliseconds of one message through everything, both messages on disk."""
    own = [case.messages[0] for case in desk.sample_cases()]
    texts = [*own, *(row["text"] for row in test[:: len(test) // MESSAGES])][:MESSAGES]
    waits, decisions = [], set()
    for text in texts:
        talk = desk.conversations.start("api")
        started = time.perf_counter()
        for _piece in desk.send(talk.id, text):
            pass
        waits.append((time.perf_counter() - started) * 1000)
        decisions.add((desk.conversations.get(talk.id).messages[-1].trace or {})["decision"])
    note = f"p50 {np.percentile(waits, 50):.0f} ms; {len(texts)} messages, decisions: {', '.join(sorted(decisions))}"
    p95 = float(np.percentile(waits, 95))
    return Figure("chat answer on the server, 10,000 passages, p95", "<= 120 ms", p95, "ms", high=120, note=note)


def on_screen(home: Path, test: Texts) -> Figure:
    """Milliseconds from Enter to the first words of the answer in Chromium."""
    from tests.e2e.server import Server, chromium
    from tests.e2e.test_customer_service import open_chat, say

    server = Server(home, demo="false", offline="true")
    server.start()
    try:
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(120_000)
            open_chat(page, server)
            say(page, "hello, is anybody there")  # what is loaded for the first message is not counted
            waits = []
            for row in test[:: len(test) // ON_SCREEN][:ON_SCREEN]:
                open_chat(page, server, "&talk=new")
                waits.append(say(page, row["text"]))
    finally:
        server.stop()
        server.stop_workers()
    note = f"slowest {max(waits):.0f} ms of {len(waits)} messages"
    middle = statistics.median(waits)
    return Figure("chat answer in Chromium, Enter to words, median", "<= 400 ms", middle, "ms", high=400, note=note)


def faq(workspace: Workspace, train: Texts, test: Texts) -> Iterator[Figure]:
    """Each intent an entry of up to 20 questions, test texts as messages, by the built-in model as it comes."""
    asked: dict[str, list[str]] = {}
    for row in train:
        questions = asked.setdefault(row["label"], [])
        if len(questions) < FAQ_QUESTIONS:
            questions.append(row["text"])
    desk = _empty_desk(workspace)
    words = {label: label.replace("_", " ") for label in asked}
    desk.knowledge.add_all(
        [Draft(title=label, questions=asked[label], answer=words[label]) for label in asked], "bench"
    )
    agent = desk.agent()
    vectors = agent.embedder.many([row["text"] for row in test])
    ranks = []
    for row, vector in zip(test, vectors, strict=True):
        titles = [hit.title for hit in agent.index.search(row["text"], vector)]
        ranks.append(titles.index(row["label"]) + 1 if row["label"] in titles else 0)
    for most in (1, 3):
        found = 100 * sum(0 < rank <= most for rank in ranks) / len(ranks)
        yield Figure(f"hybrid search, Banking77 as FAQ, top-{most}, before tuning", "", found, "%")


def _edit(desk: CustomerService) -> float:
    entry = desk.knowledge.entries("Passage 77")[0]
    started = time.perf_counter()
    desk.knowledge.edit(entry, Draft(title=entry.title, answer="Something quite different."))
    desk.agent().answer("something quite different")
    return time.perf_counter() - started


# ---------------------------------------------------------------- foreign messages


def clinc(folder: Path) -> Iterator[Figure]:
    """150 intents, and 100 foreign texts to learn from; the foreign texts of the test are about other things.

    A text of ours that is turned away counts as wrong, so that both figures hold at once.
    """
    train, dev, test = (_rows(folder / f"{split}.jsonl") for split in ("train", "dev", "test"))
    ours, foreign = (
        [row | {"label": "out_of_scope"} for row in _rows(folder / f"oos_{split}.jsonl")] for split in ("train", "test")
    )
    with tempfile.TemporaryDirectory() as home, _workspace(home) as workspace:
        model = _train(workspace, "hybrid", [*train, *ours], dev, test)
        careful = _scope(workspace, model, [*test, *foreign], CAREFUL)
        usual = _scope(workspace, model, [*test, *foreign], REJECTED)
    note = f"{100 * careful.turned_away:.1f} % turned away count as wrong; {100 * careful.accuracy:.1f} % without them"
    yield Figure("CLINC150, in-scope accuracy", ">= 95 %", 100 * careful.kept_accuracy, "%", low=95, note=note)
    note = (
        f"at the usual threshold {100 * usual.recall:.1f} %, then {100 * usual.turned_away:.1f} % of ours are turned "
        f"away and {100 * usual.accepted_accuracy:.1f} % of the others are right; AUROC {usual.area:.3f}"
    )
    yield Figure("CLINC150, out-of-scope recall at once", ">= 75 %", 100 * careful.recall, "%", low=75, note=note)


def curekart(folder: Path) -> Iterator[Figure]:
    """Real traffic: few training texts, most messages are none of the intents."""
    train, test = (_rows(folder / f"{split}.jsonl") for split in ("train", "test"))
    test = [row | {"label": row["label"].replace("NO_NODES_DETECTED", "out_of_scope")} for row in test]
    with tempfile.TemporaryDirectory() as home, _workspace(home) as workspace:
        model = _train(workspace, "hybrid", train, [], [])
        found = _scope(workspace, model, test)
    macro = (found.kept_accuracy + found.recall) / 2
    note = (
        f"in scope {100 * found.kept_accuracy:.1f} % right and let through ({found.in_scope} texts, "
        f"{100 * found.accuracy:.1f} % without the check); foreign {100 * found.recall:.1f} % found ({found.foreign})"
    )
    yield Figure("HINT3 Curekart, mean of in-scope accuracy and out-of-scope recall", "", 100 * macro, "%", note=note)


def _scope(workspace: Workspace, model: Model, rows: Texts, rejected: float = REJECTED) -> ScopeFigures:
    embedder = BaseEmbedder(workspace)
    scope = Scope.of(model, embedder, "out_of_scope")
    texts, gold = [row["text"] for row in rows], [row["label"] for row in rows]
    return scope_figures(scope, model, embedder, rejected, "out_of_scope", texts, gold)


def _train(workspace: Workspace, method: str, train: Texts, dev: Texts, test: Texts) -> Model:
    project = workspace.create_project("Bench")
    parts = {"train": train, "dev": dev, "test": test}
    rows = [row | {"split": split} for split, texts in parts.items() for row in texts]
    path = workspace.scratch / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    project.import_file(path, text="text", label="label", split="split" if dev else None)
    version = project.freeze(split="imported", seed=0) if dev else project.freeze(test=0.01, dev=0.15, seed=0)
    model = project.train(version, method=method).wait().model
    if model is None:
        raise RuntimeError(f"{method} did not finish")
    return model


# ---------------------------------------------------------------- desks


def _sample_desk(workspace: Workspace) -> CustomerService:
    project = workspace.create_project("Intents")
    project.import_file(FOLDER / "customer_service_intents.csv", text="text", label="label")
    workspace.set_preference(PROJECT.format("customer_service_intents"), project.id)
    project.train(project.freeze(test=0.2, dev=0.1, seed=0), method="features").wait()
    return CustomerService.install_sample(workspace)


def _empty_desk(workspace: Workspace) -> CustomerService:
    from core.scenarios.customer_service.config import CustomerServiceConfig
    from core.scenarios.setups import create_setup

    return CustomerService(workspace, create_setup(workspace, CustomerService.name, "FAQ", CustomerServiceConfig()))


def _workspace(home: str) -> Workspace:
    folder = Path(home) / "workspace"
    return Workspace.open(folder, Settings(home=folder, offline=True, device="cpu"))


def _rows(path: Path) -> Texts:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
