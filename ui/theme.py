"""Colours, type and the little script every page carries.

One accent, quiet greys, white cards. Original, unlearned and gold keep their colours everywhere; as words
they are a shade darker (`-ink`), so that small text keeps a contrast of 4.5 to 1. Nothing comes from outside.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import gradio as gr

HERE = Path(__file__).parent
CSS = (HERE / "style.css").read_text("utf-8")

SANS = [
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Helvetica Neue",
    "Noto Sans",
    "DejaVu Sans",
    "sans-serif",
]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace"]


SETTINGS = frozenset(inspect.signature(gr.themes.Base.set).parameters)


def _as(value: str, *names: str) -> dict[str, str]:
    """The same style-sheet variable in light and in dark: the variable itself knows the difference."""
    return {key: value for name in names for key in (name, f"{name}_dark") if key in SETTINGS}


THEME = gr.themes.Base(
    font=SANS,
    font_mono=MONO,
    text_size=gr.themes.Size(
        xxs="11px", xs="12px", sm="13px", md="15px", lg="16px", xl="19px", xxl="22px", name="lethe"
    ),
    radius_size=gr.themes.sizes.radius_md,
    spacing_size=gr.themes.sizes.spacing_md,
).set(
    **_as("var(--lethe-ground)", "body_background_fill", "background_fill_secondary", "input_background_fill"),
    **_as("var(--lethe-card)", "block_background_fill", "background_fill_primary", "panel_background_fill"),
    **_as(
        "var(--lethe-text)",
        "body_text_color",
        "checkbox_label_text_color",
        "checkbox_label_text_color_selected",
    ),
    **_as("var(--lethe-grey)", "body_text_color_subdued", "block_title_text_color", "block_label_text_color"),
    **_as("var(--lethe-grey)", "block_info_text_color", "input_placeholder_color"),
    **_as(
        "var(--lethe-line)",
        "border_color_primary",
        "block_border_color",
        "input_border_color",
        "table_border_color",
    ),
    **_as(
        "var(--lethe-line)",
        "checkbox_label_border_color",
        "button_secondary_border_color",
        "checkbox_border_color",
    ),
    **_as("var(--lethe-line)", "panel_border_color"),
    **_as(
        "var(--lethe-accent)",
        "color_accent",
        "loader_color",
        "slider_color",
        "link_text_color",
        "link_text_color_visited",
    ),
    **_as("var(--lethe-accent)", "link_text_color_hover", "link_text_color_active", "input_border_color_focus"),
    **_as(
        "var(--lethe-accent)",
        "border_color_accent",
        "border_color_accent_subdued",
        "checkbox_label_border_color_selected",
    ),
    **_as("var(--lethe-accent)", "checkbox_background_color_selected", "checkbox_border_color_selected"),
    **_as("var(--lethe-accent)", "button_primary_background_fill", "button_primary_border_color"),
    **_as(
        "var(--lethe-accent-strong)",
        "button_primary_background_fill_hover",
        "button_primary_border_color_hover",
    ),
    **_as("var(--lethe-on-accent)", "button_primary_text_color", "button_primary_text_color_hover"),
    **_as("var(--lethe-accent-soft)", "color_accent_soft", "checkbox_label_background_fill_selected"),
    **_as(
        "var(--lethe-accent-soft)",
        "checkbox_label_background_fill_hover",
        "button_secondary_background_fill_hover",
    ),
    **_as("var(--lethe-card)", "checkbox_label_background_fill", "button_secondary_background_fill"),
    **_as("var(--lethe-text)", "button_secondary_text_color", "button_secondary_text_color_hover"),
    **_as("var(--lethe-bad)", "error_text_color", "button_cancel_text_color", "button_cancel_border_color"),
    **_as("var(--lethe-bad)", "button_cancel_text_color_hover", "button_cancel_border_color_hover"),
    **_as("var(--lethe-card)", "button_cancel_background_fill"),
    **_as("var(--lethe-bad-soft)", "button_cancel_background_fill_hover"),
    **_as("transparent", "block_label_background_fill"),
    **_as("none", "block_shadow", "input_shadow", "button_primary_shadow", "button_secondary_shadow"),
    **_as("none", "button_primary_shadow_hover", "button_secondary_shadow_hover", "checkbox_label_shadow"),
    **_as("0 0 0 2px var(--lethe-accent-soft)", "input_shadow_focus"),
    **_as("1px", "block_border_width", "input_border_width", "button_border_width"),
    **_as("10px", "block_radius"),
    **_as("7px", "input_radius", "button_large_radius", "button_medium_radius", "button_small_radius"),
    **_as("400", "block_title_text_weight", "button_large_text_weight", "button_medium_text_weight"),
    **_as("13px", "block_title_text_size"),
    **_as("16px", "layout_gap"),
)

HEAD = f'<link rel="icon" href="data:,"><script>{(HERE / "page.js").read_text("utf-8")}</script>'
