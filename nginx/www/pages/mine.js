/* SPDX-License-Identifier: 0BSD */
// What is one's own: reservations, the balance and its history, and the key to all of it.
import { call, get, Problem } from '../api.js';
import { h } from '../dom.js';
import { list, money, stamp, t, when } from '../i18n.js';
import * as outbox from '../outbox.js';
import * as store from '../store.js';
import { announce, ask, busy, countdown, notice, problemNotice, rows, showProblem } from '../ui.js';
import { balance, charge, chargeForm } from './money.js';
import { about, paymentOf } from './checkout.js';

// The access key and whose it is, in one line that can be kept elsewhere.
const codeOf = (user) => `${user.userId}.${user.accessKey}`;

// What belongs to the one that this browser was.
function forget() {
  for (const kind of ['place', 'hold', 'outbox', 'chosen']) for (const name of Object.keys(store.all(kind))) store.drop(`${kind}.${name}`);
  store.drop('user');
}

function keyForm(refresh, signal) {
  const problems = h('div');
  const input = h('input', { id: 'code', type: 'password', required: true, autocomplete: 'current-password' });
  const button = h('button', {}, t('useCode'));
  return h('form', { onsubmit: (event) => {
    event.preventDefault();
    const [userId, ...rest] = input.value.trim().split('.');
    const accessKey = rest.join('.');
    busy(button, async () => {
      if (!/^[0-9a-f-]{36}$/.test(userId) || !/^[!-~]+$/.test(accessKey)) throw new Problem('CREDENTIALS_INVALID');
      await get(`/users/${userId}/balance`, { access: accessKey, signal });
      const known = store.get('user');
      if (known?.userId !== userId) forget();
      store.put('user', { userId, accessKey, name: known?.userId === userId ? known.name : '' });
      refresh();
    }).catch((problem) => showProblem(problems, problem, {}, signal));
  } }, h('p', { class: 'field' }, h('label', { for: 'code' }, t('haveCode')), input), button, problems);
}

function keySection(user, refresh, signal) {
  const shown = h('details', {}, h('summary', {}, t('showCode')), h('p', {}, h('code', {}, codeOf(user))));
  const copied = h('span', { role: 'status', class: 'soft' });
  return h('details', { class: 'card' }, h('summary', {}, t('codeTitle')), h('p', {}, t('codeText')),
    h('p', { class: 'actions' }, h('button', { type: 'button', onclick: async () => {
      // Browsers allow it on secure origins only.
      const done = await navigator.clipboard?.writeText(codeOf(user)).then(() => true, () => false);
      if (done) copied.textContent = t('copied');
      else shown.open = true;
    } }, t('copyCode')), copied),
    shown,
    h('hr'), keyForm(refresh, signal));
}

// A list that comes page by page.
function pages(path, row, access, signal, empty) {
  const items = h('ul', { class: 'cards' });
  const problems = h('div');
  const more = h('button', { type: 'button' }, t('more'));
  let after = '';
  const load = async () => {
    const page = await get(`${path}?limit=20${after}`, { access, signal });
    items.append(...(await Promise.all(page.items.map(row))));
    if (!items.children.length) items.replaceWith(h('p', { class: 'soft' }, empty));
    after = '&after=' + page.next;
    more.hidden = page.next === null;
  };
  more.addEventListener('click', () => busy(more, load).catch((problem) => showProblem(problems, problem, {}, signal)));
  const e = h('div', {}, items, problems, more);
  return load().then(() => e);
}

