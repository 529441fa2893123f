"""The chat: a conversation, what to do with each answer, and the field for the next message."""

from __future__ import annotations

import time

import streamlit as st

from core.scenarios.customer_service.agent import Trace
from core.scenarios.customer_service.conversations import LONGEST_MESSAGE, LONGEST_RESOLUTION, Conversation, Message
from core.scenarios.customer_service.scenario import CustomerService
from core.scenarios.setups import get_setup
from studio import session
from studio.address import remember
from studio.current import annotator
from studio.guard import guard, guarded
from studio.i18n import _
from studio.navigation import page_path
from studio.services import get_workspace
from studio.text import escape, line
from studio.widgets.customer_service_why import handover_panel, why_panel
from studio.widgets.customer_service_words import message_text, source_line

NEW = "new"
HEIGHT = 400
"""Pixels of the conversation; longer ones scroll."""
SAME_SECONDS = 3.0
"""The same message so soon after its answer is the same message."""
FEEDBACK_ON = 6
"""Answers, the newest ones, that can be judged."""


@st.fragment
@guarded
def chat(setup_id: int, big: bool) -> None:
    """A conversation beside the reasons of its answers; reruns alone, so that an answer is there at once."""
    scenario = CustomerService(get_workspace(), get_setup(get_workspace(), setup_id))
    left, right = st.columns([3, 2], gap="large")
    with left:
        conversation = pick(scenario, big)
        frame = st.container(height=HEIGHT, border=True, key="service_talk_frame", autoscroll=True)
        with frame:
            history(scenario, conversation, big)
        key = f"service_input_{setup_id}"
        st.chat_input(_("Write as a customer"), max_chars=LONGEST_MESSAGE, key=key, on_submit=ask, args=(setup_id, key))
        if (asked := waiting(conversation)) is not None and conversation is not None:
            with frame:
                conversation = say(scenario, conversation, asked, big)
    with right:
        beside(scenario, conversation)


def pick(scenario: CustomerService, big: bool) -> Conversation | None:
    """The conversation on screen; None before the first message of a new one."""
    titles = scenario.conversations.titles()
    chosen = remember(session.SERVICE_TALK, NEW, lambda value: value == NEW or _number(value) in titles)
    if not big:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            options = [NEW, *map(str, titles)]
            # A key of its own for each conversation and title: a browser that does not know yet what a first message
            # has changed names an option that is gone, and must not be heard.
            key = f"service_pick_{chosen if chosen == NEW else _named(titles, chosen)}"
            st.selectbox(
                _("Conversation"),
                options,
                index=options.index(chosen),
                # The number keeps two that begin alike apart: Streamlit tells options by what they read.
                format_func=lambda value: _("New conversation") if value == NEW else _named(titles, value),
                key=key,
                on_change=go_to,
                args=(key,),
                label_visibility="collapsed",
                width=260,
            )
            st.button(
                _("New conversation"),
                icon=":material/add_comment:",
                on_click=start_new,
                disabled=chosen == NEW,
                key="service_new",
            )
    elif chosen != NEW:
        st.button(_("New conversation"), icon=":material/add_comment:", on_click=start_new, key="service_new")
    return None if chosen == NEW else scenario.conversations.get(int(chosen))


def _named(titles: dict[int, str], value: str) -> str:
    return f"{value} · {line(titles[int(value)], 50)}"


def _number(value: str) -> int:
    return int(value) if value.isdecimal() and len(value) < 18 else -1


def go_to(key: str) -> None:
    """Before the script runs: show the picked conversation."""
    picked = str(st.session_state[key])
    if picked == NEW or _number(picked) > 0:
        st.session_state[session.SERVICE_TALK] = picked


def start_new() -> None:
    """Before the script runs: leave the conversation, unless a message came in the same moment and waits in it."""
    talk = st.session_state.get(session.SERVICE_TALK, NEW)
    if st.session_state.get(session.SERVICE_ASKED, (None,))[0] != talk:
        st.session_state[session.SERVICE_TALK] = NEW


