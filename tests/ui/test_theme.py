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
        assert palette.accent == theme["linkColor"]
        assert palette.amber == theme["orangeColor"]
        assert palette.line == theme["borderColor"]
        assert list(palette.series) == theme["chartCategoricalColors"]


def contrast(one: str, other: str) -> float:
    """Contrast ratio by WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_words_can_be_read() -> None:
    for name in ("light", "dark"):
        theme = CONFIG["theme"][name]
        for ground in ("backgroundColor", "secondaryBackgroundColor"):
            assert contrast(theme["textColor"], theme[ground]) >= 7
            assert contrast(theme["linkColor"], theme[ground]) >= 4.5
        assert contrast("#FFFFFF", theme["primaryColor"]) >= 4


def test_fonts_are_not_fetched() -> None:
    assert "http" not in str(CONFIG["theme"])


def test_server_is_closed_by_default() -> None:
    assert CONFIG["server"]["address"] == "127.0.0.1"
    assert CONFIG["server"]["enableXsrfProtection"] and CONFIG["server"]["enableCORS"]
    assert not CONFIG["server"]["enableStaticServing"]
    assert not CONFIG["browser"]["gatherUsageStats"]
    assert CONFIG["client"]["showErrorDetails"] == "none"