export async function mine({ signal, show, refresh }) {
  const user = store.get('user');
  if (!user) {
    return show(t('mine'), notice('info', t('nobody'), t('nobodyHelp'), h('p', {}, h('a', { class: 'button primary', href: '#/' }, t('toConcerts')))),
      h('section', { class: 'card' }, h('h2', {}, t('codeTitle')), h('p', {}, t('codeElsewhere')), keyForm(refresh, signal)));
  }
  const access = user.accessKey;
  let told;
  try {
    // What was sent and not answered comes first.
    await charge(null).catch(() => null);
    told = await balance(signal);
  } catch (problem) {
    if (problem.code !== 'CREDENTIALS_INVALID' && problem.code !== 'USER_NOT_FOUND') throw problem;
    return show(t('mine'), problemNotice(new Problem('CREDENTIALS_INVALID')), h('section', { class: 'card' }, keyForm(refresh, signal)),
      h('p', {}, h('button', { type: 'button', class: 'quiet', onclick: async () => {
        if (!(await ask(t('forgetTitle'), t('forgetText'), t('forget')))) return;
        forget();
        refresh();
      } }, t('forget'))));
  }

  const problems = h('div', { class: 'problems' });
  const act = async (title, text, yes, work, done) => {
    if (!(await ask(title, text, yes))) return;
    try {
      await work();
      announce(done);
      refresh();
    } catch (problem) {
      showProblem(problems, problem, { again: () => act(title, text, yes, work, done) }, signal);
      problems.scrollIntoView({ block: 'nearest' });
    }
  };

  const row = async (r) => {
    store.keepReservation(r);
    const facts = await about(r, signal);
    const seats = list(r.seatNumbers);
    const buttons = [];
    if (r.status === 'HELD') {
      buttons.push(h('a', { class: 'button primary', href: '#/reservations/' + r.reservationId }, t('goPay')),
        h('button', { type: 'button', onclick: () => act(t('releaseTitle'), t('releaseText', { seats }), t('release'),
          () => call('DELETE', '/reservations/' + r.reservationId, { access }), t('holdReleased')) }, t('release')));
    } else if (r.status === 'PAID') {
      const open = h('button', { type: 'button', class: 'primary', onclick: () => busy(open, async () => {
        const payment = await paymentOf(r.reservationId, signal);
        if (payment) location.hash = '#/tickets/' + payment.paymentId;
      }).catch((problem) => showProblem(problems, problem, {}, signal)) }, t('openTicket'));
      buttons.push(open, h('button', { type: 'button', onclick: () => act(t('cancelTitle'), t('cancelText', { seats, amount: money(r.amount, r.currency) }), t('cancel'),
        () => outbox.send('cancel.' + r.reservationId, `/reservations/${r.reservationId}/cancellation`), t('reservationCancelled')) }, t('cancel')));
    }
    return h('li', { class: 'card' },
      h('div', { class: 'card-head' }, h('h3', {}, facts.title), h('span', { class: 'tag ' + r.status.toLowerCase() }, t('status_' + r.status))),
      h('p', { class: 'soft' }, facts.performance ? when(facts.performance.startsAt) + ' · ' + facts.performance.venue : t('performanceNumber') + ' ' + r.performanceId),
      h('p', {}, t('seats', { n: r.seatNumbers.length }), ' ', h('strong', {}, r.seatNumbers.join(', ')), ' · ', money(r.amount, r.currency),
        r.status === 'HELD' && [' · ', countdown(r.heldUntil, { signal, label: t('holdLeft'), ended: refresh })]),
      buttons.length ? h('p', { class: 'actions' }, buttons) : null);
  };
  const entry = (e) => h('li', { class: 'entry' }, h('span', {}, t('entry_' + e.type), h('span', { class: 'soft small' }, ' ', stamp(e.createdAt))),
    h('span', { class: 'amount' }, (e.amount > 0 ? '+' : '') + money(e.amount, told.currency), h('span', { class: 'soft small' }, ' ', money(e.balanceAfter, told.currency))));

  const [reservations, history] = await Promise.all([
    pages('/reservations', row, access, signal, t('noReservations')),
    pages(`/users/${user.userId}/balance/history`, entry, access, signal, t('noHistory'))]);
  history.firstChild.classList.replace('cards', 'entries');
  show(t('mine'), problems,
    h('section', {}, h('h2', {}, t('reservations')), reservations),
    h('section', {}, h('h2', {}, t('balance')), h('div', { class: 'card' }, rows([t('balance'), h('strong', {}, money(told.balance, told.currency))]),
      h('details', {}, h('summary', {}, t('addMoney')), chargeForm({ currency: told.currency, done: refresh })))),
    h('section', {}, h('h2', {}, t('history')), history),
    keySection(user, refresh, signal));
}
