"""A report to hand on: Markdown and one self-contained HTML page. Labels and texts are hostile and are escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from core.evaluation.messages import Translate, identity, percent
from core.evaluation.records import ClassScore, Evaluation
from core.evaluation.verdict import verdict

PAIRS = 20
MISTAKES = 50
MATRIX_LABELS = 30
"""A confusion matrix with more labels does not fit on paper; the most confused pairs tell the story then."""

_FIGURES = {"accuracy": "Accuracy", "macro_f1": "Macro F1", "weighted_f1": "Weighted F1"}


def figure_titles(translate: Translate) -> dict[str, str]:
    """What the figures of ``Evaluation.figures`` are called."""
    _ = translate
    return {
        "accuracy": _("Accuracy"),
        "micro_f1": _("Micro F1"),
        "macro_f1": _("Macro F1"),
        "weighted_f1": _("Weighted F1"),
        "samples_f1": _("F1 by text"),
        "hamming_loss": _("Wrong decisions"),
        "entity_f1": _("Span F1"),
        "entity_precision": _("Span precision"),
        "entity_recall": _("Span recall"),
        "texts_right": _("Texts without a mistake"),
        "word_accuracy": _("Word accuracy"),
        "word_macro_f1": _("Word macro F1"),
        "answer_f1": _("F1 of words"),
        "exact_match": _("Exact match"),
        "answerable_f1": _("F1, answerable"),
        "answerable_exact": _("Exact, answerable"),
        "unanswerable_right": _("Right, unanswerable"),
        "spearman": _("Rank correlation"),
        "mrr@10": _("MRR at 10"),
        "rouge_l": "ROUGE-L",
    }


_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1F2328;background:#FBFAF8;max-width:60rem;margin:2rem auto;
padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{padding:.25rem .75rem;text-align:left;vertical-align:top}
th{border-bottom:1px solid #1F2328}td{border-bottom:1px solid #E3E0D9;overflow-wrap:anywhere}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.verdict{font-size:1.2rem}.warn{color:#92400E}
td.hit{background:#CFE8E4}td.miss{background:#FBE3B5}
@media(prefers-color-scheme:dark){body{color:#E6E4DF;background:#14171A}th{border-color:#E6E4DF}
td{border-color:#2C3237}.warn{color:#FBBF24}td.hit{background:#134E4A}td.miss{background:#5B3A0A}}
"""


def to_markdown(evaluation: Evaluation, translate: Translate = identity) -> str:
    """The whole report as Markdown."""
    parts = [f"# {_md(_title(evaluation, translate))}", " ".join(_md(s) for s in _sentences(evaluation, translate))]
    parts += [f"> {_md(warning.text(translate))}" for warning in evaluation.warnings]
    for heading, table in _tables(evaluation, translate):
        parts.append(f"## {_md(heading)}\n\n{_md_table(table)}")
    return "\n\n".join(parts) + "\n"


def to_html(evaluation: Evaluation, translate: Translate = identity) -> str:
    """The whole report as one HTML page without script and without anything loaded from elsewhere."""
    title = escape(_title(evaluation, translate))
    body = [f"<h1>{title}</h1>", f"<p class=verdict>{' '.join(map(escape, _sentences(evaluation, translate)))}</p>"]
    body += [f"<p class=warn>{escape(warning.text(translate))}</p>" for warning in evaluation.warnings]
    for heading, table in _tables(evaluation, translate):
        body.append(f"<h2>{escape(heading)}</h2>{_html_table(table)}")
    if evaluation.confusion and len(evaluation.labels) <= MATRIX_LABELS:
        heading = translate("Confusion matrix (rows: true label, columns: predicted)")
        body.append(f"<h2>{escape(heading)}</h2>{_html_matrix(evaluation)}")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html><html><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{policy}"><title>{title}</title><style>{_STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def _title(evaluation: Evaluation, translate: Translate) -> str:
    template = translate("{name}: {rows} texts of the {split} split")
    return template.format(
        name=evaluation.name or translate("Evaluation"), rows=f"{evaluation.rows:,}", split=evaluation.split
    )


def _sentences(evaluation: Evaluation, translate: Translate) -> list[str]:
    return [sentence.text(translate) for sentence in verdict(evaluation)]


Table = list[list[str | float | int]]
"""First row: headings. Numbers are right-aligned."""


def _tables(evaluation: Evaluation, translate: Translate) -> list[tuple[str, Table]]:
    """Headings and tables of the report in reading order; empty tables are left out."""
    _ = translate
    weakest = dict(sorted(evaluation.per_class.items(), key=lambda pair: pair[1].f1))
    counted = _("Spans") if evaluation.per_word else _("Texts")
    pairs: Table = [[_("True label"), _("Predicted"), _("Texts"), _("Share of the true label")]]
    pairs += [[p.gold, p.predicted, p.rows, percent(p.share)] for p in evaluation.confused_pairs[:PAIRS]]
    mistakes: Table = [[_("Text"), _("True label"), _("Predicted"), _("Confidence")]]
    mistakes += [[m.text, m.gold, m.predicted, percent(m.score)] for m in evaluation.mistakes[:MISTAKES]]
    calibration: Table = [[_("Confidence"), _("Right"), _("Texts")]]
    if evaluation.calibration:
        calibration += [[percent(b.confidence), percent(b.accuracy), b.rows] for b in evaluation.calibration.bins]
    tables = [
        (_("Figures with 95 % intervals"), _figures(evaluation, translate)),
        (_("Written texts"), _wording(evaluation, translate)),
        (_("Prompts and answers"), _exchanges(evaluation, translate)),
        (_("Questions and answers"), _replies(evaluation, translate)),
        (_("How early the matches come"), _retrieval(evaluation, translate)),
        (_("Per label, weakest first"), _scores(weakest, _("Label"), counted, translate)),
        (_("Single words by label"), _scores(evaluation.per_word, _("Label"), _("Words"), translate)),
        (_("Single words by tag"), _scores(evaluation.per_tag, _("Tag"), _("Words"), translate)),
        (_("Most confused pairs"), pairs),
        (_("Most confident mistakes"), mistakes),
        (_("Does the confidence hold?"), calibration),
    ]
    return [(heading, table) for heading, table in tables if len(table) > 1]


