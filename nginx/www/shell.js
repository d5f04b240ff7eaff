/* SPDX-License-Identifier: 0BSD */
// What stands around every page: the head with the language, what is held, and the bar that says why one waits.
import { onWaits, waits } from './api.js';
import * as clock from './clock.js';
import { h, say } from './dom.js';
import { explain } from './errors.js';
import { choose, clockTime, language, languages, money, t } from './i18n.js';
import * as store from './store.js';
import { onTick } from './ticks.js';

export const main = h('main', { id: 'main', tabindex: '-1' });
const head = h('header', { class: 'top' });
const held = h('aside', { class: 'held', hidden: true });
const bar = h('p', { class: 'bar', role: 'status' });
let shown = new AbortController();
let again;

// Draws all of it in the language; changed() is called when another one was chosen.
export function draw(changed) {
  again = changed;
  document.documentElement.lang = language;
  held.setAttribute('aria-label', t('holdTitle'));
  const other = language === 'ko' ? 'en' : 'ko';
  head.replaceChildren(
    h('a', { class: 'skip', href: '#main', onclick: (e) => { e.preventDefault(); main.focus(); } }, t('skip')),
    h('a', { class: 'brand', href: '#/' }, h('img', { src: '/assets/icon.svg', alt: '', width: 28, height: 28 }), 'Boxoffice'),
    h('nav', { 'aria-label': t('menu') },
      h('a', { href: '#/' }, t('concerts')), h('a', { href: '#/mine' }, t('mine'))),
    h('button', { type: 'button', class: 'language', lang: other, onclick: () => { choose(other); again(); document.querySelector('.language').focus(); } },
      languages[other].language));
  if (!main.isConnected) {
    document.body.replaceChildren(head, bar, held, main,
      h('div', { id: 'polite', class: 'unseen', 'aria-live': 'polite' }), h('div', { id: 'urgent', class: 'unseen', 'aria-live': 'assertive' }));
    onWaits(drawBar);
    onTick(drawBar, new AbortController().signal);
    for (const what of ['online', 'offline', 'hashchange']) addEventListener(what, () => { drawBar(); drawHeld(); });
    store.onChange((name) => name.startsWith('hold.') && drawHeld());
  }
  drawBar();
  drawHeld();
}

function drawBar() {
  const list = [...waits].filter((w) => w.code !== 'IDEMPOTENCY_IN_PROGRESS');
  const lost = navigator.onLine === false || list.some((w) => w.code === 'NETWORK');
  const slow = list.find((w) => w.code !== 'NETWORK');
  // Without numbers that run: it is told to screen readers as it changes.
  say(bar, lost ? t('lost') : slow ? explain(slow.code).what + ' ' + t('goesOn') : '');
  bar.hidden = !bar.textContent;
}

// Seats that are held are never out of sight, whatever page is looked at.
function drawHeld() {
  shown.abort();
  shown = new AbortController();
  const holds = Object.values(store.all('hold')).filter((r) => r && clock.secondsUntil(r.heldUntil) > 0);
  const elsewhere = holds.filter((r) => location.hash !== '#/reservations/' + r.reservationId);
  held.hidden = elsewhere.length === 0;
  held.replaceChildren(...elsewhere.map((r) => {
    const left = h('span', { class: 'digits' });
    onTick(() => {
      const seconds = clock.secondsUntil(r.heldUntil);
      say(left, clockTime(seconds));
      if (seconds === 0) setTimeout(drawHeld);
    }, shown.signal);
    return h('a', { href: '#/reservations/' + r.reservationId },
      h('span', {}, t('heldForYou', { seats: r.seatNumbers.join(', ') }), ' · ', money(r.amount, r.currency), ' · ', left), h('strong', {}, t('goPay')));
  }));
}
