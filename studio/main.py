"""The script behind every page: page settings, navigation, sidebar, and the one guard around the page."""

from __future__ import annotations

import streamlit as st

from studio.guard import guard
from studio.navigation import navigate
from studio.sidebar import draw_sidebar, settle_language

st.set_page_config(page_title="Whetstone", page_icon=":material/carpenter:", layout="wide")
settle_language()
page = navigate()
with guard():
    draw_sidebar()
    page.run()
