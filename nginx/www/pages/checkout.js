/* SPDX-License-Identifier: 0BSD */
// A hold: what remains of it, what it costs, and paying it. Then what became of it.
import { call, get, Problem } from '../api.js';
import { h } from '../dom.js';
import { list, money, t, when } from '../i18n.js';
import * as outbox from '../outbox.js';
import * as store from '../store.js';
import { poll } from '../ticks.js';
import { announce, ask, busy, countdown, notice, problemNotice, rows } from '../ui.js';
import { balance, charge, chargeForm } from './money.js';

const EVERY = () => ({ seen: 10000, hidden: 60000 });

// Its concert and date, as far as this browser saw them.
export async function about(r, signal) {
  const c = store.get('concert.' + r.concertId) ?? (await get('/concerts/' + r.concertId, { signal }));
  store.put('concert.' + r.concertId, { title: c.title });
  return { title: c.title, performance: store.get('performance.' + r.performanceId) };
}

export function aboutRows(r, { performance }) {
  return [
    performance ? [t('date'), when(performance.startsAt)] : [t('performanceNumber'), String(r.performanceId)],
    performance && [t('venue'), performance.venue],
    [t('seats', { n: r.seatNumbers.length }), h('strong', {}, r.seatNumbers.join(', '))],
  ];
}

// The payment of a reservation, among one's own.
export async function paymentOf(reservationId, signal) {
  const { accessKey } = store.get('user');
  for (let after = ''; ;) {
    const page = await get('/payments?limit=100' + after, { access: accessKey, signal });
    const found = page.items.find((p) => p.reservationId === reservationId);
    if (found || page.next === null) return found ?? null;
    after = '&after=' + page.next;
  }
}

const ended = { EXPIRED: 'holdExpired', RELEASED: 'holdReleased', CANCELLED: 'reservationCancelled' };

export async function checkout(page, id) {
  const { signal, show, refresh } = page;
  const user = store.get('user');
  if (!user) throw new Problem('CREDENTIALS_MISSING');
  const pay = 'pay.' + id;
  const r = store.keepReservation(await get('/reservations/' + id, { access: user.accessKey, signal }));
  const facts = await about(r, signal);
  const seatsAddress = `#/concerts/${r.concertId}/performances/${r.performanceId}`;

  const paid = (payment) => {
    store.drop('hold.' + id);
    store.drop('place.' + r.concertId);
    announce(t('paidTitle'), true);
    if (!signal.aborted) location.replace('#/tickets/' + payment.paymentId);
  };

  if (r.status === 'PAID') {
    const payment = (await outbox.settle(pay).catch(() => null)) ?? (await paymentOf(id, signal));
    if (payment) return paid(payment);
  }
  if (r.status !== 'HELD') {
    if (ended[r.status] === 'holdExpired') announce(t('holdExpired'), true);
    return show(t(ended[r.status] ?? 'paidTitle'),
      h('p', {}, t(r.status === 'EXPIRED' ? 'holdExpiredHelp' : 'holdEndedHelp')),
      rows([t('concert'), facts.title], ...aboutRows(r, facts)),
      h('p', { class: 'actions' }, h('a', { class: 'button primary', href: seatsAddress }, t('chooseAgain')), h('a', { class: 'button', href: '#/mine' }, t('toMine'))));
  }

  const problems = h('div');
  const money_ = h('section', { class: 'card money' });
  let balanceNow = null;
  let stepWas = '';
  let sending = Boolean(outbox.pending(pay));

  async function sendPayment() {
    sending = true;
    step();
    problems.replaceChildren();
    try {
      return paid(await outbox.send(pay, `/reservations/${id}/payment`, { token: store.get('place.' + r.concertId)?.token }));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.code === 'ALREADY_PAID') {
        const payment = await paymentOf(id, signal);
        if (payment) return paid(payment);
      }
      if (problem.code === 'HOLD_EXPIRED' || problem.code === 'RESERVATION_ENDED') return refresh();
      problems.replaceChildren(problemNotice(problem, { concertId: r.concertId, again: sendPayment }));
    } finally {
      sending = Boolean(outbox.pending(pay)) && sending && !problems.children.length;
    }
    await look();
  }

  const payButton = h('button', { type: 'button', class: 'primary wide' }, t('pay', { amount: money(r.amount, r.currency) }));
  payButton.addEventListener('click', () => busy(payButton, sendPayment));

  // One clear thing to do: add what is missing, or pay.
  function step() {
    const missing = balanceNow === null ? 0 : r.amount - balanceNow;
    const next = sending ? 'sending' : missing > 0 ? 'charge' + missing : 'pay';
    if (next === stepWas) return;
    stepWas = next;
    const hadFocus = money_.contains(document.activeElement);
    money_.replaceChildren(rows([t('balance'), balanceNow === null ? '…' : money(balanceNow, r.currency)], [t('toPay'), h('strong', {}, money(r.amount, r.currency))],
      missing > 0 && [t('missing'), h('strong', { class: 'warn' }, money(missing, r.currency))]),
    ...(sending ? [h('p', { class: 'sending', role: 'status' }, t('paying'))] : []),
    missing > 0 && !sending ? chargeForm({ suggested: missing, currency: r.currency, primary: true, done: look }) : payButton,
    h('p', { class: 'soft small' }, t(missing > 0 ? 'chargeHelp' : 'payHelp')));
    if (hadFocus && !money_.contains(document.activeElement)) money_.querySelector('button')?.focus();
  }

  async function look() {
    const told = await balance(signal);
    if (told.balance !== balanceNow) stepWas = '';
    balanceNow = told.balance;
    step();
  }

  const release = async () => {
    if (!(await ask(t('releaseTitle'), t('releaseText', { seats: list(r.seatNumbers) }), t('release')))) return;
    try {
      await call('DELETE', '/reservations/' + id, { access: user.accessKey });
      store.drop('hold.' + id);
      location.hash = seatsAddress;
    } catch (problem) {
      problems.replaceChildren(problemNotice(problem, { concertId: r.concertId, again: release }));
    }
  };

  if (outbox.pending('charge')) charge(null).then(look).catch(() => {});
  await look();
  const clock = countdown(r.heldUntil, { signal, label: t('holdLeft'), warn: (s) => t('holdWarn', { n: s }),
    // A payment on its way is answered by the service, not by the clock.
    ended: () => sending || refresh() });
  show(t('holdTitle'),
    h('p', { class: 'left-time' }, t('holdLeft'), ' ', clock),
    h('section', { class: 'card' }, rows([t('concert'), facts.title], ...aboutRows(r, facts))),
    money_, problems,
    h('p', { class: 'actions' }, h('button', { type: 'button', class: 'quiet', onclick: release }, t('release'))));
  if (sending) busy(payButton, sendPayment);
  // Released or paid in another page.
  store.onChange((name, elsewhere) => elsewhere && name === 'hold.' + id && !store.get(name) && refresh(), signal);
  let just = true;
  await poll(signal, async () => {
    if (just || sending) return void (just = false);
    const now = await get('/reservations/' + id, { access: user.accessKey, signal });
    if (now.status !== 'HELD' && !sending) refresh();
    else await look();
  }, EVERY);
}
