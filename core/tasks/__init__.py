"""What is predicted: a registry of tasks by name."""

from core.errors import NotFoundError
from core.tasks.base import Task
from core.tasks.classification import Classification
from core.tasks.generation import Generation
from core.tasks.multilabel import Multilabel
from core.tasks.pair import Pair
from core.tasks.question_answering import QuestionAnswering
from core.tasks.relation import Relation
from core.tasks.tagging import Tagging

_TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Classification(),
        Multilabel(),
        Relation(),
        Tagging(),
        Pair(),
        QuestionAnswering(),
        Generation(),
    )
}


def get_task(name: str) -> Task:
    """Return the task registered under ``name``; raises NotFoundError with the known names."""
    try:
        return _TASKS[name]
    except KeyError:
        raise NotFoundError(f"There is no task '{name}'.", f"Known tasks: {', '.join(_TASKS)}.") from None


def all_tasks() -> list[Task]:
    """Every registered task in the order in which the form lists them."""
    return list(_TASKS.values())
