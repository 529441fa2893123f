"""Whetstone's engine: everything the studio does, without a screen. Knows nothing of Streamlit or HTTP."""
