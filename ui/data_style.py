"""The Data page's own rules, and the script that turns a press into an address.

The address is the state: a press changes it at once in the browser and then asks the server for what it means, so that
two quick presses never undo each other. Without the script the links still lead where they say.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
CSS = (FOLDER / "data.css").read_text("utf-8")
SCRIPT = (FOLDER / "data.js").read_text("utf-8")
SEARCH_BOX = (
    '<input type="search" class="lethe-search" aria-label="Search people" placeholder="Search by name or id" '
    'maxlength="200" autocomplete="off" spellcheck="false">'
)
SEARCH = """
// A box of its own: Gradio's tells of typed letters, but not of those that are pasted or taken away.
const box = element.querySelector('input');
const follow = () => { box.value = new URLSearchParams(location.search).get('q') || ''; };
box.addEventListener('input', () => {
  const query = new URLSearchParams(location.search);
  box.value ? query.set('q', box.value) : query.delete('q');
  ['page', 'person'].forEach((name) => query.delete(name));
  const words = query.toString().replace(/%2C/g, ',');
  history.replaceState(history.state, '', location.pathname + (words ? '?' + words : ''));
  trigger('input');
});
['popstate', 'lethe-address'].forEach((name) => addEventListener(name, follow));
follow();
"""
HERE = "(first, ...others) => [location.search.slice(1), ...others]"
BACK = """
const back = () => element.isConnected ? trigger('click') : removeEventListener('popstate', back);
addEventListener('popstate', back);
"""
LARGE = (
    '<dialog class="lethe-large" aria-label="Picture"><form method="dialog"><figure><img alt="">'
    '<figcaption><span></span><button class="lethe-button">Close</button></figcaption></figure></form></dialog>'
)
MOVE = """(address) => {
  if (!address) return;
  const theme = new URLSearchParams(location.search).get('__theme');
  const more = theme ? (address.includes('?') ? '&' : '?') + '__theme=' + theme : '';
  history.pushState(history.state, '', address + more);
  dispatchEvent(new Event('lethe-address'));
}"""
