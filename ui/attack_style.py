"""The Attack page's own rules."""

from __future__ import annotations

READ_JS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-attack]');
  if (!button) return;
  trigger('click', {attack: button.dataset.attack});
  document.querySelector('.lethe-said').scrollIntoView({block: 'start'});
});
"""
"""The name of an attack leads to what was said under it."""
CSS = """
.gradio-container {
.lethe-attack-name { font-weight: 550; }
.lethe-press { border: 0; background: none; padding: 0; font: inherit; font-weight: 550; color: var(--lethe-accent);
  text-align: left; cursor: pointer; }
.lethe-press:hover { text-decoration: underline; }
.lethe-note { display: block; color: var(--lethe-grey); font-size: 12px; line-height: 1.35; max-width: 46ch; }
.lethe-attacks details > summary { color: var(--lethe-grey); font-size: 13px; cursor: pointer; padding: 10px 8px; }
.lethe-faint { color: var(--lethe-warn); }
.lethe-verdict { font-size: 16px; margin: 0 0 4px; }
.lethe-strip { display: block; overflow: visible; }
.lethe-axis { stroke: var(--lethe-line); stroke-width: 1.5; }
.lethe-bounds { stroke: var(--lethe-unlearned); stroke-width: 3; opacity: .35; stroke-linecap: round; }
.lethe-dot.lethe-original { fill: var(--lethe-original); }
.lethe-dot.lethe-unlearned { fill: var(--lethe-unlearned); }
.lethe-dot.lethe-control { fill: var(--lethe-card); stroke: var(--lethe-control); stroke-width: 2; }
.lethe-curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: 18px; }
.lethe-curve { margin: 0; } .lethe-curve figcaption { font-weight: 550; font-size: 14px; }
.lethe-curve svg { width: 100%; height: auto; } .lethe-curve text { font-size: 11px; fill: var(--lethe-grey); }
.lethe-curve polyline { fill: none; stroke-width: 1.6; stroke: currentColor; }
.lethe-curve .lethe-original { color: var(--lethe-original); }
.lethe-curve .lethe-unlearned { color: var(--lethe-unlearned); }
.lethe-curve .lethe-control { color: var(--lethe-control); }
.lethe-curve .lethe-control polyline { stroke-dasharray: 4 3; }
.lethe-curve .lethe-original polyline { stroke-dasharray: 1 3; }
.lethe-curve summary { color: var(--lethe-grey); font-size: 13px; cursor: pointer; }
.lethe-lens summary { color: var(--lethe-grey); font-size: 13px; cursor: pointer; }
.lethe-lens table { border-collapse: collapse; font-size: 11.5px; font-variant-numeric: tabular-nums; }
.lethe-lens th { font-weight: 400; color: var(--lethe-grey); padding: 1px 4px; }
.lethe-lens .lethe-table td, .lethe-lens td { min-width: 0; padding: 1px 4px; text-align: right;
  background: color-mix(in srgb, var(--lethe-unlearned) calc(var(--heat, 0%) * .45), transparent); }
.lethe-lens .lethe-fact { font-weight: 650; border-inline: 1px solid var(--lethe-grey); }
.lethe-asked { white-space: pre-line; overflow-wrap: anywhere; }
.lethe-prefix { color: var(--lethe-grey); font-style: italic; }
.lethe-leak { color: var(--lethe-unlearned-ink); font-weight: 600; white-space: nowrap; }
.lethe-beware { color: var(--lethe-warn); font-size: 13.5px; margin: 8px 0 0; }
.lethe-command.lethe-mono { background: var(--lethe-well); border-radius: 7px; padding: 8px 12px; display: block;
  overflow-wrap: anywhere; }
.lethe-said td { min-width: 110px; } .lethe-said td:first-child { min-width: 220px; }
}
@media (min-width: 1100px) {
.gradio-container .lethe-grid-attack { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); }
}
@media (max-width: 720px) {
.gradio-container .lethe-attacks thead { display: none; }
.gradio-container .lethe-attacks tbody tr { display: grid; grid-template-columns: 1fr 1fr; gap: 3px 12px;
  padding: 10px 4px; border-bottom: 1px solid var(--lethe-line); }
.gradio-container .lethe-attacks .lethe-table td { border: 0; padding: 0; text-align: left; font-size: 13.5px; }
.gradio-container .lethe-attacks td:nth-child(-n + 2) { grid-column: 1 / -1; }
.gradio-container .lethe-attacks td:nth-child(n + 3)::before { content: attr(data-label); display: block;
  font-size: 12px; color: var(--lethe-grey); }
.gradio-container .lethe-said thead { display: none; }
.gradio-container .lethe-said tbody tr { display: block; padding: 10px 4px;
  border-bottom: 1px solid var(--lethe-line); }
.gradio-container .lethe-said .lethe-table td { display: block; border: 0; padding: 2px 0; font-size: 13.5px; }
.gradio-container .lethe-said td:nth-child(n + 2)::before { content: attr(data-label) ": "; color: var(--lethe-grey); }
}
"""
