"""The probe page's own rules and the few lines of JavaScript that need no server."""

from __future__ import annotations

CSS = """
.gradio-container {
.lethe-probe { display: grid !important; grid-template-columns: minmax(0, 1fr); gap: 18px;
  align-items: start; margin-top: 4px; }
.lethe-replies { gap: 18px !important; min-width: 0 !important; }
.lethe-probe-form { gap: 12px !important; min-width: 0 !important; }
.lethe-probe-form .block { background: none; border: 0 !important; padding: 0 !important; }
.lethe-probe-form .form { background: none; border: 0; gap: 12px; overflow: visible; min-width: 0 !important;
  }
.lethe-tight { gap: 10px !important; }
.lethe-probe-form .lethe-tight { align-items: end; }

.lethe-probe-actions { flex-wrap: wrap; justify-content: flex-start !important;
  align-items: center !important; }
.lethe-probe-foot { gap: 8px !important; }
.lethe-probe-form input[role="combobox"] { text-overflow: ellipsis; padding-right: 20px !important; }
.lethe-way > span[data-testid="block-info"] { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
.lethe-stamp .lethe-whole { white-space: nowrap; }
.lethe-probe-actions button, #lethe-sweep { white-space: nowrap; }
.lethe-way label span { color: var(--lethe-grey) !important; }
.lethe-way label:has(input:checked) span { color: var(--lethe-text) !important; }

/* who */
.lethe-caption { margin: 0 0 6px; font-size: 13px; color: var(--lethe-grey); }
.lethe-subject-row { display: flex; gap: 14px; }
.lethe-portrait { width: 140px; height: 140px; flex: none; object-fit: cover; border-radius: 8px; margin: 0;
  background: var(--lethe-well); }
.lethe-portrait-none { display: grid; place-items: center; text-align: center; color: var(--lethe-grey);
  font-size: 13px; padding: 12px; box-sizing: border-box; }
.lethe-unsent img.lethe-portrait { opacity: .3; filter: grayscale(1); }
.lethe-subject-words { min-width: 0; font-size: 13.5px; line-height: 1.45; }
.lethe-subject-name { font-weight: 650; font-size: 15px; margin: 0 0 2px; overflow-wrap: anywhere; }
.lethe-standing { list-style: none; margin: 0; padding: 0; }
.lethe-standing li { margin: 0 0 2px; overflow-wrap: anywhere; }
.lethe-standing .lethe-identity { white-space: normal; }
.lethe-subject-pills { display: flex; flex-wrap: wrap; gap: 5px; margin: 8px 0 0; }
.lethe-thumbs { display: grid; grid-template-columns: repeat(auto-fill, minmax(42px, 1fr)); gap: 6px;
  max-height: 98px; overflow-y: auto;
  padding: 3px; margin: -3px; scrollbar-width: thin; }
.lethe-thumb { position: relative; padding: 0; border: 0; border-radius: 7px; background: none;
  cursor: pointer; line-height: 0; aspect-ratio: 1; }
.lethe-thumb img { width: 100%; height: 100%; object-fit: cover; border-radius: 7px; margin: 0; }
.lethe-no-picture { display: grid; place-items: center; width: 100%; height: 100%; border-radius: 7px;
  background: var(--lethe-well); color: var(--lethe-grey); font-size: 13px; line-height: 1; }
.lethe-few { margin: 6px 0 0; font-size: 13px; line-height: 1.4; }
.lethe-thumb[aria-pressed="true"] { box-shadow: 0 0 0 2px var(--lethe-card), 0 0 0 4px var(--lethe-accent); }
.lethe-thumb[data-forgotten]::after { content: "●"; position: absolute; right: -2px; bottom: -2px;
  width: 15px; height: 15px; border-radius: 50%;
  background: var(--lethe-card); color: var(--lethe-unlearned); font-size: 12px; line-height: 15px;
    text-align: center; }
.lethe-probe-form #lethe-upload { flex: none; align-self: stretch; max-height: 96px; }

/* which models, which way */
.lethe-models .wrap, .lethe-way .wrap { gap: 6px; }
.lethe-models label, .lethe-way label { border-radius: 999px !important; padding: 3px 12px !important;
  font-size: 13.5px; box-shadow: none !important; max-width: 100%; }
.lethe-models label:has(input:checked), .lethe-way label:has(input:checked) {
  border-color: var(--lethe-accent) !important; }
.lethe-models input, .lethe-way input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.lethe-models label:has(input:focus-visible), .lethe-way label:has(input:focus-visible) {
  outline: 2px solid var(--lethe-accent); outline-offset: 2px; }
.lethe-models label span, .lethe-way label span { margin: 0; display: inline-block; overflow-wrap: anywhere; }
.lethe-models label:not(:has(input:checked)) { color: var(--lethe-grey); }
.lethe-models label:has(input[name^="original:"]) span::first-letter { color: var(--lethe-original); }
.lethe-models label:has(input[name^="unlearned:"]) span::first-letter { color: var(--lethe-unlearned); }
.lethe-models label:has(input[name^="gold:"]) span::first-letter { color: var(--lethe-gold); }
.lethe-decoding { background: none !important; border: 0 !important; padding: 0 !important; }
.lethe-decoding > button { color: var(--lethe-grey); font-size: 13px; padding: 2px 0; }
.lethe-keys { margin: 0; font-size: 13px; white-space: nowrap; }
.lethe-keys kbd { font: inherit; font-size: 12px; border: 1px solid var(--lethe-line); border-radius: 4px;
  padding: 0 5px; background: var(--lethe-well); color: inherit; }
.lethe-notice { margin: 0; font-size: 13.5px; color: var(--lethe-warn); }
.lethe-address, .html-container:has(> .lethe-address), .block:has(> .html-container > .lethe-address) {
  display: none !important; }
.lethe-probe .block:has(> .html-container > .lethe-maybe:empty), .lethe-probe .lethe-maybe:empty {
  display: none !important; }

/* answers: a card keeps its height from the first word to the last */
.lethe-kept { margin: 8px 0 0; font-size: 13.5px; overflow-wrap: anywhere; }
.lethe-answers { display: grid; gap: 16px; grid-template-columns: minmax(0, 1fr); }
.lethe-answer { background: var(--lethe-card); border: 1px solid var(--lethe-line);
  border-top: 3px solid var(--lethe-control); border-radius: 10px;
  padding: 16px 18px; box-sizing: border-box; min-height: 288px; display: flex; flex-direction: column;
    min-width: 0; }
.lethe-edge-original { border-top-color: var(--lethe-original); }
.lethe-edge-unlearned { border-top-color: var(--lethe-unlearned); }
.lethe-edge-gold { border-top-color: var(--lethe-gold); }
.lethe-answer-head { display: flex; justify-content: space-between; gap: 10px; font-size: 13.5px;
  line-height: 1.45; color: var(--lethe-grey); min-height: 40px; }
.lethe-answer-head b { font-weight: 650; } .lethe-answer-head > span:first-child { overflow-wrap: anywhere; }
.lethe-seconds { white-space: nowrap; font-variant-numeric: tabular-nums; }
.lethe-said { font-size: 17px; line-height: 1.5; height: 80px; overflow-y: auto; margin: 4px 0 0;
  overflow-wrap: anywhere; white-space: pre-wrap; scrollbar-width: thin; }
.lethe-said .lethe-muted { font-size: 15px; }
.lethe-said strong { font-weight: 700; }
.lethe-added { text-decoration: none; border-radius: 4px; padding: 0 3px; margin: 0 -1px;
  background: var(--lethe-added); color: inherit; }
.lethe-gone { color: var(--lethe-grey); text-decoration: line-through; text-decoration-thickness: 1px; }
.lethe-caret { display: inline-block; width: 2px; height: 1em; margin-left: 2px; vertical-align: -2px;
  background: var(--lethe-accent); }
.lethe-verdict { margin: 4px 0; min-height: 20px; font-size: 13px; line-height: 20px; }
.lethe-leak { color: var(--lethe-leak); font-size: 13px; font-weight: 600; white-space: nowrap; }
.lethe-likelihood { font-size: 13px; min-height: 46px; } .lethe-likelihood p { margin: 2px 0 0;
  font-size: 13px; }
.lethe-bar-row { display: flex; align-items: center; gap: 14px; } .lethe-bar-row b { font-weight: 400;
  font-size: 14px; min-width: 2.2em; text-align: right; font-variant-numeric: tabular-nums; }
.lethe-fill-original { background: var(--lethe-original); }
.lethe-fill-unlearned { background: var(--lethe-unlearned); }
.lethe-fill-gold { background: var(--lethe-gold); } .lethe-fill-control { background: var(--lethe-control); }
.lethe-stamp { margin: auto 0 0; padding-top: 8px; font-family: var(--lethe-mono-font); font-size: 12px;
  line-height: 1.45; color: var(--lethe-grey); min-height: 52px; overflow-wrap: anywhere; }

/* attack prompts and history */
.lethe-attacks { gap: 8px !important; min-width: 0 !important; }
.lethe-attacks-head { align-items: center; } .lethe-attacks-head .lethe-card-title { margin: 0; }
.lethe-attacks p { margin: 0 0 4px; font-size: 13.5px; }
.lethe-gist { display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden;
  overflow-wrap: anywhere; }
.lethe-attacks td .lethe-gist { display: inline; } .lethe-attacks td { min-width: 84px; }
.lethe-plain { color: var(--lethe-text); }
.lethe-history time { color: var(--lethe-grey); } .lethe-history a { color: var(--lethe-text); }
.lethe-history a[aria-current] { font-weight: 650; color: var(--lethe-accent); }
.lethe-history .lethe-empty { padding: 14px 0 4px; text-align: left; }
.lethe-history .lethe-empty p { margin: 0; max-width: none; }

@media (min-width: 900px) {
  .lethe-probe { grid-template-columns: minmax(330px, 390px) minmax(0, 1fr); }
}
@media (min-width: 620px) {
  .lethe-answers-2 { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .lethe-answers-3 { grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); }
  .lethe-answers-4 { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (max-width: 619px) {
  .lethe-answer { min-height: 270px; } .lethe-said { height: 78px; } .lethe-portrait { width: 128px;
    height: 128px; }
  .lethe-attacks td:first-child { min-width: 116px; }
  .lethe-history thead { display: none; }
  .lethe-history tr { display: grid; grid-template-columns: 48px minmax(0, 1fr); gap: 2px 8px;
    padding: 8px 0; border-bottom: 1px solid var(--lethe-line); }
  .lethe-history tr:last-child { border-bottom: 0; } .lethe-history td { border: 0; padding: 0; }
  .lethe-history td:nth-child(n + 3) { grid-column: 2; }
  .lethe-keys { display: none; }
}
@media (prefers-reduced-motion: no-preference) {
  .lethe-caret { animation: lethe-blink 1s steps(2) infinite; }
}
}
.gradio-container:has(.lethe-probe) { overflow: clip !important; }
@keyframes lethe-blink { 50% { opacity: 0; } }
:root { --lethe-added: #ffe2cc; --lethe-leak: #a33a00; }
.dark { --lethe-added: #5c2f0c; --lethe-leak: #ffb187; }
"""

