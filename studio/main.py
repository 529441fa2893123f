"""The script behind every page: page settings, navigation, sidebar, and the one guard around the page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from studio.guard import guard
from studio.navigation import follow, navigate
from studio.sidebar import draw_sidebar, settle_language

# Local files: Streamlit would fetch the icon of a ":material/...:" page icon from a server elsewhere.
ASSETS = Path(__file__).parent / "assets"

st.set_page_config(page_title="Whetstone", page_icon=ASSETS / "mark.svg", layout="wide")
st.logo(ASSETS / "wordmark.svg", size="large", icon_image=ASSETS / "mark.svg")
settle_language()
page = navigate()
with guard():
    draw_sidebar()
    follow()  # after the sidebar: a widget that a run leaves out forgets its value
    page.run()
