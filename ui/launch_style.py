"""How the launch page looks: fields, pills, the formula, the card `This run`. Colours are the lab's own."""

from __future__ import annotations

CSS = """
.gradio-container .lethe-launch { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px;
  align-items: start;
  margin-top: 4px; overflow: visible; }
.lethe-launch > * { min-width: 0 !important; }
/* closed until the server has filled it in, so that nothing typed before is put back */
body:not([data-launch]) .lethe-launch { visibility: hidden; }
.lethe-form-card { gap: 12px !important; }
.lethe-form-card .lethe-card-title { margin: 0; }
.lethe-form-card .block { border: 0 !important; padding: 0; background: none; box-shadow: none;
  border-radius: 0;
  overflow: visible !important; }
.lethe-form-card .form { border: 0; background: none; box-shadow: none; overflow: visible; }
.lethe-form-card .block:has(> .html-container > div:empty) { display: none; }

/* fields */
.gradio-container .lethe-fields { display: grid; gap: 14px 18px;
  grid-template-columns: repeat(2, minmax(0, 1fr));
  align-items: start; overflow: visible; }
.lethe-field { gap: 5px !important; min-width: 0 !important; }
.lethe-field label > span[data-testid=block-info], .lethe-field .container > span { margin-bottom: 5px; }
.lethe-field input { text-overflow: ellipsis; }
.lethe-field .wrap-inner .secondary-wrap { padding-right: 14px; }
.lethe-field .wrap-inner input:focus-visible { outline: none; }
.lethe-field .options li[aria-label^="■"] { color: var(--lethe-original-ink); }
.lethe-field .options li[aria-label^="●"] { color: var(--lethe-unlearned-ink); }
.lethe-field .options li[aria-label^="◆"] { color: var(--lethe-gold-ink); }
.lethe-form-card .lethe-table small { font-size: 13px; }
.lethe-help, .lethe-fault { margin: 0; font-size: 12.5px; line-height: 1.4; overflow-wrap: anywhere; }
.lethe-help { color: var(--lethe-grey); }
.lethe-help code { font-family: var(--lethe-mono-font); font-size: 11.5px; background: none; border: 0;
  padding: 0; }
.lethe-fault { color: var(--lethe-bad); }
.lethe-field:has(.lethe-fault) input:not([type=radio]) { border-color: var(--lethe-bad) !important; }
.lethe-field:has(.lethe-fault) .wrap:has(> .wrap-inner) { border-color: var(--lethe-bad) !important; }

/* pills */
.lethe-pills .wrap { gap: 6px; }
.lethe-pills label { border-radius: 999px !important; padding: 3px 12px !important; font-size: 13.5px;
  box-shadow: none; position: relative; }
.lethe-pills label input { position: absolute; opacity: 0; width: 1px; height: 1px; margin: 0; }
.lethe-pills label span { margin: 0; }
.lethe-pills label.selected { border-color: var(--lethe-accent); }
.lethe-pills label:has(:focus-visible) { outline: 2px solid var(--lethe-accent); outline-offset: 2px; }
.gradio-container .lethe-pill-row { gap: 8px 20px; flex-wrap: wrap; overflow: visible; }
.lethe-pill-row > * { flex: 0 0 auto !important; width: auto !important; max-width: 100%;
  min-width: 0 !important; }

/* the method */
.gradio-container .lethe-formula { background: var(--lethe-accent-soft);
  border: 1px solid var(--lethe-line); border-radius: 7px;
  padding: 9px 12px; line-height: 1.6; margin-top: 7px; }
.lethe-minimise { margin-right: .5em; }
.lethe-maths sub { font-size: .8em; vertical-align: -.3em; line-height: 0; }
.lethe-formula .lethe-where { display: block; font-size: 13.5px; margin-top: 3px; }
.lethe-formula .lethe-muted { display: block; font-size: 13px; line-height: 1.45; margin-top: 4px; }
.lethe-more > button { padding: 4px 0; color: var(--lethe-grey); }

/* this run */
.gradio-container .lethe-sentence { margin: 8px 0 6px; }
.lethe-form-card .lethe-table td:first-child { width: 92px; }
.lethe-form-card .lethe-table { border-bottom: 1px solid var(--lethe-line); }
.gradio-container .lethe-tight { margin: 10px 0 0; font-size: 13.5px; color: var(--lethe-warn); }
.gradio-container .lethe-terminal-title { margin: 12px 0 4px; font-size: 13px; color: var(--lethe-grey); }
.gradio-container .lethe-terminal { margin: 0; padding: 10px 12px; background: var(--lethe-well);
  border-radius: 7px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.lethe-terminal code { font-family: var(--lethe-mono-font); font-size: 12.5px; line-height: 1.55;
  background: none;
  border: 0; padding: 0; color: var(--lethe-text); }
.gradio-container .lethe-faults { margin: 6px 0 8px; padding-left: 18px; list-style: disc;
  color: var(--lethe-bad); }
.lethe-faults strong { font-weight: 600; }
.gradio-container .lethe-start { align-self: flex-start; flex: 0 0 auto; width: auto; min-width: 0;
  padding: 9px 22px; }
.lethe-started { margin: 0; }

@media (min-width: 1100px) {
  .gradio-container .lethe-launch { grid-template-columns: minmax(0, 1fr) 438px; }
  .gradio-container:has(.lethe-launch) { overflow: clip; }
  .gradio-container .lethe-launch-run { position: sticky; top: 16px; }
}
@media (min-width: 760px) {
  .gradio-container .lethe-fields-4 { grid-template-columns: repeat(4, minmax(0, 1fr)); }
  .gradio-container .lethe-fields-3 { grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
@media (max-width: 520px) {
  .gradio-container .lethe-fields-2 { grid-template-columns: minmax(0, 1fr); }
  /* words need more room than numbers */
  .lethe-fields > .lethe-field:has(.wrap-inner) { grid-column: 1 / -1; }
}
"""
