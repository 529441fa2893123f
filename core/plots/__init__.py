"""Records -> Plotly figures: titles that say the finding, few grid lines, labels beside what they name.

Every function takes the record, a palette and a translation. Labels and names come from people: Plotly would read
``<b>`` and ``$x$`` in them, so all of them pass through ``plain``. In Streamlit draw with ``theme=None``, or the
colours here are replaced.
"""

from core.plots.contents import class_balance, length_histogram, progress_per_label
from core.plots.curves import training_curves
from core.plots.look import DARK, LIGHT, Palette, bars, finish, finish_bars, plain
from core.plots.look import bars as _bars
from core.plots.look import finish as _finish
from core.plots.look import finish_bars as _finish_bars
from core.plots.scores import confusion_matrix, per_class_f1, reliability_diagram, score_comparison

__all__ = [
    "DARK",
    "LIGHT",
    "Palette",
    "_bars",
    "_finish",
    "_finish_bars",
    "bars",
    "class_balance",
    "confusion_matrix",
    "finish",
    "finish_bars",
    "length_histogram",
    "per_class_f1",
    "plain",
    "progress_per_label",
    "reliability_diagram",
    "score_comparison",
    "training_curves",
]
