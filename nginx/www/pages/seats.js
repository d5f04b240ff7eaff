/* SPDX-License-Identifier: 0BSD */
// Choosing seats and holding them.
import { call, get, Problem } from '../api.js';
import * as clock from '../clock.js';
import { h, say } from '../dom.js';
import { list, money, number, t, when } from '../i18n.js';
import * as outbox from '../outbox.js';
import * as store from '../store.js';
import { poll } from '../ticks.js';
import { announce, ask, busy, notice, problemNotice, showProblem } from '../ui.js';
import { myPlace } from './concert.js';
import { currency, pass, performances } from './dates.js';
import { seatMap } from './seatmap.js';

const SEATS_MAX = 4; // of one performance; the service has the last word
const SMALL = 200;

function holdsOf(concertId) {
  return Object.values(store.all('hold')).filter((r) => r?.concertId === concertId && clock.secondsUntil(r.heldUntil) > 0);
}

export async function seats({ signal, show, refresh }, concertId, performanceId) {
  const place = await myPlace(concertId, signal);
  if (place?.status !== 'ACTIVE') return location.replace('#/concerts/' + concertId);
  const { token } = store.get('place.' + concertId);
  const [all, c] = await Promise.all([performances(concertId, token, signal), get('/concerts/' + concertId, { signal })]);
  const performance = all.find((p) => p.performanceId === performanceId);
  if (!performance) throw new Problem('PERFORMANCE_NOT_FOUND');

  const name = 'hold.' + performanceId;
  const chosenName = 'chosen.' + performanceId;
  const chosen = new Set(store.get(chosenName) ?? []);
  const mine = new Set();
  const problems = h('div', { class: 'wide' });
  const left = h('span');
  const summary = h('p', { class: 'summary' });
  const button = h('button', { type: 'button', class: 'primary' }, t('hold'));
  const dock = h('div', { class: 'dock' });
  const map = seatMap({ chosen, mine, toggle, price: (s) => money(s.price, currency()) });
  let told = [];

  function drawSummary() {
    store.put(chosenName, [...chosen]);
    const numbers = [...chosen].sort((a, b) => a - b);
    const amount = told.filter((s) => chosen.has(s.seatNumber)).reduce((sum, s) => sum + s.price, 0);
    say(summary, numbers.length ? t('chosen', { seats: numbers.join(', '), n: numbers.length, amount: money(amount, currency()) }) : t('chooseUpTo', { n: SEATS_MAX }));
    button.setAttribute('aria-disabled', String(!numbers.length));
  }

  // One hold at a time: paying for one ends the turn, and another one could not be paid for.
  function drawHeld(r) {
    if (dock.dataset.held === String(r?.reservationId)) return;
    dock.dataset.held = String(r?.reservationId);
    dock.classList.toggle('still', Boolean(r));
    dock.replaceChildren(problems, ...(r ? [
      notice('info', t('holdFirst', { seats: list(r.seatNumbers) }), t('holdFirstHelp')),
      h('p', { class: 'actions' }, h('a', { class: 'button primary', href: '#/reservations/' + r.reservationId }, t('goPay')),
        h('button', { type: 'button', onclick: () => giveUp(r) }, t('release')))] : [summary, button]));
  }
  async function giveUp(r) {
    if (!(await ask(t('releaseTitle'), t('releaseText', { seats: list(r.seatNumbers) }), t('release')))) return;
    try {
      await call('DELETE', '/reservations/' + r.reservationId, { access: store.get('user').accessKey });
      store.drop('hold.' + r.reservationId);
    } catch (problem) {
      showProblem(problems, problem, { concertId, again: () => giveUp(r) }, signal);
    }
  }

  function toggle(n) {
    const s = told.find((x) => x.seatNumber === n);
    if (mine.has(n)) return announce(t('seatIsMine', { n }));
    if (holdsOf(concertId).length) return announce(dock.textContent);
    if (chosen.has(n)) chosen.delete(n);
    else if (s.status !== 'AVAILABLE') return announce(t('seatIsTaken', { n }));
    else if (chosen.size >= SEATS_MAX) {
      problems.replaceChildren(notice('warn', t('atMost', { n: SEATS_MAX }), t('atMostHelp')));
      return announce(t('atMost', { n: SEATS_MAX }));
    } else chosen.add(n);
    problems.replaceChildren();
    map.redraw();
    drawSummary();
  }

  // Seats that went while one looked.
  function lost(numbers, kind) {
    const sorted = [...numbers].sort((a, b) => a - b);
    for (const n of sorted) chosen.delete(n);
    problems.replaceChildren(notice('warn', t(kind, { seats: list(sorted), n: sorted.length }),
      chosen.size ? t('stillChosen', { seats: list([...chosen].sort((a, b) => a - b)) }) : t('chooseOthers')));
    announce(problems.textContent, true);
  }

  async function look() {
    const now = await get(`/performances/${performanceId}/seats`, { token, signal });
    told = now.seats;
    mine.clear();
    const held = holdsOf(concertId);
    for (const r of held) if (r.performanceId === performanceId) for (const n of r.seatNumbers) mine.add(n);
    drawHeld(held[0]);
    const gone = told.filter((s) => chosen.has(s.seatNumber) && s.status !== 'AVAILABLE' && !mine.has(s.seatNumber)).map((s) => s.seatNumber);
    // While a hold is on its way they may be one's own.
    if (gone.length && !outbox.pending(name)) lost(gone, 'justTaken');
    for (const n of mine) chosen.delete(n);
    say(left, t('seatsFree', { n: number(now.availableSeats), of: number(now.totalSeats) }));
    map.update(told);
    if (!button.classList.contains('busy')) drawSummary();
  }

  async function hold(again) {
    try {
      const r = await (again ? outbox.settle(name) : outbox.send(name, `/performances/${performanceId}/reservations`, { body: { seatNumbers: [...chosen].sort((a, b) => a - b) }, token }));
      if (!r) return;
      store.put('currency', r.currency);
      store.keepReservation(r);
      store.drop(chosenName);
      if (!signal.aborted) location.hash = '#/reservations/' + r.reservationId;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.code === 'SEAT_TAKEN') lost(problem.members.seatNumbers, 'takenByOthers');
      else problems.replaceChildren(problemNotice(problem, { concertId, again: () => { problems.replaceChildren(); look().catch(() => {}); } }));
      if (!signal.aborted) await look();
    }
  }
  const press = () => chosen.size && busy(button, () => hold(false)).then(drawSummary).catch((problem) => showProblem(problems, problem, { concertId }, signal));
  button.addEventListener('click', press);

  await look();
  show(c.title,
    h('p', {}, h('strong', {}, when(performance.startsAt)), ' · ', performance.venue, ' · ', money(performance.price, currency())),
    pass(place, signal, refresh),
    h('p', { class: 'legend soft small' }, ...['free', 'chosen', 'taken', 'mine'].map((s) => h('span', {}, h('span', { class: 'key', 'data-state': s, 'aria-hidden': 'true' }), t('seat_' + s))), left),
    map.element, h('p', { class: 'soft small' }, t('mapHelp')), dock,
    h('p', {}, h('a', { href: '#/concerts/' + concertId }, t('otherDate'))));
  // A hold whose answer was lost before the page was closed.
  if (outbox.pending(name)) hold(true).then(drawSummary).catch((problem) => showProblem(problems, problem, { concertId }, signal));
  store.onChange((changed) => changed.startsWith('hold.') && look().catch(() => {}), signal);
  let just = true;
  await poll(signal, () => (just ? (just = false) : look()), () => ({ seen: told.length > SMALL ? 5000 : 2000, hidden: 60000 }));
}
