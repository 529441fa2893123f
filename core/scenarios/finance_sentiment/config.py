"""What a setup of finance sentiment holds, and the parts that models play in it."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from core.scenarios.base import Role, ScenarioConfig

ROLES = (
    Role(
        name="sentiment",
        title="Sentiment",
        help="Is the news good, bad or neither for the company?",
        task="classification",
        sample="finance_headlines",
    ),
    Role(
        name="topic",
        title="Topic",
        help="What is the news about? Asked only where the feed does not say it itself.",
        task="classification",
        sample="finance_topics",
        required=False,
    ),
    Role(
        name="risk",
        title="Risk",
        help="How likely does it cost an investor money soon?",
        task="classification",
        sample="finance_risk",
        required=False,
    ),
)
_PLACE = re.compile(r"\{(\w+)\}")
ALERT_FIELDS = ("company", "negative", "items", "usual", "usual_items", "topic", "from", "to")
"""What an alert's sentence may name."""


class FinanceConfig(ScenarioConfig):
    """Roles, what counts as bad, when to raise an alert, and whom to tell."""

    negative_labels: list[str] = Field(
        title="Labels that mean bad news",
        json_schema_extra={"group": "What the labels mean"},
        default=["negative", "bearish", "bad", "负面", "消极"],
        min_length=1,
        max_length=50,
        description="Labels of the sentiment model that mean bad news, one a line.",
    )
    high_risk_labels: list[str] = Field(
        title="Labels that mean a high risk",
        json_schema_extra={"group": "What the labels mean"},
        default=["high", "高"],
        max_length=50,
        description="Labels of the risk model that mean a high risk, one a line.",
    )
    companies: dict[str, list[str]] = Field(
        title="Companies and their names",
        json_schema_extra={"group": "What the labels mean"},
        default_factory=dict,
        max_length=1000,
        description="Names and tickers by which a company is found in texts whose row does not name one.",
    )
    false_alarms: float = Field(
        title="False alarms in 90 days",
        json_schema_extra={"group": "When to raise an alert"},
        default=0.5,
        gt=0,
        le=50,
        description="False alarms to be put up with in 90 days, over all companies. Fewer means that small surges go "
        "unnoticed.",
    )
    half_life_days: float = Field(
        title="Half-life of what is usual, days",
        json_schema_extra={"group": "When to raise an alert"},
        default=21.0,
        ge=3,
        le=365,
        description="After this many days an earlier day counts half in what is usual. Shorter gets used to changes "
        "sooner.",
    )
    least_items: int = Field(
        title="Fewest items",
        json_schema_extra={"group": "When to raise an alert"},
        default=3,
        ge=2,
        le=1000,
        description="Fewest items behind an alert: one angry post is no surge.",
    )
    quiet_days: int = Field(
        title="Quiet days between two alerts",
        json_schema_extra={"group": "When to raise an alert"},
        default=3,
        ge=0,
        le=60,
        description="Days without a surge after which a new one is a new alert.",
    )
    alert_template: str = Field(
        title="Sentence of an alert",
        json_schema_extra={"group": "What is written"},
        default="{company}: {negative} of {items} items from {from} to {to} are negative, usual are {usual}. "
        "Mostly about {topic}.",
        max_length=500,
        description="It may name {company}, {negative}, {items}, {usual}, {usual_items}, {topic}, {from} and {to}.",
    )
    volume_template: str = Field(
        title="Sentence of an alert by volume alone",
        json_schema_extra={"group": "What is written"},
        default="{company}: {items} items from {from} to {to}, usual are {usual_items} a day. {negative} of them are "
        "negative. Mostly about {topic}.",
        max_length=500,
        description="The same where there is more news than usual, but not worse news.",
    )
    report_title: str = Field(
        title="Title of the weekly report",
        json_schema_extra={"group": "What is written"},
        default="What the news said",
        max_length=100,
        description="Title of the weekly report.",
    )
    feed_url: str = Field(
        title="Address of an RSS or Atom feed",
        json_schema_extra={"group": "Live feed"},
        default="",
        max_length=2000,
        description="RSS or Atom feed that is polled; empty for none.",
    )
    poll_minutes: float = Field(
        title="Minutes between two looks",
        json_schema_extra={"group": "Live feed"},
        default=15.0,
        ge=1,
        le=1440,
        description="Minutes between two looks at the feed.",
    )
    hooks_on: bool = Field(
        title="Tell others of new alerts",
        json_schema_extra={"group": "Who is told"},
        default=False,
        description="Send new alerts to the webhook and mail address below. Off unless you turn it on.",
    )
    webhook_url: str = Field(
        title="Webhook",
        json_schema_extra={"group": "Who is told"},
        default="",
        max_length=2000,
        description="Gets each new alert as JSON by POST; empty for none.",
    )
    mail_to: str = Field(
        title="E-mail to",
        json_schema_extra={"group": "Who is told"},
        default="",
        max_length=320,
        description="Gets each new alert by e-mail; empty for none.",
    )
    mail_from: str = Field(
        title="E-mail from",
        json_schema_extra={"group": "Who is told"},
        default="",
        max_length=320,
        description="Sender of these e-mails.",
    )
    smtp_host: str = Field(
        title="Mail server",
        json_schema_extra={"group": "Who is told"},
        default="",
        max_length=255,
        description="Mail server (SMTP).",
    )
    smtp_port: int = Field(
        title="Port",
        json_schema_extra={"group": "Who is told"},
        default=587,
        ge=1,
        le=65535,
        description="Port of the mail server; 465 is encrypted at once.",
    )
    smtp_user: str = Field(
        title="Account on the mail server",
        json_schema_extra={"group": "Who is told"},
        default="",
        max_length=320,
        description="Account on the mail server. Its password is WHETSTONE_SMTP_PASSWORD.",
    )

    @field_validator("alert_template", "volume_template")
    @classmethod
    def _known_fields(cls, template: str) -> str:
        unknown = [name for name in _PLACE.findall(template) if name not in ALERT_FIELDS]
        if unknown:
            raise ValueError(f"{{{unknown[0]}}} is not known; known are {', '.join(ALERT_FIELDS)}")
        return template

    def is_negative(self, label: str | None) -> bool:
        """Whether a label of the sentiment model means bad news, ignoring case."""
        return label is not None and label.casefold() in {name.casefold() for name in self.negative_labels}

    def is_high_risk(self, label: str | None) -> bool:
        """Whether a label of the risk model means a high risk, ignoring case."""
        return label is not None and label.casefold() in {name.casefold() for name in self.high_risk_labels}


def fill(template: str, values: dict[str, str]) -> str:
    """Put values into the named places of a template; other braces mean nothing, and values are never read again."""
    return _PLACE.sub(lambda place: values.get(place.group(1), place.group(0)), template)
