"""Compare's own rules, and the little scripts of its drawing and its tables.

The drawing's words keep their size at every width; below 720 px only landmarks, A and B are named in it.
"""

from __future__ import annotations

TIP_JS = """
const over = (event) => {
  const dot = event.target.closest && event.target.closest('[data-tip]');
  const tip = element.querySelector('.lethe-tip');
  if (!tip) return;
  tip.hidden = !dot;
  if (!dot) return;
  tip.textContent = dot.dataset.tip;
  const room = tip.parentElement.getBoundingClientRect(), at = dot.getBoundingClientRect();
  const x = at.left + at.width / 2 - room.left, y = at.top + at.height / 2 - room.top;
  tip.style.left = Math.max(0, Math.min(x + 12, room.width - tip.offsetWidth)) + 'px';
  tip.style.top = (y + 14 + tip.offsetHeight > room.height ? y - tip.offsetHeight - 12 : y + 14) + 'px';
};
['pointerover', 'focusin'].forEach((name) => element.addEventListener(name, over));
['pointerleave', 'focusout'].forEach((name) => element.addEventListener(name, () => {
  const tip = element.querySelector('.lethe-tip');
  if (tip) tip.hidden = true;
}));
"""
PRESS_JS = """
let last = null;
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-sort], button[data-pick], button[data-kind]');
  if (!button) return;
  last = Object.entries(button.dataset).map(([name, value]) => `[data-${name}="${CSS.escape(value)}"]`).join('');
  trigger('click', {...button.dataset});
});
watch('value', () => {
  const again = last && element.querySelector('button' + last);
  if (again) again.focus();
  last = null;
});
"""
CSS = """
.gradio-container {
.lethe-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
.lethe-better { color: var(--lethe-grey); font-size: 12.5px; cursor: help; }
.lethe-nowrap { white-space: nowrap; }
.lethe-beneath { display: block; margin-top: 3px; color: var(--lethe-grey); font-size: 12.5px; line-height: 1.4;
  overflow-wrap: anywhere; }
.lethe-compare-sub { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; }
.lethe-pills { display: inline-flex; flex-wrap: wrap; gap: 6px; }
.lethe-pills .lethe-pill { color: var(--lethe-grey); }
.lethe-small-title { font-size: 13.5px; font-weight: 600; margin: 14px 0 4px; color: var(--lethe-text); }
.lethe-fold-switch { align-self: end; padding: 0 0 12px !important; border: 0 !important;
  background: none !important; }

/* forget against retain */
.lethe-axis { margin: 0; font-size: 13px; color: var(--lethe-grey); line-height: 1.4; }
.lethe-axis-y { padding: 0 0 12px 44px; } .lethe-axis-x { text-align: right; padding-top: 2px; }
.lethe-plane-room { position: relative; margin: 0 16px 28px 44px; }
.lethe-scatter { display: block; overflow: visible; border-left: 1px solid var(--lethe-line);
  border-bottom: 1px solid var(--lethe-line); }
.lethe-rule { stroke: var(--lethe-line); stroke-width: 1; opacity: .6; }
.lethe-tick { font-size: 12px; fill: var(--lethe-grey); }
.lethe-whisker { stroke-width: 1.5; opacity: .45; }
.lethe-stroke-original { stroke: var(--lethe-original); } .lethe-stroke-unlearned { stroke: var(--lethe-unlearned); }
.lethe-stroke-gold { stroke: var(--lethe-gold); } .lethe-stroke-control { stroke: var(--lethe-control); }
.lethe-front { stroke: var(--lethe-unlearned); stroke-width: 1.4; stroke-dasharray: 5 4; }
.lethe-way { stroke: var(--lethe-grey); stroke-width: 1; opacity: .45; }
.lethe-way-dot { fill: var(--lethe-grey); opacity: .45; }
.lethe-dot { stroke: var(--lethe-card); stroke-width: 1.2; cursor: pointer; outline-offset: 0; }
.lethe-dot-original { fill: var(--lethe-original); } .lethe-dot-gold { fill: var(--lethe-gold); }
.lethe-dot-unlearned { fill: var(--lethe-unlearned); }
.lethe-dot-control { fill: var(--lethe-card); stroke: var(--lethe-control); stroke-width: 2; }
.lethe-dot.lethe-hollow { fill: var(--lethe-card); stroke: var(--lethe-unlearned); stroke-width: 2; }
.lethe-dot .lethe-reach { fill: transparent; stroke: none; }
.lethe-dot:hover .lethe-reach, .lethe-dot:focus-visible .lethe-reach { stroke: var(--lethe-accent); stroke-width: 2; }
.lethe-name-tag { font-size: 12.5px; fill: var(--lethe-text); paint-order: stroke; stroke: var(--lethe-card);
  stroke-width: 3px; }
.lethe-ink-original { fill: var(--lethe-original-ink); } .lethe-ink-gold { fill: var(--lethe-gold-ink); }
.lethe-tip { position: absolute; z-index: 5; max-width: min(340px, 92%); padding: 7px 11px; white-space: pre-line;
  font-size: 13px; line-height: 1.45; pointer-events: none; background: var(--lethe-card); color: var(--lethe-text);
  border: 1px solid var(--lethe-line); border-radius: 7px; overflow-wrap: anywhere; }
.lethe-plane-legend { margin-left: 0; margin-right: 0; }

/* scores and attacks */
.lethe-shaded th[scope=row] { min-width: 108px; font-size: 14px; color: var(--lethe-text); white-space: normal; }
.lethe-shaded th[scope=row] .lethe-identity { white-space: normal; overflow-wrap: break-word; }
.lethe-shaded :is(th, td) { padding: 7px 7px; } .lethe-shaded thead .lethe-number { white-space: normal; }
.lethe-shaded tbody tr:last-child th { border-bottom: 0; }
.lethe-shaded th { vertical-align: bottom; } .lethe-shaded tbody :is(th, td) { vertical-align: middle; }
.lethe-shaded th > small { display: block; font-size: 12px; white-space: nowrap; }
.lethe-shaded td > small { display: block; font-size: 11.5px; color: var(--lethe-grey); line-height: 1.3; }
.lethe-shaded td.lethe-tint > small { color: color-mix(in srgb, var(--lethe-text) 78%, transparent); }
.lethe-towards { background: color-mix(in srgb, var(--lethe-gold) var(--tint), transparent) !important; }
.lethe-away { background: color-mix(in srgb, var(--lethe-unlearned) var(--tint), transparent) !important; }
.lethe-sort { border: 0; background: none; padding: 2px 0; font: inherit; color: inherit; cursor: pointer;
  text-align: inherit; }
.lethe-sort:hover { color: var(--lethe-text); text-decoration: underline; }
th[aria-sort]:not([aria-sort=none]) .lethe-sort { color: var(--lethe-text); font-weight: 600; }
.lethe-picks { display: inline-flex; gap: 3px; margin-right: 8px; }
.lethe-pick { width: 24px; height: 24px; padding: 0; border: 1px solid var(--lethe-line); border-radius: 5px;
  background: var(--lethe-card); color: var(--lethe-grey); font-size: 12px; line-height: 1; cursor: pointer; }
.lethe-pick:hover { background: var(--lethe-accent-soft); }
.lethe-pick[aria-pressed=true] { border-color: var(--lethe-accent); color: var(--lethe-accent); font-weight: 700; }
.lethe-below { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 4px; margin-top: 4px;
  font-size: 12.5px; color: var(--lethe-grey); }
.lethe-below .lethe-state { white-space: normal; margin-right: 6px; }
.lethe-worst { font-size: 13px; } .lethe-worst b { font-weight: 650; white-space: nowrap; }
.lethe-matrix td { text-align: center; }
.lethe-matrix thead th { font-size: 12.5px; min-width: 78px; text-align: center; }
.lethe-matrix thead th:first-child { text-align: left; }
.lethe-matrix td a { color: var(--lethe-text); font-weight: 650; text-decoration: none; }
.lethe-matrix td a:hover { text-decoration: underline; } .lethe-matrix td > small { white-space: nowrap; }
.lethe-first { box-shadow: inset 0 0 0 2px var(--lethe-unlearned); }

/* the pair */
.lethe-card-title small .lethe-identity { white-space: normal; }
.lethe-change { display: grid; grid-template-columns: minmax(0, 1.2fr) 92px minmax(90px, 1fr); gap: 14px; width: 100%;
  align-items: center; padding: 9px 10px; border: 0; border-bottom: 1px solid var(--lethe-line); background: none;
  color: var(--lethe-text); font: inherit; font-size: 14px; text-align: left; cursor: pointer; }
.lethe-change:hover { background: var(--lethe-accent-soft); }
.lethe-change[aria-pressed=true] { background: var(--lethe-accent-soft);
  box-shadow: inset 3px 0 0 var(--lethe-accent); }
.lethe-change .lethe-rate { text-align: right; }
.lethe-change .lethe-track, .lethe-change .lethe-fill, .lethe-two-bars .lethe-track, .lethe-two-bars .lethe-fill {
  display: block; }
.lethe-bar-good { background: var(--lethe-good); } .lethe-bar-unlearned { background: var(--lethe-unlearned); }
.lethe-bar-bad { background: var(--lethe-bad); } .lethe-bar-control { background: var(--lethe-control); }
.lethe-kind-good { color: var(--lethe-good); } .lethe-kind-bad { color: var(--lethe-bad); }
.lethe-kind-unlearned { color: var(--lethe-unlearned-ink); } .lethe-kind-control { color: var(--lethe-grey); }
.lethe-radar { display: block; width: 100%; max-width: 460px; margin: 0 auto; }
.lethe-ring { fill: none; stroke: var(--lethe-line); }
.lethe-web { fill: none; stroke-width: 2; } .lethe-web-a { stroke-dasharray: 6 4; }
.lethe-web-b { stroke-dasharray: none; }
.lethe-key { display: flex; flex-wrap: wrap; gap: 2px 18px; }
.lethe-key i { display: inline-block; width: 24px; margin-right: 6px; vertical-align: 4px; border-top: 2px solid; }
.lethe-key .lethe-line-a { border-top-style: dashed; }
.lethe-people-bars { margin: 0; padding: 0; list-style: none; font-size: 13px; }
.lethe-people-bars li { display: grid; grid-template-columns: minmax(0, 1.1fr) minmax(70px, 1fr) 104px; gap: 12px;
  align-items: center; padding: 3px 0; }
.lethe-two-bars { display: grid; gap: 2px; } .lethe-two-bars .lethe-track { height: 5px; border-radius: 2px; }
.lethe-fill-original { background: var(--lethe-original); }
.lethe-fill-unlearned { background: var(--lethe-unlearned); }
.lethe-fill-gold { background: var(--lethe-gold); } .lethe-fill-control { background: var(--lethe-control); }
.lethe-two-bars .lethe-fill-a { opacity: .55; }
.lethe-item-picture { border-radius: 6px; display: block; margin: 0; max-width: none; background: var(--lethe-well); }
.lethe-items td { min-width: 60px; overflow-wrap: anywhere; }
.lethe-items td:nth-child(n + 2):nth-child(-n + 4) { min-width: 170px; }
.lethe-items ins { text-decoration: none; background: color-mix(in srgb, var(--lethe-unlearned) 22%, transparent);
  border-radius: 3px; }
.lethe-items del { color: var(--lethe-grey); }
.lethe-settings td { overflow-wrap: anywhere; } .lethe-settings td:first-child { min-width: 120px; }
.lethe-settings td:nth-child(2) { min-width: 76px; }
.lethe-settings summary { color: var(--lethe-grey); font-size: 13.5px; cursor: pointer; padding: 8px 10px 0; }
.lethe-curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 14px 22px; }
.lethe-curve { margin: 0; min-width: 0; } .lethe-curve figcaption { font-size: 13px; }
.lethe-curve svg { background: var(--lethe-well); border-radius: 6px; }
.lethe-curve polyline { fill: none; stroke-width: 1.8; vector-effect: non-scaling-stroke; }
.lethe-ends { display: flex; justify-content: space-between; margin: 0; font-size: 12px; color: var(--lethe-grey); }
}
@media (min-width: 1100px) { .gradio-container .lethe-compare-top {
  grid-template-columns: minmax(0, 1.06fr) minmax(0, 1fr); } }
@media (max-width: 720px) {
.gradio-container {
  .lethe-wide-only { display: none; }
  .lethe-axis-y { padding-left: 30px; } .lethe-plane-room { margin-left: 30px; margin-right: 6px; }
  .lethe-change { grid-template-columns: minmax(0, 1fr) auto; } .lethe-change .lethe-track { grid-column: 1 / -1; }
  .lethe-items thead { display: none; }
  .lethe-items tbody tr { display: block; padding: 10px 4px; border-bottom: 1px solid var(--lethe-line); }
  .column.lethe-card .lethe-items .lethe-table td { display: block; border: 0; padding: 2px 0; font-size: 13.5px; }
  .lethe-items td:is([data-label="A said"], [data-label="B said"])::before { content: attr(data-label) ": ";
    color: var(--lethe-grey); }
  .lethe-findings thead { display: none; }
  .lethe-findings tbody tr { display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; padding: 10px 4px;
    border-bottom: 1px solid var(--lethe-line); }
  .lethe-findings .lethe-table td { border: 0; padding: 0; }
  .lethe-findings td:is([data-label=Claim], [data-label=Figures]) { grid-column: 1 / -1; }
  .lethe-people-bars li { grid-template-columns: minmax(0, 1fr) auto; }
.lethe-two-bars { grid-column: 1 / -1; grid-row: 2; }
}
}
"""
