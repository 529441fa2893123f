"""Figures and pages take the same colours; the server starts safe."""

import tomllib
from pathlib import Path

from core.plots import DARK, LIGHT

CONFIG = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text(encoding="utf-8"))


def test_figures_use_the_colours_of_the_theme() -> None:
    for name, palette in (("light", LIGHT), ("dark", DARK)):
        theme = CONFIG["theme"][name]
        assert palette.paper == theme["backgroundColor"]
        assert palette.panel == theme["secondaryBackgroundColor"]
        assert palette.ink == theme["textColor"]
        assert palette.accent == theme["primaryColor"]
        assert palette.amber == theme["orangeColor"]
        assert palette.line == theme["borderColor"]
        assert list(palette.series) == theme["chartCategoricalColors"]


def test_fonts_are_not_fetched() -> None:
    assert "http" not in str(CONFIG["theme"])


def test_server_is_closed_by_default() -> None:
    assert CONFIG["server"]["address"] == "127.0.0.1"
    assert CONFIG["server"]["enableXsrfProtection"] and CONFIG["server"]["enableCORS"]
    assert not CONFIG["server"]["enableStaticServing"]
    assert not CONFIG["browser"]["gatherUsageStats"]
    assert CONFIG["client"]["showErrorDetails"] == "none"
