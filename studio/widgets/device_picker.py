"""Where the training runs: chosen by itself unless a person says otherwise."""

from __future__ import annotations

import streamlit as st

from studio.i18n import _, size
from studio.services import get_workspace
from studio.text import escape

KEY = "train_device"


def device_picker() -> str:
    """Draw the picker with what this machine has; return auto, cpu, cuda:0 or mps."""
    hardware, names = get_workspace().hardware(), _names()
    device = st.selectbox(_("Device"), list(names), format_func=names.__getitem__, key=KEY, width=420)
    st.caption(escape(f"{hardware.cpu} · {hardware.cores} × · {size(hardware.memory_bytes)}"))
    return device


def choose_device(device: str) -> None:
    """Let the picker say this device, or 'chosen automatically' where it is gone; to be called before it is drawn."""
    st.session_state[KEY] = device if device in _names() else "auto"


def _names() -> dict[str, str]:
    """What this machine has, by device name."""
    hardware = get_workspace().hardware()
    names = {"auto": _("Chosen automatically"), "cpu": _("Processor")}
    names |= {gpu.device: f"{gpu.name} · {size(gpu.memory_bytes)}" for gpu in hardware.gpus}
    return names | ({"mps": "Apple MPS"} if hardware.mps else {})
