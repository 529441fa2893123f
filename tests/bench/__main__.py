"""``make bench``: measure and print one table. ``python -m tests.bench labeling pages`` measures some parts only.

Real data sets and the reference loop are not part of the project: WHETSTONE_BENCH_DATA and WHETSTONE_BENCH_REFERENCE
name them; without them those rows are left out with a message.
"""

from __future__ import annotations

import importlib
import platform
import sys
import time

PARTS = (
    "importing",
    "labeling",
    "pages",
    "faults",
    "methods",
    "estimates",
    "training",
    "loop",
    "scenarios.retrieval",
    "scenarios.customer_service",
    "scenarios.finance_sentiment",
    "scenarios.recommendation",
)
SLOW = ("sooner", "scores")
"""Half an hour and more each: measured only when they are named."""


def main(wanted: list[str]) -> int:
    """Print the table part by part, so that what is done is seen early; 1 when a goal is missed."""
    unknown = set(wanted) - {*PARTS, *SLOW}
    if unknown:
        print(f"There is no part '{sorted(unknown)[0]}'; parts: {', '.join([*PARTS, *SLOW])}.")
        return 2
    print(f"Python {platform.python_version()} on {platform.machine()}, {time.strftime('%Y-%m-%d')}\n")
    print("| what | reach | got | reached | note |\n| --- | --- | --- | --- | --- |")
    missed = 0
    for part in wanted or PARTS:
        for figure in importlib.import_module(f"tests.bench.{part}").measure():
            print(figure.row(), flush=True)
            missed += figure.reached is False
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
