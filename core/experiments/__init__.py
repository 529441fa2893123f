"""Several runs that answer one question together: which method, how much chance, which options."""

from core.experiments.experiment import Experiment
from core.experiments.records import Plan, Progress, Trial

__all__ = ["Experiment", "Plan", "Progress", "Trial"]
