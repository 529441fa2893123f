"""Is it good enough, and where is it wrong? Figures, comparisons and reports from gold values and scores.

This room knows nothing about models or files: it is handed arrays and hands back records.
"""

from core.evaluation.comparison import Comparison, compare
from core.evaluation.messages import Message
from core.evaluation.records import (
    Agreement,
    Calibration,
    CalibrationBin,
    ClassScore,
    ConfusedPair,
    Evaluation,
    Exchange,
    Mistake,
    Reply,
    Wording,
)
from core.evaluation.retrieval import Retrieval
from core.evaluation.scoring import evaluate
from core.evaluation.verdict import verdict

__all__ = [
    "Agreement",
    "Calibration",
    "CalibrationBin",
    "ClassScore",
    "Comparison",
    "ConfusedPair",
    "Evaluation",
    "Exchange",
    "Message",
    "Mistake",
    "Reply",
    "Retrieval",
    "Wording",
    "compare",
    "evaluate",
    "verdict",
]
