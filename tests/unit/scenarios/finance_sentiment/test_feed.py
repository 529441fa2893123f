"""Feeds as they come: dates, companies, broken XML, duplicates, files without dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import InputError
from core.scenarios.finance_sentiment.dates import read_date
from core.scenarios.finance_sentiment.feed import FeedMapping, preview_feed
from core.scenarios.finance_sentiment.news_xml import plain_text, read_news
from core.scenarios.finance_sentiment.scenario import FinanceSentiment

RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>Wire</title>
<item><title>Acme &lt;b&gt;recall&lt;/b&gt; of pumps</title><link>https://news.example/1</link>
<pubDate>Mon, 02 Nov 2026 10:00:00 +0100</pubDate></item>
<item><title>$ACM record year</title><link>javascript:alert(1)</link><pubDate>2026-11-03</pubDate></item>
<item><title>No date here</title></item>
<item><title>From tomorrow on</title><pubDate>2199-01-01</pubDate></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>A</title><entry><title type="html">Bolt Ltd wins</title>
<link href="https://news.example/2" rel="alternate"/><updated>2026-11-02T09:00:00Z</updated></entry></feed>"""
BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><rss><channel><item><title>&b;</title></item></channel></rss>'
)


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2026-11-02", datetime(2026, 11, 2)),
        ("2026-11-02T10:30:00+01:00", datetime(2026, 11, 2, 9, 30)),
        ("Mon, 02 Nov 2026 10:00:00 +0100", datetime(2026, 11, 2, 9)),
        ("2.11.2026", datetime(2026, 11, 2)),
        ("2026/11/2 08:00", datetime(2026, 11, 2, 8)),
        ("2026年11月2日", datetime(2026, 11, 2)),
        ("1793613600", datetime(2026, 11, 2, 10)),
    ],
)
def test_dates_are_read_as_utc(cell: str, expected: datetime) -> None:
    assert read_date(cell) == expected


@pytest.mark.parametrize("cell", ["11/02/2026", "soon", "2026-13-01", "1200-01-01", "99999999999999999"])
def test_what_is_no_clear_date_is_not_guessed(cell: str) -> None:
    with pytest.raises(InputError):
        read_date(cell)


def test_the_future_is_refused() -> None:
    with pytest.raises(InputError, match="future"):
        read_date("2199-01-01", datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1))


def test_rss_comes_in_and_says_what_it_left_out(scenario: FinanceSentiment, tmp_path: Path) -> None:
    report = scenario.import_file(write(tmp_path, "feed.xml", RSS))
    assert (report.added, report.duplicates) == (2, 0)
    assert [(row.row, row.reason) for row in report.rejected] == [
        (3, "the date is missing"),
        (4, "the date 2199-01-01 lies in the future"),
    ]
    newest, oldest = scenario.items()
    assert (oldest.text, oldest.company, oldest.link) == ("Acme recall of pumps", "Acme", "https://news.example/1")
    assert (newest.company, newest.link) == ("Acme", ""), "the ticker is known, a script is no link"
    assert scenario.import_file(write(tmp_path, "again.xml", RSS)).added == 0


def test_atom_comes_in(scenario: FinanceSentiment, tmp_path: Path) -> None:
    path = write(tmp_path, "atom.xml", ATOM)
    assert preview_feed(path).rows[0]["text"] == "Bolt Ltd wins"
    assert scenario.import_file(path).added == 1
    assert scenario.items()[0].company == "Bolt Ltd"


@pytest.mark.parametrize(
    "content",
    [RSS[:300], BOMB, "<html><body>no feed</body></html>", "<?xml version='1.0' encoding='x-none'?><rss/>",
     "<?xml version='1.0'?>" + "<a>" * 50],
)  # fmt: skip
def test_broken_and_hostile_xml_is_an_error(content: str) -> None:
    with pytest.raises(InputError):
        read_news(content.encode())


def test_markup_of_a_feed_becomes_plain_text() -> None:
    assert plain_text("&lt;p&gt;A &amp;amp; B&lt;/p&gt;<br>C") == "A & B C"


def test_csv_columns_mean_what_the_mapping_says(scenario: FinanceSentiment, tmp_path: Path) -> None:
    path = write(
        tmp_path, "news.csv", 'when,who,line\n2026-11-02,"=Acme",Big loss\nnever,Acme,Other\n2026-11-02,x,Big loss\n'
    )
    report = scenario.import_file(path, FeedMapping(text="line", date="when", company="who"))
    assert (report.added, report.duplicates, len(report.rejected)) == (1, 1, 1)
    assert "never" in report.rejected[0].reason
    with pytest.raises(InputError, match="nope"):
        scenario.import_file(path, FeedMapping(text="line", date="nope"))
    with pytest.raises(InputError, match="twice"):
        scenario.import_file(path, FeedMapping(text="line", date="line"))


def test_without_dates_everything_but_time_works(scenario: FinanceSentiment, tmp_path: Path) -> None:
    path = write(
        tmp_path, "news.jsonl", '{"text": "Acme loss", "label": "negative"}\n{"text": "Acme gain"}\n{"nothing": 1}\n'
    )
    report = scenario.import_file(path)
    assert report.added == 2 and len(report.rejected) == 1
    facts = scenario.facts
    assert (facts.dated, facts.first, facts.gold["sentiment"]) == (0, None, 1)
    scenario.update()
    assert scenario.alerts() == [] and scenario.count() == 2
    assert scenario.import_file(path).added == 0, "the same text without a date is the same item"


def test_the_same_text_on_another_day_is_another_item(scenario: FinanceSentiment) -> None:
    rows = [{"text": "Shares unchanged", "date": f"2026-11-0{day}"} for day in (1, 2, 2)]
    report = scenario.add(rows)
    assert (report.added, report.duplicates) == (2, 1)


def test_a_company_is_found_as_a_word_only(scenario: FinanceSentiment) -> None:
    scenario.add([{"text": "Acmeville grows"}, {"text": "acme grows"}, {"text": "buy $ACM now"}])
    assert sorted(row.company for row in scenario.items()) == ["", "Acme", "Acme"]
