"""Scoring, drivers, attribution, hooks, report and replay on a small feed with a trained model."""

from __future__ import annotations

import time
from datetime import date, datetime

import numpy as np
import pytest

from core import net
from core.errors import InputError, NotFoundError, OfflineError, RefusedError
from core.records import Progressing
from core.scenarios.finance_sentiment import hooks, live
from core.scenarios.finance_sentiment.alerts import Alert
from core.scenarios.finance_sentiment.attribution import MOST_PIECES, attribute
from core.scenarios.finance_sentiment.config import FinanceConfig, fill
from core.scenarios.finance_sentiment.drivers import driving_words, words_of
from core.scenarios.finance_sentiment.report import to_html
from core.scenarios.finance_sentiment.scenario import NAME, FinanceSentiment
from core.scenarios.finance_sentiment.series import breakdown, heat_map, trend
from core.scenarios.setups import checked, create_setup, get_setup
from core.settings import Settings
from core.storage.finance_sentiment import FeedFilter
from core.workspace import Workspace

HOSTILE = "<script>alert(1)</script> Acme recall :red[x]"
ALERT = Alert(
    company="Acme", fired_on=date(2026, 1, 2), since=date(2026, 1, 1), until=date(2026, 1, 3), kinds=["negative"],
    negative=9, items=10, usual_share=0.2, usual_items=1.0, p_value=1e-6, threshold=1e-4, topic="legal",
)  # fmt: skip


def add(scenario: FinanceSentiment, *texts: str, **cells: str) -> None:
    scenario.add([{"text": text, "date": "2026-11-02", **cells} for text in texts])


# ---------------------------------------------------------------- scoring


def test_scoring_does_only_what_is_missing(scenario: FinanceSentiment) -> None:
    add(scenario, "Acme recall", "Acme record", company="Acme")
    assert scenario.waiting() == {"sentiment": 2}
    (made,) = scenario.update()
    assert made.items == 2 and made.model == scenario.model("sentiment").id
    assert scenario.update()[0].items == 0
    add(scenario, "Acme fraud")
    assert scenario.waiting() == {"sentiment": 1} and scenario.update()[0].items == 1
    assert {row.text: row.sentiment for row in scenario.items()} == {
        "Acme recall": "negative", "Acme record": "positive", "Acme fraud": "negative",
    }  # fmt: skip


def test_a_stop_keeps_what_is_done(scenario: FinanceSentiment, monkeypatch: pytest.MonkeyPatch) -> None:
    add(scenario, *[f"Acme recall {n}" for n in range(6)])
    monkeypatch.setattr("core.scenarios.finance_sentiment.scoring.CHUNK", 2)

    class Stop(Exception):
        pass

    def report(progress: Progressing) -> None:
        if progress.done >= 4:
            raise Stop

    with pytest.raises(Stop):
        scenario.update(report)
    assert scenario.waiting() == {"sentiment": 2}


def test_roles_that_nobody_can_play_are_named(trained: Workspace) -> None:
    config = FinanceConfig(roles={"sentiment": 999, "risk": "gone"})
    broken = FinanceSentiment(trained, create_setup(trained, NAME, "Broken", config))
    assert set(broken.problems) == {"sentiment", "risk"} and broken.models == {}
    add(broken, "Acme recall")
    assert broken.update() == [] and broken.count() == 1 and broken.drivers(FeedFilter()) == []
    with pytest.raises(RefusedError):
        broken.explain(broken.items()[0].id)
    with pytest.raises(RefusedError):
        broken.quality("sentiment")


def test_labels_that_nobody_named_are_no_bad_news(scenario: FinanceSentiment) -> None:
    config = FinanceConfig(negative_labels=["Bearish"])
    assert config.is_negative("bearish") and not config.is_negative("negative") and not config.is_negative(None)


def test_what_is_deleted_is_gone(scenario: FinanceSentiment) -> None:
    add(scenario, "Acme recall")
    scenario.update()
    scenario.delete_data()
    assert scenario.facts.items == 0 and scenario.alerts() == []


# ---------------------------------------------------------------- charts, words, attribution


def test_filters_and_counts_agree(scenario: FinanceSentiment) -> None:
    add(scenario, "Acme recall", "Acme record", company="Acme", topic="products")
    add(scenario, "Bolt fraud", company="Bolt Ltd", topic="legal")
    scenario.update()
    counts = scenario.counts(FeedFilter(company="Acme"))
    assert sum(row[5] for row in counts) == scenario.count(FeedFilter(company="Acme")) == 2
    assert scenario.count(FeedFilter(topic="legal", sentiments=("negative",))) == 1
    assert scenario.count(FeedFilter(text="BOLT")) == 1 and scenario.count(FeedFilter(text="%")) == 0
    assert scenario.count(FeedFilter(company="'; DROP TABLE feed_items; --")) == 0
    everything = scenario.counts()
    assert trend(everything, scenario.config.is_negative).negative == [2]
    found = heat_map(everything, scenario.config.is_negative, "company")
    assert found.rows == ["Acme", "Bolt Ltd"] and found.share == [[0.5], [1.0]]
    assert breakdown(everything, "topic").names == ["products", "legal"]


