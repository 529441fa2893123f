"""The Streamlit shell around ``core``: navigation, sidebar, language, errors and the pieces that pages share."""