def _scores(scores: Mapping[str, ClassScore], head: str, counted: str, translate: Translate) -> Table:
    """A row a label; ``counted`` names what the support counts."""
    _ = translate
    table: Table = [[head, _("Precision"), _("Recall"), _("F1"), counted]]
    for name, score in scores.items():
        table.append([name, percent(score.precision), percent(score.recall), percent(score.f1), score.support])
    return table


def _figures(evaluation: Evaluation, translate: Translate) -> Table:
    beside = [
        (translate("This model"), evaluation),
        (translate("Baseline"), evaluation.baseline),
        (translate("Before fine-tuning"), evaluation.before),
    ]
    columns = [(title, other) for title, other in beside if other is not None]
    table: Table = [["", *(title for title, _ in columns)]]
    if evaluation.wording is not None:  # has a table of its own
        return table
    titles = {name: translate(title) for name, title in _FIGURES.items()}
    if evaluation.figures:
        titles = {name: title for name, title in figure_titles(translate).items() if name in evaluation.figures}
    for figure, title in titles.items():
        cells = []
        for _, other in columns:
            value = other.figure(figure)
            low, high = other.intervals.get(figure, (value, value))
            cells.append(f"{percent(value)} ({percent(low)} - {percent(high)})" if low < high else percent(value))
        table.append([title, *cells])
    return table


def _wording(evaluation: Evaluation, translate: Translate) -> Table:
    """Perplexity and likeness of the model and of what stands beside it; empty for other tasks."""
    if evaluation.wording is None:
        return []
    beside = {
        translate("This model"): evaluation,
        translate("Baseline"): evaluation.baseline,
        translate("Before fine-tuning"): evaluation.before,
    }
    names = {"rouge_l": "ROUGE-L", "rouge_1": "ROUGE-1", "chrf": "chrF", "bleu": "BLEU"}
    table: Table = [["", translate("Perplexity"), *names.values(), translate("Word for word")]]
    for title, other in beside.items():
        if other is None or other.wording is None:
            continue
        surprise = other.wording.perplexity
        shares = [percent(other.figures[name]) for name in names]
        table.append([title, "" if surprise is None else f"{surprise:.2f}", *shares, percent(other.accuracy)])
    return table


def _exchanges(evaluation: Evaluation, translate: Translate) -> Table:
    """What was asked, expected and written."""
    if evaluation.wording is None:
        return []
    table: Table = [[translate("Prompt"), translate("Expected"), translate("This model")]]
    return table + [[one.prompt, one.expected, one.answer] for one in evaluation.wording.exchanges[:MISTAKES]]


def _replies(evaluation: Evaluation, translate: Translate) -> Table:
    """Questions with what was expected and given; empty for other tasks."""
    table: Table = [[translate("Question"), translate("Expected"), translate("Given"), "F1"]]
    none = translate("no answer")
    for one in evaluation.replies[:MISTAKES]:
        table.append([one.question, " / ".join(one.expected) or none, one.given or none, percent(one.f1)])
    return table


def _retrieval(evaluation: Evaluation, translate: Translate) -> Table:
    """One row a length of the list, with its interval; empty where nothing was ranked."""
    found = evaluation.retrieval
    if found is None:
        return []
    names = {"hit_rate": "Hit rate", "recall": "Recall", "precision": "Precision", "mrr": "MRR", "ndcg": "nDCG"}
    table: Table = [[translate("First places"), *(translate(title) for title in names.values())]]
    for depth in dict.fromkeys(int(name.partition("@")[2]) for name in found.figures):
        cells = []
        for name in names:
            low, high = found.intervals[f"{name}@{depth}"]
            cells.append(f"{percent(found.figures[f'{name}@{depth}'])} ({percent(low)} - {percent(high)})")
        table.append([str(depth), *cells])
    return table


def _md(text: str) -> str:
    """Show ``text`` literally in Markdown: punctuation that could mean something is escaped, lines are joined."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$:&-])", r"\\\1", flat)


def _md_table(table: Table) -> str:
    lines = ["| " + " | ".join(_md(str(cell)) for cell in row) + " |" for row in table]
    lines.insert(1, "|" + " --- |" * len(table[0]))
    return "\n".join(lines)


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{escape(str(cell))}</th>" for cell in table[0])
    rows = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in table[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(cell: str | float | int) -> str:
    return f"<td>{escape(cell)}</td>" if isinstance(cell, str) else f"<td class=n>{cell:,}</td>"


def _html_matrix(evaluation: Evaluation) -> str:
    head = "<th></th>" + "".join(f"<th class=n>{escape(label)}</th>" for label in evaluation.labels)
    rows = []
    for g, (label, counts) in enumerate(zip(evaluation.labels, evaluation.confusion, strict=True)):
        kinds = ["hit" if g == p and n else "miss" if n else "" for p, n in enumerate(counts)]
        cells = "".join(f'<td class="n {kind}">{n}</td>' for kind, n in zip(kinds, counts, strict=True))
        rows.append(f"<tr><th>{escape(label)}</th>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