def ask(setup_id: int, key: str) -> None:
    """Before the script runs: note the message. A first one, or one after a resolved conversation, opens a new one.

    Streamlit may hand in the same message twice when a script run was cut off; the second one comes at once.
    """
    text = str(st.session_state.get(key) or "")
    talk = st.session_state.get(session.SERVICE_TALK, NEW)
    told = st.session_state.get(session.SERVICE_TOLD)
    if not text.strip() or (told and told[:2] == (talk, text) and time.monotonic() - told[2] < SAME_SECONDS):
        return
    with guard():
        scenario = CustomerService(get_workspace(), get_setup(get_workspace(), setup_id))
        if talk == NEW or scenario.conversations.get(int(talk)).state == "resolved":
            talk = str(scenario.conversations.start("chat", annotator()).id)
            st.session_state[session.SERVICE_TALK] = talk
        before = len(scenario.conversations.get(int(talk)).messages)
        st.session_state[session.SERVICE_ASKED] = (talk, before, text)


def waiting(conversation: Conversation | None) -> str | None:
    """The message of this conversation that is not answered yet, stored or not."""
    talk, before, text = st.session_state.get(session.SERVICE_ASKED, (None, 0, ""))
    if conversation is None or talk != str(conversation.id):
        return None
    if len(conversation.messages) > before + 1:  # a run that was cut off had answered it
        del st.session_state[session.SERVICE_ASKED]
        return None
    return str(text)


def say(scenario: CustomerService, conversation: Conversation, text: str, big: bool) -> Conversation:
    """Show the message, stream the answer, and draw what belongs to it; returns the conversation as it is then.

    Nothing is drawn twice: the next script run finds the same elements in the same places.
    """
    st.session_state.pop(session.SERVICE_WHY, None)
    if not _unanswered(conversation):  # else the history shows it already
        with st.chat_message("user", avatar=":material/person:"):
            st.markdown(message_text(text, big))
    if conversation.state == "handed_over":
        for _piece in scenario.send(conversation.id, text):
            pass
        return answered(scenario, conversation, text)
    with st.chat_message("assistant", avatar=":material/support_agent:"):
        box, said, answer = st.empty(), "", None
        if not scenario.is_ready():
            box.caption(_("Reading the knowledge base"))
        for piece in scenario.send(conversation.id, text):
            if isinstance(piece, str):
                said += piece
                box.markdown(message_text(said, big))
            else:
                answer = piece
        conversation = answered(scenario, conversation, text)
        if answer is not None:
            below(scenario, conversation, answer, not big)
    standing(conversation)
    return conversation


def answered(scenario: CustomerService, conversation: Conversation, text: str) -> Conversation:
    """Nothing waits any more; returns the conversation as it is now."""
    st.session_state.pop(session.SERVICE_ASKED, None)
    st.session_state[session.SERVICE_TOLD] = (str(conversation.id), text, time.monotonic())
    return scenario.conversations.get(conversation.id)


def _unanswered(conversation: Conversation) -> bool:
    return bool(conversation.messages) and conversation.messages[-1].role == "customer"


# ---------------------------------------------------------------- what was said


def history(scenario: CustomerService, conversation: Conversation | None, big: bool) -> None:
    """Every message, the newest answers with their buttons."""
    if conversation is None or not conversation.messages:
        st.caption(_("Ask what a customer would ask. Everything the assistant sees is shown beside its answer."))
        return
    answers = [message.id for message in conversation.messages if message.role == "agent"][-FEEDBACK_ON:]
    for message in conversation.messages:
        if message.role == "customer":
            with st.chat_message("user", avatar=":material/person:"):
                st.markdown(message_text(message.text, big))
            continue
        avatar = ":material/support_agent:" if message.role == "agent" else ":material/badge:"
        with st.chat_message("assistant", avatar=avatar):
            st.markdown(message_text(message.text, big))
            below(scenario, conversation, message, message.id in answers and not big)
    standing(conversation)


def below(scenario: CustomerService, conversation: Conversation, message: Message, judged: bool) -> None:
    """Where an answer came from, and what can be said about it."""
    if message.trace is None:
        st.caption(_("A colleague"))
        return
    trace = Trace.model_validate(message.trace)
    st.caption(source_line(trace))
    if judged:
        buttons(scenario, conversation, message, trace)


def standing(conversation: Conversation) -> None:
    """Who has the conversation, when it is not the assistant."""
    if conversation.state == "handed_over":
        st.info(_("A person has this conversation now. The assistant says nothing more in it."))
    elif conversation.state == "resolved":
        st.success(_("Resolved. Later questions can find how."), icon=":material/check:")


