"""Imports of a worker that are cheaper than the usual ones. Knows nothing of training."""

from __future__ import annotations

import sys


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
