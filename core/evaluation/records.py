"""What an evaluation found, as records that a page shows and a report writes down."""

from __future__ import annotations

from pydantic import Field

from core.evaluation.messages import Message, Translate, identity
from core.evaluation.retrieval import Retrieval
from core.records import Record


class ClassScore(Record):
    """How well one label is found."""

    precision: float = Field(description="Of the texts (spans, words) that got this label, the share that deserved it.")
    recall: float = Field(description="Of the texts (spans, words) that deserve this label, the share that got it.")
    f1: float = Field(description="Harmonic mean of precision and recall.")
    support: int = Field(description="Texts (spans, words) in the split that deserve this label.")


class ConfusedPair(Record):
    """Two labels of which one is taken for the other."""

    gold: str
    predicted: str
    rows: int = Field(description="Texts of the gold label that were predicted as the other.")
    share: float = Field(description="The same as a share of the gold label's texts.")


class Mistake(Record):
    """A wrongly predicted text."""

    item_id: int
    text: str = Field(description="The text, at most 2,000 characters of it.")
    gold: str
    predicted: str
    score: float = Field(description="Probability that the model gave to its wrong answer, 0 to 1.")


class CalibrationBin(Record):
    """Predictions of similar confidence."""

    low: float
    high: float
    confidence: float = Field(description="Mean probability that the model gave to its answers in this bin.")
    accuracy: float = Field(description="Share of these answers that were right.")
    rows: int


class Calibration(Record):
    """Does a probability of 80 % mean right in 8 of 10 cases?"""

    error: float = Field(
        description="Expected calibration error: mean distance between confidence and accuracy over the bins, "
        "weighted by rows (Guo et al. 2017, 'On Calibration of Modern Neural Networks')."
    )
    bins: list[CalibrationBin] = Field(description="Only bins that hold predictions.")


class Agreement(Record):
    """How well the scores of pairs follow their grades."""

    spearman: float = Field(description="Rank correlation of scores and grades: 1 is the same order.")
    pearson: float = Field(description="Linear correlation of scores and grades.")
    low: float = Field(description="Lower end of the 95 % interval of Spearman's correlation.")
    high: float = Field(description="Upper end of the interval.")


class Exchange(Record):
    """One prompt with what was expected and what the model wrote, at most 2,000 characters of each."""

    item_id: int
    prompt: str
    expected: str
    answer: str
    closeness: float = Field(description="ROUGE-L of answer and expected response, 0 to 1.")


class Wording(Record):
    """What only written texts have."""

    perplexity: float | None = Field(
        default=None,
        description="How surprising the expected responses are to the model: exp of the mean loss of their tokens, 1 "
        "is no surprise. None for models that give texts no probability. Comparable only between models with the same "
        "tokens.",
    )
    perplexity_low: float | None = Field(default=None, description="Lower end of the 95 % interval of perplexity.")
    perplexity_high: float | None = Field(default=None, description="Upper end of the interval.")
    answered: int = Field(description="Prompts that the model was asked to answer; the first ones of the split.")
    expected_words: float = Field(description="Mean length of the expected responses.")
    answer_words: float = Field(description="Mean length of the answers.")
    exchanges: list[Exchange] = Field(default_factory=list, description="To read, in the order of the split.")


class Reply(Record):
    """One question about a text with what was expected and what the model answered."""

    item_id: int
    question: str
    context: str = Field(description="The text around the answers, at most some 2,000 characters of it.")
    expected: list[str] = Field(description="Accepted answers; empty: the text holds none.")
    given: str = Field(description="Answer of the model; empty: none.")
    at: list[int] = Field(
        default_factory=list, description="Start and end of the given answer in ``context``; empty: none, or cut off."
    )
    f1: float = Field(description="Words in common with the nearest accepted answer, 0 to 1.")
    score: float = Field(description="How sure the model was, 0 to 1.")


