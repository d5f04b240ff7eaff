/* SPDX-License-Identifier: 0BSD */
// What is kept in this browser: who one is, places, holds, what was chosen. All pages of this origin share it, no
// other site can read it, and none of it is ever in an address.

const PREFIX = 'boxoffice.';
const listeners = new Set();
// Where nothing can be kept (a private window of some browsers) it lasts as long as the page.
const memory = new Map();
const area = (() => {
  try {
    localStorage.setItem(PREFIX + 'test', '1');
    localStorage.removeItem(PREFIX + 'test');
    return localStorage;
  } catch {
    return null;
  }
})();

export function get(name) {
  try {
    const text = area ? area.getItem(PREFIX + name) : memory.get(name);
    return text == null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

export function put(name, value) {
  const text = JSON.stringify(value);
  if (text === JSON.stringify(get(name))) return;
  try {
    if (area) area.setItem(PREFIX + name, text);
    else memory.set(name, text);
  } catch {
    return; // no room: what is kept is for comfort, but for keys, which are small
  }
  tell(name);
}

export function drop(name) {
  if (get(name) === null) return;
  if (area) area.removeItem(PREFIX + name);
  else memory.delete(name);
  tell(name);
}

// All that is kept under `kind.`, by what follows it.
export function all(kind) {
  const names = area ? Object.keys(area).map((k) => k.startsWith(PREFIX) && k.slice(PREFIX.length)) : [...memory.keys()];
  return Object.fromEntries(names.filter((n) => n && n.startsWith(kind + '.')).map((n) => [n.slice(kind.length + 1), get(n)]));
}

function tell(name) {
  for (const f of [...listeners]) f(name);
}

// f(name, elsewhere) when something changed, here or in another page.
export function onChange(f, signal) {
  listeners.add(f);
  signal?.addEventListener('abort', () => listeners.delete(f), { once: true });
}
addEventListener('storage', (event) => {
  if (event.key === null) for (const f of [...listeners]) f('user', true);
  else if (event.key.startsWith(PREFIX)) for (const f of [...listeners]) f(event.key.slice(PREFIX.length), true);
});

// A reservation is kept while it is held, so that every page can show what remains.
export function keepReservation(r) {
  if (r.status === 'HELD') put('hold.' + r.reservationId, r);
  else drop('hold.' + r.reservationId);
  return r;
}
