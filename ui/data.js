// A press on the Data page changes the address at once, then asks the server what that means.
const now = () => new URLSearchParams(location.search);
const nodes = (what) => [...element.querySelectorAll(what)];
const split = (text) => (text || '').split(',').filter(Boolean);
let last = null;

const ask = (query, step) => {
  document.body.dataset.pressed = 'yes';
  const text = query.toString().replace(/%2C/g, ',');
  history[step ? 'pushState' : 'replaceState'](history.state, '', location.pathname + (text ? '?' + text : ''));
  dispatchEvent(new Event('lethe-address'));
  trigger('click');
};
// Whom the address forgets: the chosen people, or those of the share, whom the server has named.
const forgotten = () => {
  const query = now();
  if (query.get('people') || query.get('forget') === 'chosen') return split(query.get('people'));
  return props.framed || split(document.querySelector('[data-framed]')?.dataset.framed);
};
const show = () => {
  const framed = new Set(forgotten());
  nodes('.lethe-tick').forEach((tick) => {
    const on = framed.has(tick.dataset.of);
    tick.setAttribute('aria-pressed', String(on));
    tick.closest('.lethe-tile').toggleAttribute('data-framed-one', on);
  });
};

element.addEventListener('click', async (event) => {
  const node = event.target.closest('[data-go], [data-toggle], [data-large]');
  if (!node || node.disabled || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const query = now();
  if (node.dataset.large) return enlarge(node);
  last = {...node.dataset};
  if (node.dataset.go) {
    const changes = new URLSearchParams(node.dataset.go);
    changes.forEach((text, name) => text ? query.set(name, text) : query.delete(name));
    return ask(query, changes.has('person') || changes.has('benchmark') || changes.has('page'));
  }
  const name = node.dataset.toggle, one = node.dataset.of;
  const before = name === 'people' ? forgotten() : split(query.get(name));
  const after = before.includes(one) ? before.filter((other) => other !== one) : [...before, one];
  after.length ? query.set(name, after.join(',')) : query.delete(name);
  if (name === 'people') after.length ? query.delete('forget') : query.set('forget', 'chosen');
  node.setAttribute('aria-pressed', String(after.includes(one)));
  ask(query, false);
  show();
});

// A picture by itself: the small one at once, the large one as soon as it is here.
const enlarge = async (node) => {
  const box = element.querySelector('dialog'), image = box.querySelector('img'), words = box.querySelector('span');
  const small = node.querySelector('img');
  image.hidden = !small;
  if (small) image.src = small.src;
  image.alt = small ? small.alt : node.textContent;
  words.textContent = 'Loading…';
  box.showModal();
  const shown = node.closest('[data-person]').dataset;
  const {benchmark, person} = shown, {kind, large} = node.dataset;
  const [address, caption] = await server.large({benchmark, person, kind, place: Number(large)});
  if (address) [image.src, image.hidden] = [address, false];
  words.textContent = caption;
};
element.addEventListener('click', (event) => { if (event.target.matches('dialog')) event.target.close(); });

// What was pressed is drawn anew; the keyboard stays where it was, or goes to the heading of what was opened.
const drawn = () => {
  show();
  const heading = element.querySelector('[data-heading]');
  if (heading && heading.dataset.heading !== element.dataset.seen) {
    element.dataset.seen = heading.dataset.heading;
    if (document.body.dataset.pressed) heading.focus();
  }
  if (!last || document.activeElement !== document.body) return;
  const same = (node) => ['go', 'toggle', 'of'].every((key) => node.dataset[key] === last[key]);
  nodes('[data-go], [data-toggle]').find(same)?.focus();
  last = null;
};
watch(['value', 'framed'], drawn);
drawn();
