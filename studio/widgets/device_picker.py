"""Where the training runs: chosen by itself unless a person says otherwise."""

from __future__ import annotations

import streamlit as st

from studio.i18n import _, size
from studio.services import get_workspace
from studio.text import escape


def device_picker() -> str:
    """Draw the picker with what this machine has; return auto, cpu, cuda:0 or mps."""
    hardware = get_workspace().hardware()
    names = {"auto": _("Chosen automatically"), "cpu": _("Processor")}
    for gpu in hardware.gpus:
        names[gpu.device] = f"{gpu.name} · {size(gpu.memory_bytes)}"
    if hardware.mps:
        names["mps"] = "Apple MPS"
    device = st.selectbox(_("Device"), list(names), format_func=names.__getitem__, key="train_device", width=420)
    st.caption(escape(f"{hardware.cpu} · {hardware.cores} × · {size(hardware.memory_bytes)}"))
    return device
