"""One measured figure beside what it should reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A row of the table that ``make bench`` prints."""

    what: str
    reach: str
    """The goal in words; empty for a figure that is only reported."""
    got: float
    unit: str = ""
    low: float | None = None
    """Lowest value that reaches the goal."""
    high: float | None = None
    """Highest value that reaches the goal."""
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None when there is none."""
        if self.low is None and self.high is None:
            return None
        return (self.low is None or self.got >= self.low) and (self.high is None or self.got <= self.high)

    def row(self) -> str:
        """The figure as a Markdown table row."""
        mark = {True: "yes", False: "**no**", None: ""}[self.reached]
        got = f"{self.got:,.0f}" if abs(self.got) >= 1000 else f"{self.got:,.3g}"
        return f"| {self.what} | {self.reach} | {got} {self.unit} | {mark} | {self.note} |"
