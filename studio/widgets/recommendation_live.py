"""The live part: a person, what they liked, and a list that changes with every slider."""

from __future__ import annotations

import streamlit as st

from core.errors import StudioError
from core.scenarios.recommendation.config import FEATURES, Weights
from core.scenarios.recommendation.ranking import Filters, Recommendation
from core.scenarios.recommendation.records import LONGEST_SENTENCE, Sent, Wish
from core.scenarios.recommendation.scenario import Recommendation as Scenario
from studio import session
from studio.address import remember
from studio.current import annotator
from studio.guard import guarded, show_error
from studio.i18n import _, ngettext, number
from studio.navigation import open_page
from studio.text import escape, line, told_apart
from studio.widgets.recommendation_list import cards, item_line

SUGGESTED = 12
"""Items that a new person is asked about."""
MOST_OFFERED = 300
"""Items that can be searched by title in one box."""
SHOWN_HISTORY = 12
BIG_LENGTH = 6
"""Items on the screen of a presentation."""
NEW = ""


@st.fragment
@guarded
def live_panel(scenario: Scenario, big: bool) -> None:
    """Person on the left, list on the right; a slider reruns this part alone."""
    left, right = st.columns([1, 2.8], gap="large")
    with left:
        wish = _person(scenario, big)
    with right:
        wish = _how(scenario, wish, big)
        _sent_line(wish.person)
        _list(scenario, wish, big)


