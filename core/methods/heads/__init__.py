"""Which head a task puts on an encoder."""

from core.errors import RefusedError
from core.methods.heads.answer import AnswerHead
from core.methods.heads.base import Head, Reading, Targets
from core.methods.heads.labels import LabelHead, MultiLabelHead, RelationHead
from core.methods.heads.pairs import PairHead
from core.methods.heads.spans import TagHead
from core.methods.heads.writing import WritingHead
from core.tasks import get_task

_HEADS: dict[str, type[Head]] = {
    "classification": LabelHead,
    "relation": RelationHead,
    "multilabel": MultiLabelHead,
    "tagging": TagHead,
    "pair": PairHead,
    "question_answering": AnswerHead,
    "generation": WritingHead,
}

__all__ = [
    "AnswerHead",
    "Head",
    "LabelHead",
    "MultiLabelHead",
    "PairHead",
    "Reading",
    "RelationHead",
    "TagHead",
    "Targets",
    "WritingHead",
    "head_for",
]


def head_for(task: str, labels: list[str]) -> Head:
    """The head of a task for these labels. Raises RefusedError for a task that encoders cannot do."""
    try:
        kind = _HEADS[task]
    except KeyError:
        raise RefusedError(f"No encoder can be tuned for the task '{task}' yet.", "Choose another method.") from None
    return kind(get_task(task), labels)
