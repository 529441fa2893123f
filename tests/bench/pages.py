"""Script run of each page on a project of 100,000 items, server side (AppTest), with a trained model to show."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from core.settings import Settings
from core.workspace import Workspace
from tests.bench.figures import Figure
from tests.bench.texts import write_csv

ROOT = Path(__file__).parents[2]
PAGES = ("home", "data", "annotate", "train", "evaluate", "models", "settings")
RUNS = 9
ITEMS = 100_000


def measure() -> list[Figure]:
    """Median of the reruns of each page after a first run that fills caches."""
    from streamlit.testing.v1 import AppTest

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        _prepare(home, Path(folder))
        os.environ["WHETSTONE_HOME"] = str(home)
        app = AppTest.from_file(str(ROOT / "studio" / "main.py"), default_timeout=120).run()
        figures = []
        for page in PAGES:
            app.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
            times = []
            for _ in range(RUNS):
                start = time.perf_counter()
                app.run()
                times.append((time.perf_counter() - start) * 1000)
            if app.exception:
                raise RuntimeError(f"{page}: {app.exception[0].value}")
            figures.append(
                Figure(f"page {page}, {ITEMS:,} items", "<= 300 ms", statistics.median(times), "ms", high=300)
            )
        from studio.services import close_workspace

        close_workspace()
    return figures


def _prepare(home: Path, folder: Path) -> None:
    """A project with 100,000 items, 2,000 of them labelled, frozen and trained."""
    with Workspace.open(home, Settings(offline=True)) as workspace:
        project = workspace.create_project("Large")
        path = folder / "large.csv"
        write_csv(path, ITEMS, labelled=2_000)
        project.import_file(path, label="label")
        project.train(project.freeze(), method="baseline").wait(600)
