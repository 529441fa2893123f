"""Imports of a worker that are cheaper than the usual ones. Knows nothing of training."""

from __future__ import annotations

import sys
from importlib import import_module

from core.methods.skops_files import import_skops

AHEAD = (
    "core.base_models",
    "core.methods.baseline",
    "core.methods.embeddings",
    "core.methods.features",
    "core.methods.hybrid",
    "email.feedparser",  # reads the versions of the libraries
    "pyarrow.compute",
    "scipy.optimize",
    "scipy.sparse",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.svm",
)
"""Modules of our own and of others that a run of a linear method loads."""


class _NoPandas:
    """A finder that finds no pandas and leaves everything else to the others."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("not needed here", name=name)


def import_without_pandas() -> None:
    """Load scikit-learn's foundations and pyarrow as on a machine that has no pandas.

    Both load pandas when they find it, to accept data frames, of which a worker has none: a third of the time that a
    linear model takes to train. Other packages find pandas as ever afterwards.
    """
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _NoPandas)
    try:
        import pyarrow

        pyarrow.array([])  # makes it look for pandas, once
        import sklearn.utils  # noqa: F401
    finally:
        sys.meta_path.remove(_NoPandas)


def import_ahead() -> None:
    """Load what every linear model needs before there is a run for it.

    No torch: it would take 300 MB, and with cached embeddings it is not needed at all.
    """
    import_without_pandas()
    for name in AHEAD:
        import_module(name)
    import_skops()
