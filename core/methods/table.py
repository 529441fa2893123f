"""Which method can do which task, as a table for docs/methods.md: ``python -m core.methods.table``."""

from __future__ import annotations

from core.methods import all_methods, excuse
from core.tasks import all_tasks

BEGIN, END = "<!-- made by: python -m core.methods.table -->", "<!-- end -->"


def table() -> str:
    """Markdown: a row a method, a column a task, and below it the reasons that methods give for what they cannot."""
    tasks, methods = [task.name for task in all_tasks()], all_methods()
    lines = [f"| method | {' | '.join(tasks)} |", f"|---|{'---|' * len(tasks)}"]
    reasons: dict[tuple[str, str], list[str]] = {}
    for method in methods:
        cells = []
        for task in tasks:
            reason = None if task in method.tasks else excuse(method, task)
            if reason:
                reasons.setdefault((method.name, reason), []).append(task)
            cells.append("yes" if task in method.tasks else "no" if reason else "")
        lines.append(f"| `{method.name}` | {' | '.join(cells)} |")
    below = [f"- `{name}`, {', '.join(of)}: {reason}" for (name, reason), of in reasons.items()]
    return "\n".join([BEGIN, *lines, "", *below, END])


if __name__ == "__main__":
    print(table())
