"""The run page's own rules: yardsticks, the memorisation check, measures under their meaning, answers in two lines.

The switch of the memorisation check needs no server: both tables are there, and these rules show one of them.
"""

from __future__ import annotations

CSS = """
.gradio-container {
.lethe-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
.lethe-yardsticks, .lethe-known { margin: 0; padding: 0 10px; font-size: 13px; color: var(--lethe-grey); }
.lethe-beside { display: flex; flex-wrap: wrap; gap: 0 10px; font-size: 12.5px; line-height: 1.45; }
.lethe-beside .lethe-mark { margin-right: .3em; }
.lethe-better { color: var(--lethe-grey); font-size: 12.5px; cursor: help; }
.lethe-note { display: block; color: var(--lethe-grey); font-size: 12px; line-height: 1.35; }
.lethe-detail .lethe-table .lethe-state { white-space: normal; }
:is(.lethe-all-items, .lethe-known-items, .lethe-measure) .lethe-state { display: block; font-size: 12.5px; }
:is(.lethe-all-items, .lethe-known-items, .lethe-measure) .lethe-glyph { min-width: 0; }

.lethe-group th { text-align: left; padding-top: 12px; font-weight: 600; }
.lethe-group th :is(small, a) { font-weight: 400; font-size: 13px; margin-left: .5em; }
.lethe-member { margin-left: 12px; }

.lethe-known-switch { padding: 2px 10px 4px !important; }
.lethe-known-switch input:not(:checked) { border-color: var(--lethe-grey) !important; }
.lethe-known-switch label span { font-size: 13.5px; }
.lethe-card:has(.lethe-known-switch input:checked) .lethe-all-items { display: none !important; }
.lethe-card:not(:has(.lethe-known-switch input:checked)) .lethe-known-items { display: none !important; }

.lethe-needs { display: flex; align-items: center; gap: 8px; margin: 0; padding: 9px 10px; font-size: 13.5px;
  border-top: 1px solid var(--lethe-line); }
.lethe-needs .lethe-mark { margin: 0; }
.lethe-step { flex: none; padding: 4px 12px; font-size: 13.5px; white-space: nowrap; }

.lethe-tall { max-height: 72vh; }
.lethe-measures { display: grid; grid-template-columns: minmax(0, 1fr); gap: 18px 36px; align-items: start;
  padding-top: 8px; }
.lethe-measure { min-width: 0; }
.lethe-measure td small.lethe-muted { display: inline-block; line-height: 1.4; }
.lethe-measure h3 { margin: 0 10px 2px; font-size: 13.5px; font-weight: 400; line-height: 1.45;
  color: var(--lethe-grey); }
.lethe-measure h3 code.lethe-mono { color: var(--lethe-text); font-size: 13px; font-weight: 600;
  margin-right: .5em; }
.lethe-measure td code.lethe-mono { overflow-wrap: anywhere; }

.lethe-beneath { display: block; margin-top: 3px; color: var(--lethe-grey); font-size: 12.5px; line-height: 1.4;
  overflow-wrap: anywhere; }
.lethe-nowrap { white-space: nowrap; }
}
@media (min-width: 1100px) { .gradio-container .lethe-measures { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media (max-width: 720px) {
.gradio-container {
  .lethe-yardsticks, .lethe-known, .lethe-known-switch, .lethe-needs { padding-left: 4px !important;
    padding-right: 4px !important; }
  .lethe-needs { align-items: baseline; flex-wrap: wrap; }
  .lethe-beside { font-size: 11.5px; gap: 0 6px; }
  .lethe-measure h3 { margin: 0 4px 2px; }
  .lethe-measure .lethe-rate { white-space: normal; }
  .lethe-read thead { display: none; }
  .lethe-read tbody tr { display: grid; grid-template-columns: auto auto 1fr; gap: 3px 12px; align-items: baseline;
    padding: 10px 4px; border-bottom: 1px solid var(--lethe-line); }
  .column.lethe-card .lethe-read .lethe-table td { border: 0; padding: 0; grid-column: 1 / -1;
    font-size: 13.5px; text-align: left; }
  .column.lethe-card .lethe-read .lethe-table td:nth-child(n + 5) { grid-column: auto; }
  .lethe-read td:is([data-label="True answer"], [data-label="p(true)"])::before { content: attr(data-label) ": ";
    color: var(--lethe-grey); }
}
}
"""
