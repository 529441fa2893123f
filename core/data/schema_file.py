"""The label schema that an exported Parquet file carries beside its rows, and how it is read back with suspicion."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, ValidationError

from core.data.names import check_label_name
from core.errors import InputError
from core.records import Label, Record

KEY = b"whetstone"
"""Name of the entry among the key-value metadata of the file."""
MOST_BYTES = 8 * 1024 * 1024


class CarriedLabel(Record):
    """A label as a file carries it: everything but its number in a workspace."""

    name: str
    colour: str = ""
    key: str = ""
    description: str = ""
    example: str = ""


class CarriedSchema(Record):
    """Labels in their order, and the guidelines."""

    labels: list[CarriedLabel] = Field(default_factory=list)
    guidelines: str = ""


def carried(labels: list[Label], guidelines: str) -> CarriedSchema:
    """What an export of a project takes along."""
    return CarriedSchema(
        labels=[CarriedLabel(**label.model_dump(exclude={"id"})) for label in labels], guidelines=guidelines
    )


def write_metadata(schema: CarriedSchema | None) -> dict[bytes, bytes] | None:
    """Key-value metadata of a Parquet file."""
    return None if schema is None else {KEY: schema.model_dump_json().encode()}


def read_metadata(metadata: Mapping[bytes, bytes] | None) -> CarriedSchema | None:
    """The schema a file carries; None when it has none, or one that nobody could have exported."""
    raw = (metadata or {}).get(KEY)
    if not raw or len(raw) > MOST_BYTES:
        return None
    try:
        schema = CarriedSchema.model_validate_json(raw)
        names = [check_label_name(label.name) for label in schema.labels]
    except (ValidationError, InputError):
        return None
    return schema if len(set(names)) == len(names) else None