class Evaluation(Record):
    """The figures of one model on one split, and what is needed to look behind them."""

    name: str = Field(default="", description="Whose figures these are, e.g. the model's name.")
    split: str = Field(default="test", description="train, dev or test.")
    rows: int
    labels: list[str] = Field(
        description="Label names in the order of the confusion matrix: the model's labels, then labels that occur "
        "in the split only."
    )
    accuracy: float = Field(description="Share of right answers.")
    macro_f1: float = Field(description="Mean F1 over the labels, each counting the same.")
    weighted_f1: float = Field(description="Mean F1 over the labels, each counting as often as it occurs.")
    intervals: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        description="95 % intervals by figure: accuracy, macro_f1, weighted_f1 and some of figures.",
    )
    per_class: dict[str, ClassScore] = Field(default_factory=dict, description="Scores by label.")
    per_word: dict[str, ClassScore] = Field(
        default_factory=dict, description="For spans: scores of single words by label, O for those outside of spans."
    )
    per_tag: dict[str, ClassScore] = Field(
        default_factory=dict,
        description="For spans: scores of single words by IOB2 tag, B- for a span's first word, I- further inside.",
    )
    confusion: list[list[int]] = Field(default_factory=list, description="Rows: gold label, columns: predicted label.")
    confused_pairs: list[ConfusedPair] = Field(default_factory=list, description="Most frequent confusions first.")
    mistakes: list[Mistake] = Field(default_factory=list, description="Most confident mistakes first.")
    calibration: Calibration | None = None
    warnings: list[Message] = Field(default_factory=list, description="What a reader must know before trusting this.")
    counts: str = Field(
        default="",
        description="Name of the figure by which the model is judged, as its task says; empty: the first of figures, "
        "else accuracy.",
    )
    figures: dict[str, float] = Field(
        default_factory=dict,
        description="Other main figures of the task by name, the headline first, e.g. entity_f1; 0 to 1 unless named.",
    )
    row_scores: list[float | None] = Field(
        default_factory=list,
        description="How well each row was answered, where right or wrong says too little; models are then compared by "
        "their mean. 0 to 1; for grades, the row's part in the rank correlation. None: the model was not asked.",
    )
    agreement: Agreement | None = Field(default=None, description="For graded pairs.")
    retrieval: Retrieval | None = Field(
        default=None,
        description="For pairs: every second text of the split ranked for each first text that has a match. Right are "
        "its matches, and texts linked to it by a chain of matches.",
    )
    wording: Wording | None = Field(default=None, description="For written texts.")
    replies: list[Reply] = Field(default_factory=list, description="For questions about texts: the first ones to read.")
    item_ids: list[int] = Field(default_factory=list, description="Items of the split in row order.")
    gold: list[int] = Field(
        default_factory=list,
        description="Index of each row's gold label in ``labels``; empty where rows have no single label.",
    )
    predicted: list[int] = Field(default_factory=list, description="Index of each row's predicted label.")
    gold_sets: list[list[int]] = Field(
        default_factory=list, description="In place of gold, where a text may have several labels: the indices of each."
    )
    predicted_sets: list[list[int]] = Field(default_factory=list, description="In place of predicted.")
    baseline: Evaluation | None = Field(default=None, description="TF-IDF and linear SVC on the same split.")
    before: Evaluation | None = Field(
        default=None,
        description="The same base model before fine-tuning: frozen, with a logistic regression on top.",
    )

    @property
    def headline(self) -> tuple[str, float]:
        """Name and value of the figure that a reader asks for first."""
        measured = [name for name in (self.counts, *self.figures) if self.find(name) is not None]
        name = next(iter(measured), "accuracy")
        return name, self.figure(name)

    def find(self, name: str) -> float | None:
        """A main figure by its name; None when this evaluation has none of that name."""
        if name == "spearman" and self.agreement is not None:
            return self.agreement.spearman
        ranked = self.retrieval.figures if self.retrieval else {}
        value: float | None = self.figures.get(name, ranked.get(name, getattr(self, name, None)))
        return value

    def figure(self, name: str) -> float:
        """The same, 0 when there is none of that name."""
        return self.find(name) or 0.0

    def interval(self, name: str) -> tuple[float, float]:
        """95 % interval of a main figure; twice the figure itself where none was worked out."""
        if name == "spearman" and self.agreement is not None:
            return self.agreement.low, self.agreement.high
        value = self.figure(name)
        ranked = self.retrieval.intervals if self.retrieval else {}
        return self.intervals.get(name) or ranked.get(name) or (value, value)

    @property
    def entity_f1(self) -> float:
        """Micro F1 of whole entities, for tagging; 0 for other tasks."""
        return self.figures.get("entity_f1", 0.0)

    def items(self, gold: str, predicted: str) -> list[int]:
        """Ids of the items with this gold and this predicted label: one cell of the confusion matrix.

        Where a text may have several labels: those on which the one was missed and the other given in error.
        """
        if gold not in self.labels or predicted not in self.labels:
            return []
        row, column = self.labels.index(gold), self.labels.index(predicted)
        if self.gold_sets:
            sets = zip(self.item_ids, self.gold_sets, self.predicted_sets, strict=True)
            return [item for item, g, p in sets if row in g and row not in p and column in p and column not in g]
        if not self.gold:
            return []
        cells = zip(self.item_ids, self.gold, self.predicted, strict=True)
        return [item for item, g, p in cells if g == row and p == column]

    def beside(self, baseline: Evaluation | None = None, before: Evaluation | None = None) -> Evaluation:
        """The same evaluation with others of the same split put beside it."""
        return self.model_copy(update={"baseline": baseline, "before": before})

    def to_json(self) -> str:
        """Everything, as one JSON document that ``Evaluation.model_validate_json`` reads back."""
        return self.model_dump_json(indent=1)

    def to_markdown(self, translate: Translate = identity) -> str:
        """The report as Markdown; texts of the project are escaped."""
        from core.evaluation.report import to_markdown

        return to_markdown(self, translate)

    def to_html(self, translate: Translate = identity) -> str:
        """The report as one HTML page that loads nothing from elsewhere; texts of the project are escaped."""
        from core.evaluation.report import to_html

        return to_html(self, translate)
