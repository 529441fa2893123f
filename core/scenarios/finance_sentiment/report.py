"""The weekly report: one HTML page without script and without anything loaded from elsewhere. All text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from html import escape

from pydantic import Field

from core.evaluation.messages import Translate, identity, percent
from core.records import Record
from core.scenarios.finance_sentiment.alerts import Alert
from core.scenarios.finance_sentiment.drivers import DrivingWord
from core.storage.finance_sentiment import FeedRow

SHOWN_ITEMS = 30
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1F2328;background:#FBFAF8;max-width:56rem;margin:2rem auto;
padding:0 1rem}h1{margin-bottom:.2rem}.lead{font-size:1.15rem}.muted{color:#6B6F76}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
th,td{padding:.3rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid #DEDAD2;overflow-wrap:anywhere}
th{border-bottom-color:#1F2328}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bar{background:#F1EFEA;height:.8rem;min-width:8rem}.bar i{display:block;height:100%;background:#B45309}
.alert{border-left:4px solid #B45309;padding:.3rem .8rem;margin:.6rem 0;background:#F1EFEA}
@media(prefers-color-scheme:dark){body{color:#E6E4DF;background:#14171A}th{border-color:#E6E4DF}
td{border-color:#343A40}.bar,.alert{background:#1D2125}.bar i{background:#F5A524}.muted{color:#9BA1A8}}
@media print{body{margin:0;max-width:none}}
"""


class WeekLine(Record):
    """One company or topic in the week and in the week before."""

    name: str
    items: int
    negative: int
    before_items: int = Field(description="Items of the week before.")
    before_negative: int

    @property
    def share(self) -> float | None:
        """Share of negative items in the week."""
        return self.negative / self.items if self.items else None


class WeekReport(Record):
    """What a weekly report tells."""

    title: str
    week: date = Field(description="Its Monday.")
    companies: list[WeekLine]
    topics: list[WeekLine]
    alerts: list[Alert]
    sentences: list[str] = Field(description="The alerts in the words of the setup.")
    words: list[DrivingWord]
    items: list[FeedRow] = Field(description="Negative items, surest first.")


def to_html(report: WeekReport, translate: Translate = identity) -> str:
    """The report as a page to keep, print or send."""
    last = report.week + timedelta(days=6)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    body = [
        f"<h1>{escape(report.title)}</h1>",
        f"<p class=muted>{report.week:%Y-%m-%d} – {last:%Y-%m-%d}</p>",
        f"<p class=lead>{escape(_lead(report, translate))}</p>",
        *_alerts(report, translate),
        *_lines(translate("Companies"), report.companies, translate),
        *_lines(translate("Topics"), report.topics, translate),
        *_words(report.words, translate),
        *_items(report.items, translate),
        f"<p class=muted>{escape(translate('Sentiments are the judgement of a model and can be wrong.'))}</p>",
    ]
    return (
        '<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{escape(report.title)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _lead(report: WeekReport, translate: Translate) -> str:
    items, negative = (sum(getattr(line, part) for line in report.topics) for part in ("items", "negative"))
    before, before_negative = (
        sum(getattr(line, part) for line in report.topics) for part in ("before_items", "before_negative")
    )
    if not items:
        return translate("Nothing was published in this week.")
    now = percent(negative / items)
    if not before:
        return translate("{items} items, {share} of them negative.").format(items=items, share=now)
    return translate("{items} items, {share} of them negative, after {before} in the week before.").format(
        items=items, share=now, before=percent(before_negative / before)
    )


def _alerts(report: WeekReport, translate: Translate) -> list[str]:
    heading = f"<h2>{escape(translate('Alerts'))}</h2>"
    if not report.alerts:
        return [heading, f"<p>{escape(translate('None in this week.'))}</p>"]
    found = [heading]
    for alert, sentence in zip(report.alerts, report.sentences, strict=True):
        notes = "".join(f"<br>{escape(n.user)}: {escape(n.note)}" for n in alert.notes if n.kind == "note")
        found.append(f"<div class=alert>{escape(sentence)}{notes}</div>")
    return found


def _lines(heading: str, lines: Sequence[WeekLine], translate: Translate) -> list[str]:
    if not lines:
        return []
    rows = []
    for line in lines:
        share = line.share
        before = line.before_negative / line.before_items if line.before_items else None
        width = round(100 * (share or 0))
        rows.append(
            f"<tr><td>{escape(line.name or translate('not named'))}</td><td class=n>{line.items}</td>"
            f"<td class=n>{'' if share is None else percent(share)}</td>"
            f"<td class=n>{'' if before is None else percent(before)}</td>"
            f"<td><div class=bar><i style='width:{width}%'></i></div></td></tr>"
        )
    names = ("", "Items", "Negative", "Week before", "")
    head = "".join(
        f"<th{' class=n' if i in (1, 2, 3) else ''}>{escape(translate(n)) if n else ''}</th>"
        for i, n in enumerate(names)
    )
    return [f"<h2>{escape(heading)}</h2><table><tr>{head}</tr>{''.join(rows)}</table>"]


def _words(words: Sequence[DrivingWord], translate: Translate) -> list[str]:
    if not words:
        return []
    listed = ", ".join(f"{escape(word.word)} ({word.items})" for word in words)
    return [f"<h2>{escape(translate('Words that set the negative items apart'))}</h2><p>{listed}</p>"]


def _items(items: Sequence[FeedRow], translate: Translate) -> list[str]:
    if not items:
        return []
    rows = "".join(
        f"<tr><td class=n>{'' if row.published_at is None else format(row.published_at, '%m-%d')}</td>"
        f"<td>{escape(row.company)}</td><td>{escape(row.topic)}</td><td>{escape(row.text[:500])}</td></tr>"
        for row in items[:SHOWN_ITEMS]
    )
    return [f"<h2>{escape(translate('Negative items'))}</h2><table>{rows}</table>"]