THUMBS_JS = """
element.addEventListener('click', (e) => {
  const button = e.target.closest('[data-person]');
  if (button) trigger('click', {person: button.dataset.person});
});
const mark = () => element.querySelectorAll('[data-person]').forEach((button) => {
  const person = button.dataset.person, chosen = person === props.chosen;
  button.setAttribute('aria-pressed', String(chosen));
  button.toggleAttribute('data-forgotten', (props.forgotten || []).includes(person));
});
watch(['value', 'chosen', 'forgotten'], mark);
mark();
"""
"""A click on a portrait is an event with the person's id; which is chosen and who is forgotten is marked in
the browser.
"""

ADDRESS_JS = """
watch('value', () => {
  const held = element.querySelector('[data-query]');
  if (!held) return;
  const address = new URL(location.href), wanted = new URLSearchParams(held.dataset.query);
  ['probe', 'item', 'benchmark', 'run'].forEach((name) => address.searchParams.delete(name));
  wanted.forEach((value, name) => address.searchParams.set(name, value));
  if (address.href !== location.href) history.replaceState(history.state, '', address);
});
"""
"""Writes what stands on the page into its address."""

KEYS_JS = """
if (window.letheProbeKeys) document.removeEventListener('keydown', window.letheProbeKeys);
window.letheProbeKeys = (e) => {
  const press = (id) => { const b = document.querySelector(id); if (b && !b.disabled) { b.click();
    return true; } };
  if (e.key === 'Enter' && (e.ctrlKey || e.metaKey) && press('#lethe-ask')) e.preventDefault();
  else if (e.key === 'Escape') press('#lethe-stop');
};
document.addEventListener('keydown', window.letheProbeKeys);
if (window.letheDialKeys) document.removeEventListener('keyup', window.letheDialKeys);
window.letheDialKeys = (e) => {
  const moved = /^(Arrow|Page|Home$|End$|Enter$)/.test(e.key) && e.target.matches('#lethe-scale input');
  if (moved) e.target.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
};
document.addEventListener('keyup', window.letheDialKeys);
"""
"""Ctrl+Enter asks and Esc stops, wherever the focus is; the dial is let go when its key is."""

COPY_JS = """
async () => {
  const button = document.querySelector('#lethe-copy'), before = button.textContent;
  try { await window.letheCopyAddress(); button.textContent = 'Copied'; }
  catch { window.prompt('The address', location.href); }
  setTimeout(() => { button.textContent = before; }, 1500);
}
"""
