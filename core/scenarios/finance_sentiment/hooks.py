"""Telling others of a new alert: a webhook and an e-mail. Off by default, tried twice, never in anybody's way."""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Callable
from email.message import EmailMessage

from core import net
from core.errors import InputError, OfflineError, StudioError
from core.scenarios.finance_sentiment.alerts import Alert
from core.scenarios.finance_sentiment.config import FinanceConfig
from core.settings import Settings

SECONDS = 10.0
PAUSE_SECONDS = 2.0
"""Between the first and the second try."""
TRIES = 2
Told = tuple[bool, str]
"""Whether it arrived, and where to or why not."""


def tell(alert: Alert, config: FinanceConfig, settings: Settings) -> list[Told]:
    """Send one alert everywhere the setup says; what goes wrong is in the answer, nothing is raised."""
    if not config.hooks_on:
        return []
    told = []
    if config.webhook_url:
        told.append(_tried(lambda: send_webhook(alert, config, settings), f"webhook {net.host_of(config.webhook_url)}"))
    if config.mail_to:
        told.append(_tried(lambda: send_mail(alert, config, settings), f"e-mail to {config.mail_to}"))
    return told


def _tried(send: Callable[[], None], what: str) -> Told:
    reason = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        try:
            send()
            return True, what
        except StudioError as error:
            reason = error.message
    return False, f"{what}: {reason}"


def send_webhook(alert: Alert, config: FinanceConfig, settings: Settings) -> None:
    """POST the alert as JSON. Raises InputError, RefusedError (private address, error status), OfflineError."""
    value = {"text": alert.sentence(config), "alert": alert.model_dump(mode="json", exclude={"notes"})}
    net.post_json(
        config.webhook_url,
        value,
        allow_private=settings.allow_private_addresses,
        most_bytes=100_000,
        seconds=SECONDS,
    )


def send_mail(alert: Alert, config: FinanceConfig, settings: Settings) -> None:
    """Send the alert by e-mail, encrypted where the server can. Raises InputError, RefusedError, OfflineError."""
    message = _message(alert, config)
    host = net.checked_host(config.smtp_host, config.smtp_port, settings.allow_private_addresses, SECONDS)
    context = ssl.create_default_context()
    try:
        with _connected(config, host, context) as server:
            if config.smtp_user:
                server.login(config.smtp_user, settings.smtp_password)
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise OfflineError(f"The mail server did not take it: {str(error)[:120]}.", "Check its settings.") from error


def _connected(config: FinanceConfig, address: str, context: ssl.SSLContext) -> smtplib.SMTP:
    """A connection to the checked address; certificates must be those of the name."""
    if config.smtp_port == 465:
        server: smtplib.SMTP = _NamedSSL(config.smtp_host, address, config.smtp_port, context)
        return server
    server = smtplib.SMTP(address, config.smtp_port, timeout=SECONDS)
    server._host = config.smtp_host  # type: ignore[attr-defined]  # what starttls compares the certificate with
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=context)
        server.ehlo()
    elif config.smtp_user:
        raise OfflineError("The mail server offers no encryption, so no password is sent.", "Use port 465 or 587.")
    return server


class _NamedSSL(smtplib.SMTP_SSL):
    """SMTP over TLS that connects to one address and checks the certificate of a name."""

    def __init__(self, name: str, address: str, port: int, context: ssl.SSLContext) -> None:
        self._name = name
        super().__init__(address, port, timeout=SECONDS, context=context)

    def _get_socket(self, host: str, port: int, timeout: float) -> ssl.SSLSocket:
        plain = smtplib.SMTP._get_socket(self, host, port, timeout)  # type: ignore[attr-defined]
        return self.context.wrap_socket(plain, server_hostname=self._name)


def _message(alert: Alert, config: FinanceConfig) -> EmailMessage:
    if not config.mail_from or not config.smtp_host:
        raise InputError("The sender or the mail server is missing.", "Fill in both.")
    message = EmailMessage()
    sentence = " ".join(alert.sentence(config).split())
    try:
        message["Subject"] = sentence[:200]
        message["From"], message["To"] = config.mail_from, config.mail_to
    except ValueError as error:  # line breaks: headers of somebody's own
        raise InputError("The mail address or the sentence cannot be used in an e-mail.", "Correct it.") from error
    message.set_content(f"{sentence}\n\nProbability of so much by chance: {alert.p_value:.2g}\n")
    return message
