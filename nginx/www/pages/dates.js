/* SPDX-License-Identifier: 0BSD */
// Let in: which date.
import { get } from '../api.js';
import { h } from '../dom.js';
import { money, number, t, when } from '../i18n.js';
import * as store from '../store.js';
import { poll } from '../ticks.js';
import { countdown, notice } from '../ui.js';

const EVERY = () => ({ seen: 5000, hidden: 60000 });

// The answers name no currency here; the last one that was told will do.
export function currency() {
  return store.get('currency') ?? 'KRW';
}

// How long one may still look, hold and pay.
export function pass(place, signal, refresh) {
  return h('p', { class: 'pass soft' }, t('passLeft'), ' ',
    countdown(place.expiresAt, { signal, ended: refresh, label: t('passLeft'), warn: (s) => t('passWarn', { n: s }) }));
}

// The performances on sale; kept, because only those let in may ask, and a ticket names its date later.
export async function performances(concertId, token, signal) {
  const { items } = await get(`/concerts/${concertId}/performances`, { token, signal });
  for (const p of items) store.put('performance.' + p.performanceId, { startsAt: p.startsAt, venue: p.venue, price: p.price, concertId });
  return items;
}

function card(concertId, p) {
  const gone = p.availableSeats === 0;
  const inside = [h('span', { class: 'card-title' }, when(p.startsAt)), h('span', {}, p.venue),
    h('span', { class: 'soft' }, money(p.price, currency()), ' · ', gone ? t('soldOut') : t('seatsFree', { n: number(p.availableSeats), of: number(p.totalSeats) }))];
  return h('li', {}, h('a', { class: 'card' + (gone ? ' gone' : ''), href: `#/concerts/${concertId}/performances/${p.performanceId}` }, ...inside));
}

export async function dates({ signal, show, refresh }, c, place) {
  const { token } = store.get('place.' + c.concertId);
  const list = h('ul', { class: 'cards' });
  let drawn = '';
  let shown = false;
  await poll(signal, async () => {
    const items = await performances(c.concertId, token, signal);
    const now = JSON.stringify(items);
    if (now !== drawn) {
      drawn = now;
      // Whoever is on one of the dates stays there.
      const at = [...list.querySelectorAll('a')].indexOf(document.activeElement);
      list.replaceChildren(...items.map((p) => card(c.concertId, p)));
      if (at >= 0) list.querySelectorAll('a')[at]?.focus();
    }
    if (shown) return;
    shown = true;
    show(c.title, pass(place, signal, refresh), h('h2', {}, t('chooseDate')),
      items.length ? list : notice('info', t('noDates'), t('noDatesHelp')));
    // Who looks at another tab sees it on this one's.
    if (document.hidden) {
      const title = document.title;
      document.title = `${t('yourTurn')} ${title}`;
      document.addEventListener('visibilitychange', () => { document.title = title; }, { once: true, signal });
    }
  }, EVERY);
}