def test_words_that_set_texts_apart() -> None:
    words = driving_words(
        ["pump recall today", "recall of pouches", "recall again"], ["dividend today", "a new office"]
    )
    assert words[0].word == "recall" and words[0].items == 3 and words[0].others == 0
    assert driving_words([], ["x"]) == [] and driving_words(["", ""], []) == []
    assert words_of("股价下跌") == ["股价", "价下", "下跌"]


def test_the_word_that_decides_is_found(scenario: FinanceSentiment) -> None:
    add(scenario, HOSTILE)
    row = scenario.items()[0]
    found = scenario.explain(row.id)
    assert found.label == "negative" and "".join(piece.text for piece in found.pieces) == HOSTILE
    assert max(found.pieces, key=lambda piece: piece.weight).text == "recall"
    with pytest.raises(NotFoundError):
        scenario.explain(10**9)


@pytest.mark.parametrize("text", ["word " * 20_000, "字" * 500, "a-b it's 3.5% up 😀"])
def test_long_and_odd_texts_are_cut_into_few_pieces_without_loss(text: str) -> None:
    found = attribute(text, lambda texts: np.full((len(texts), 2), 0.5), ["a", "b"])
    assert "".join(piece.text for piece in found.pieces) == text
    assert sum(bool(piece.text.strip()) for piece in found.pieces) <= MOST_PIECES


def test_a_text_without_words_has_no_attribution() -> None:
    with pytest.raises(InputError):
        attribute("   ", lambda texts: np.ones((len(texts), 1)), ["a"])


# ---------------------------------------------------------------- proof and the way back


def test_quality_leaves_out_what_the_model_may_have_learned(scenario: FinanceSentiment) -> None:
    scenario.add([
        {"text": "Acme recall in week 0", "sentiment": "positive"},
        {"text": "Quite another recall", "sentiment": "NEGATIVE"},
        {"text": "Another record", "sentiment": "positive"},
    ])  # fmt: skip
    found = scenario.quality("sentiment")
    assert found.rows == 2 and found.accuracy == 1.0
    with pytest.raises(RefusedError, match="Topic"):
        scenario.quality("topic")
    assert scenario.latency().texts == 3


def test_feedback_is_first_in_the_queue(scenario: FinanceSentiment) -> None:
    add(scenario, "Acme recall ended, all well")
    project, item = scenario.send_back(scenario.items()[0].id, "sentiment", "should be positive", user="ann")
    assert project.item(item).source == f"feedback: {NAME}"
    found = project.next_item("ann")
    assert found is not None and found.id == item


# ---------------------------------------------------------------- hooks


def hooked(**values: str) -> FinanceConfig:
    return FinanceConfig(hooks_on=True, **values)  # type: ignore[arg-type]


def test_hooks_are_off_by_default() -> None:
    assert hooks.tell(ALERT, FinanceConfig(webhook_url="https://example.com", mail_to="a@b.example"), Settings()) == []


def test_a_hook_is_tried_twice_and_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def fail(url: str, value: object, **_: object) -> None:
        calls.append(url)
        raise OfflineError("no answer")

    monkeypatch.setattr(hooks, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(net, "post_json", fail)
    ((arrived, what),) = hooks.tell(ALERT, hooked(webhook_url="https://hooks.example/secret"), Settings())
    assert not arrived and "no answer" in what and "secret" not in what and len(calls) == 2


def test_private_webhooks_and_mail_servers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "PAUSE_SECONDS", 0)
    config = hooked(
        webhook_url="http://127.0.0.1:9/x", mail_to="a@b.example", mail_from="c@d.example", smtp_host="127.0.0.1"
    )
    told = hooks.tell(ALERT, config, Settings(allow_private_addresses=False))
    assert [arrived for arrived, _ in told] == [False, False]
    assert all("private network" in what for _, what in told)


def test_addresses_cannot_add_mail_headers() -> None:
    config = hooked(mail_to="a@b.example\nBcc: everyone@x.example", mail_from="c@d.example", smtp_host="mail.example")
    with pytest.raises(InputError):
        hooks.send_mail(ALERT, config, Settings())