def buttons(scenario: CustomerService, conversation: Conversation, message: Message, trace: Trace) -> None:
    """Why, and what was wrong with it; feedback goes where it is labelled."""
    sent = st.session_state.setdefault(session.SERVICE_SENT, {}).get(message.id)
    if sent is not None:
        _sent(sent)
        return
    where = (scenario.setup.id, conversation.id, message.id)
    with st.container(horizontal=True, gap="small"):
        st.button(
            _("Why?"),
            key=f"why_{message.id}",
            type="tertiary",
            icon=":material/help:",
            on_click=explain,
            args=where[1:],
        )
        st.button(
            _("Wrong intent"),
            key=f"wrong_intent_{message.id}",
            type="tertiary",
            icon=":material/thumb_down:",
            help=_("The customer's message goes into the labeling queue, first in line."),
            on_click=send_back,
            args=(*where, f"the intent is not {trace.intent}"),
        )
        st.button(
            _("Wrong answer"),
            key=f"wrong_answer_{message.id}",
            type="tertiary",
            icon=":material/thumb_down:",
            help=_("The customer's message goes into the labeling queue, first in line."),
            on_click=send_back,
            args=(*where, f"the answer was wrong: {trace.template or ', '.join(trace.used) or trace.decision}"),
        )
        if trace.decision in ("passage", "generated") and any(key.startswith("entry:") for key in trace.used):
            st.button(
                _("Good answer"),
                key=f"good_{message.id}",
                type="tertiary",
                icon=":material/thumb_up:",
                help=_("The entry that answered learns the customer's words as one more way to ask."),
                on_click=learn,
                args=where,
            )


def _sent(sent: tuple[str, str, int]) -> None:
    """Where feedback went."""
    kind, name, number = sent
    if kind == "learned":
        st.caption(_("The entry {title} knows these words now.").format(title=escape(name, 60)))
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(_("First in the labeling queue, as item {number}.").format(number=number))
        st.page_link(
            page_path("annotate"),
            label=_("Label it"),
            icon=":material/edit_note:",
            query_params={"project": name},
        )


def explain(conversation_id: int, message_id: int) -> None:
    """Before the script runs: show the reasons of this answer."""
    st.session_state[session.SERVICE_WHY] = (conversation_id, message_id)


def send_back(setup_id: int, conversation_id: int, message_id: int, note: str) -> None:
    """Before the script runs: put the message into the labeling queue."""
    with guard():
        scenario = CustomerService(get_workspace(), get_setup(get_workspace(), setup_id))
        project, item = scenario.feedback(message_id, conversation_id, note, annotator())
        st.session_state[session.SERVICE_SENT][message_id] = ("item", str(project.id), item)


def learn(setup_id: int, conversation_id: int, message_id: int) -> None:
    """Before the script runs: teach the entry the customer's words."""
    with guard():
        scenario = CustomerService(get_workspace(), get_setup(get_workspace(), setup_id))
        entry = scenario.learn_wording(message_id, conversation_id, annotator())
        st.session_state[session.SERVICE_SENT][message_id] = ("learned", entry.title, entry.id)


# ---------------------------------------------------------------- beside it


def beside(scenario: CustomerService, conversation: Conversation | None) -> None:
    """Why the chosen answer was given; what a person who takes over needs."""
    if conversation is None:
        st.caption(_("Why an answer was given stands here."))
        return
    if conversation.state == "handed_over":
        handover_panel(scenario.handover(conversation.id))
        take_over(scenario, conversation)
    answers = [message for message in conversation.messages if message.trace is not None]
    if not answers:
        return
    talk, number = st.session_state.get(session.SERVICE_WHY, (None, None))
    chosen = next((m for m in answers if (talk, m.id) == (conversation.id, number)), answers[-1])
    why_panel(Trace.model_validate(chosen.trace), chosen.text)


def take_over(scenario: CustomerService, conversation: Conversation) -> None:
    """The person's side: answer, close it with what solved it, or give it back."""
    with st.form(f"person_{conversation.id}", clear_on_submit=True):
        text = st.text_area(_("Answer as a colleague"), max_chars=LONGEST_MESSAGE, height=80)
        solved = st.text_input(
            _("What solved it, if it is solved"),
            max_chars=LONGEST_RESOLUTION,
            help=_("One sentence without names. Later questions find it at once."),
        )
        with st.container(horizontal=True):
            done = st.form_submit_button(_("Send"), type="primary")
            back = st.form_submit_button(_("Back to the assistant"))
    with guard():
        if done and (text.strip() or solved.strip()):
            if text.strip():
                scenario.conversations.say(conversation, "person", text)
            if solved.strip():
                scenario.conversations.resolve(conversation, solved, annotator())
            st.rerun()
        if back:
            scenario.conversations.hand_back(conversation, annotator())
            st.rerun()
