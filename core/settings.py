"""Settings of one installation, read from WHETSTONE_* environment variables or a .env file."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every setting has a description; the README's table and the Settings page are made from them."""

    model_config = SettingsConfigDict(env_prefix="WHETSTONE_", env_file=".env", extra="ignore")

    home: Path = Field(
        default=Path.home() / ".whetstone",
        description="Folder of the workspace: database, frozen versions, runs, models and caches.",
    )
    demo: bool = Field(
        default=True,
        description="Fill a new, empty workspace with the sample projects on the first start.",
    )
    import_seconds: float = Field(
        default=600.0,
        gt=0,
        description="Longest time, in seconds, that the reading of one imported file may take.",
    )
    import_memory_mb: int = Field(
        default=4096,
        gt=256,
        description="Most memory, in MiB, that the process which reads an imported file may use.",
    )
    offline: bool = Field(
        default=False,
        description="Never ask the Hugging Face Hub for anything; use what is already on this machine.",
    )
    device: str = Field(
        default="auto",
        description="Device for training: auto, cpu, cuda, cuda:1, mps.",
    )
    stop_grace_seconds: float = Field(
        default=30.0,
        gt=0,
        description="Seconds a stopped run has to save its work before it is killed.",
    )
    allow_private_addresses: bool = Field(
        default=False,
        description="Let feeds, webhooks and model endpoints be on this machine or in a private network.",
    )
    smtp_password: str = Field(
        default="",
        repr=False,
        description="Password of the mail account that sends alerts; kept out of the database and of setup files.",
    )
    language: str = Field(default="en", description="Language of the pages on the first visit: en or zh_CN.")
    generator_key: SecretStr | None = Field(
        default=None,
        description="Key that is sent to the answer-writing endpoint of a customer service setup; stored nowhere.",
    )
    accept_loss: bool = Field(
        default=False,
        description="Open a database that lost rows (start once with it, after reading the message that asks for it).",
    )