def _person(scenario: Scenario, big: bool) -> Wish:
    """Somebody with a history, or a new person."""
    people = {person.id: person.liked for person in scenario.people()}
    options = [NEW, *people]
    middle = list(people)[len(people) // 3] if people else NEW  # neither the busiest nor somebody without a taste
    remember(session.SHOP_PERSON, middle, options.__contains__)
    words = {
        one: _("A new person")
        if one == NEW
        else ngettext("{name} · {n} liked", "{name} · {n} liked", people[one]).format(
            name=line(one, 40), n=number(people[one])
        )
        for one in options
    }
    chosen = st.selectbox(
        _("Person"), options, format_func=told_apart(options, words.__getitem__), key=session.SHOP_PERSON
    )
    if chosen == NEW:
        return _new_person(scenario)
    history = scenario.history(chosen, SHOWN_HISTORY)
    st.caption(_("Liked, newest first"))
    for entry in history if not big else history[:6]:
        with st.container(gap=None):
            st.markdown(escape(entry.item.title, 90))
            st.caption(item_line(entry.item, scenario.config.currency))
    if not history:
        st.caption(_("Nothing yet: the list shows what is popular."))
    return Wish(person=chosen)


def _new_person(scenario: Scenario) -> Wish:
    """Three clicks or one sentence."""
    number_ = scenario.setup.id
    clicks = _kept(session.SHOP_CLICKS, number_)
    sentence = st.text_input(
        _("What are you looking for?"),
        key=f"shop_sentence_{number_}",
        max_chars=LONGEST_SENTENCE,
        placeholder=_("e.g. a present for somebody who likes quiet evenings"),
    )
    if sentence and not scenario.shop().reads:
        st.caption(_("The texts are still being read: until then only clicks count."))
    found = scenario.recommend(Wish(diversity=0.6, length=SUGGESTED, clicks=(), filters=Filters()))
    offered = {one.item.id: one.item.title for one in found.recommendations}
    offered |= {item.id: item.title for item in scenario.items(limit=MOST_OFFERED)}
    offered |= {one.item.id: one.item.title for one in found.recommendations} | {
        key: scenario.item(key).title for key in clicks
    }
    st.caption(_("Or click what you like; three are enough."))
    picked = st.pills(
        _("Suggestions"),
        [one.item.id for one in found.recommendations],
        selection_mode="multi",
        format_func=told_apart(offered, lambda key: escape(offered[key], 40)),
        key=f"shop_pills_{number_}",
        wrap=True,
        label_visibility="collapsed",
    )
    more = st.multiselect(
        _("Search the catalogue"),
        list(offered),
        format_func=told_apart(offered, lambda key: line(offered[key], 60)),
        key=f"shop_more_{number_}",
        placeholder=_("Type a title"),
    )
    chosen = [key for key in clicks if key in offered]
    return Wish(
        clicks=tuple(dict.fromkeys([*chosen, *picked, *more])),
        sentence=sentence or "",
        hidden=tuple(_kept(session.SHOP_HIDDEN, number_)),
    )


def _kept(name: str, setup: int) -> list[str]:
    """Ids this session keeps for a new person of a setup."""
    kept: dict[int, list[str]] = st.session_state.setdefault(name, {})
    return kept.setdefault(setup, [])


def _how(scenario: Scenario, wish: Wish, big: bool) -> Wish:
    """Sliders; filters where nobody presents."""
    config, key = scenario.config, f"shop_{scenario.setup.id}_{scenario.setup.revision}"
    values: dict[str, float] = {}
    with st.grid(4, min_column_width=150, gap="small"):
        for name in FEATURES:
            about = Weights.model_fields[name]
            values[name] = st.slider(
                _(about.title or name),
                0.0,
                2.0,
                float(getattr(config.weights, name)),
                0.05,
                help=_(about.description or ""),
                key=f"{key}_{name}",
            )
        diversity = st.slider(
            _("Variety"),
            0.0,
            1.0,
            config.diversity,
            0.05,
            help=_(type(config).model_fields["diversity"].description or ""),
            key=f"{key}_diversity",
        )
        filters = Filters() if big else _filters(scenario, key)
    return wish.model_copy(
        update={
            "weights": Weights(**values),
            "diversity": diversity,
            "filters": filters,
            "length": BIG_LENGTH if big else None,
        }
    )


def _filters(scenario: Scenario, key: str) -> Filters:
    """Which items may be in the list."""
    catalog = scenario.shop().catalog
    with st.popover(_("Filter"), icon=":material/filter_alt:"):
        categories = st.multiselect(
            _("Only these categories"),
            catalog.categories,
            format_func=told_apart(catalog.categories, lambda name: line(name, 60)),
            key=f"{key}_only",
        )
        low = st.number_input(_("Price from"), min_value=0.0, value=None, key=f"{key}_low")
        high = st.number_input(_("Price to"), min_value=0.0, value=None, key=f"{key}_high")
        if rules := scenario.config.rules:
            st.caption(ngettext("{n} house rule applies.", "{n} house rules apply.", len(rules)).format(n=len(rules)))
    return Filters(categories=tuple(categories), price_from=low, price_to=high)


def _list(scenario: Scenario, wish: Wish, big: bool) -> None:
    made = scenario.recommend(wish)
    facts = [
        ngettext("{n} item in {ms} ms", "{n} items in {ms} ms", len(made.recommendations)).format(
            n=number(len(made.recommendations)), ms=number(made.milliseconds)
        )
    ]
    if not made.reads_texts:
        facts.append(_("from behaviour alone, the texts are not read yet"))
    elif made.model is not None:
        facts.append(_("texts read by your tuned model"))
    if not big:
        st.caption(" · ".join(facts))
    if not made.recommendations:
        st.info(_("No item is left. Loosen the filter or the house rules."), icon=":material/filter_alt_off:")
        return

    def feedback(one: Recommendation, good: bool) -> None:
        _send(scenario, wish, one, good)

    cards(made.recommendations, scenario.config.currency, big, None if big else feedback, f"shop_{scenario.setup.id}")


def _send(scenario: Scenario, wish: Wish, one: Recommendation, good: bool) -> None:
    """Keep one opinion; a new person's list changes by it at once, too."""
    if wish.person is None:
        _kept(session.SHOP_CLICKS if good else session.SHOP_HIDDEN, scenario.setup.id).append(one.item.id)
    try:
        sent = scenario.feedback(one.item.id, good, wish, user=annotator())
    except StudioError as error:
        st.session_state[session.SHOP_SENT] = error
        return
    st.session_state[session.SHOP_SENT] = (wish.person, one.item.title, good, sent)


def _sent_line(person: str | None) -> None:
    """Where the last feedback of this person went."""
    last = st.session_state.get(session.SHOP_SENT)
    if isinstance(last, StudioError):
        show_error(last)
    if last is None or isinstance(last, StudioError) or last[0] != person:
        st.session_state.pop(session.SHOP_SENT, None)
        return
    _person_id, title, good, sent = last
    words = _("{title}: more like it.") if good else _("{title}: not shown any more.")
    with st.container(horizontal=True, vertical_alignment="center", key="shop_sent"):
        st.success(words.format(title=escape(title, 80)) + " " + _where(sent), icon=":material/check:")
        if sent.project_id is not None and st.button(_("Open it in Annotate"), key=f"shop_annotate_{sent.item_id}"):
            open_page("annotate", **{session.PROJECT: str(sent.project_id)})


def _where(sent: Sent) -> str:
    if sent.project_id is not None:
        return _("It waits first in the labeling queue.")
    return _("Kept as an event.") if sent.stored else _("Kept for this visit.")