def test_a_new_alert_is_told_and_noted(scenario: FinanceSentiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "tell", lambda *_: [(True, "webhook x")])
    scenario.config.hooks_on = True
    add(scenario, *[f"Acme recall {n}" for n in range(3)], company="Acme")
    monkeypatch.setattr("core.scenarios.finance_sentiment.alerts.find_alerts", lambda *_: [
        ALERT.model_copy(update={"since": date(2026, 11, 2), "until": date(2026, 11, 2), "fired_on": date(2026, 11, 2)})
    ])  # fmt: skip
    scenario.update()
    for _ in range(100):
        (alert,) = scenario.alerts()
        if alert.notes:
            break
        time.sleep(0.02)
    assert [(note.kind, note.note) for note in alert.notes] == [("sent", "webhook x")]


# ---------------------------------------------------------------- templates, report, live


def test_templates_name_only_what_is_known() -> None:
    with pytest.raises(InputError, match="nonsense"):
        checked(FinanceConfig, {"alert_template": "{company} {nonsense}"})
    assert fill("{company} {x} {0}", {"company": "{topic}", "topic": "y"}) == "{topic} {x} {0}"
    assert (
        ALERT.sentence(FinanceConfig(alert_template="{company}: {negative}/{items}, {usual}, {topic}"))
        == "Acme: 9/10, 20%, legal"
    )


def test_the_weekly_report_escapes_everything(scenario: FinanceSentiment) -> None:
    add(scenario, HOSTILE, company="<img src=x onerror=alert(1)>", topic="<i>t</i>")
    scenario.update()
    scenario.config.report_title = "<h1>Title</h1>"
    page = to_html(scenario.week_report(date(2026, 11, 4)))
    assert "<script" not in page and "<img" not in page and "<i>t" not in page and "&lt;h1&gt;Title" in page
    assert "default-src 'none'" in page and "http://" not in page
    assert "Nothing was published" in to_html(scenario.week_report(date(2020, 1, 1)))


def test_replay_moves_by_whole_days_and_ends() -> None:
    replay = live.Replay(date(2026, 11, 1), date(2026, 11, 10), 2.0, started=100.0)
    assert replay.moment(100.4) == live.end_of(date(2026, 11, 1))
    assert replay.moment(101.0).date() == date(2026, 11, 3) and not replay.over(101.0)
    assert replay.over(1e9) and replay.moment(0.0).date() == date(2026, 11, 1)


def test_a_feed_is_played_day_by_day(scenario: FinanceSentiment) -> None:
    with pytest.raises(RefusedError):
        next(live.play(scenario, 100))
    add(scenario, "Acme recall")
    scenario.add([{"text": "Acme record", "date": "2026-11-04"}])
    days = list(live.play(scenario, 1000))
    assert [(day["day"], len(day["items"])) for day in days] == [
        ("2026-11-02", 1),
        ("2026-11-03", 0),
        ("2026-11-04", 1),
    ]
    with pytest.raises(InputError):
        next(live.play(scenario, 0))


@pytest.mark.parametrize(
    ("url", "error"), [("", RefusedError), ("file:///etc/passwd", InputError), ("http://127.0.0.1:9/rss", RefusedError)]
)
def test_polling_refuses_what_is_no_public_feed(scenario: FinanceSentiment, url: str, error: type[Exception]) -> None:
    scenario.config.feed_url = url
    with pytest.raises(error):
        live.poll(scenario)


def test_polling_adds_and_scores(scenario: FinanceSentiment, monkeypatch: pytest.MonkeyPatch) -> None:
    rss = b"<rss><channel><item><title>Acme recall</title><pubDate>2026-11-02</pubDate></item></channel></rss>"
    monkeypatch.setattr(net, "fetch", lambda url, **_: net.Answer(200, url, rss))
    scenario.config.feed_url = "https://news.example/rss"
    assert live.poll(scenario).added == 1 and live.poll(scenario).duplicates == 1
    assert scenario.items()[0].sentiment == "negative"


def test_the_sample_is_there_without_models(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("sample")
    with Workspace.open(home, Settings(home=home, offline=True)) as workspace:
        sample = FinanceSentiment.install_sample(workspace)
        facts = sample.facts
        assert (facts.items, facts.dated) == (570, 570) and facts.gold == {"sentiment": 570, "topic": 570, "risk": 570}
        assert set(sample.problems) == {"sentiment"} and sample.update() == []
        assert {alert.company for alert in sample.alerts()} >= {"Quillon Bank"}, "volume alone is seen at once"
        assert get_setup(workspace, sample.setup.id).name == "Sample"
        assert sample.counts(FeedFilter(until=datetime(2026, 8, 24, 23)))
