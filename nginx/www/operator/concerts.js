/* SPDX-License-Identifier: 0BSD */
// The list of concerts, and the one that is looked at. A list may have a thousand: the busiest are shown, the others
// are found by what is typed.
import { h, say } from '/assets/dom.js';
import { money, number, t } from '/assets/i18n.js';
import { chart } from './chart.js';
import { concertCharts } from './numbers.js';

const SHOWN = 12;

const busiest = (a, b) => b.waiting - a.waiting || b.active - a.active || a.concertId - b.concertId;
const states = (q) => [q.paused && t('paused'), q.draining && t('draining')].filter(Boolean).join(' · ');

function row(q) {
  const [state, waiting, inside, sold] = [h('span', { class: 'soft small' }), h('td'), h('td'), h('td')];
  const link = h('a', { href: '#/' + q.concertId });
  const element = h('tr', {}, h('th', { scope: 'row' }, link, ' ', state), waiting, inside, sold);
  return {
    element,
    draw(now, chosen) {
      say(link, now.title);
      if (chosen) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
      say(state, [`#${now.concertId}`, states(now)].filter(Boolean).join(' · '));
      say(waiting, number(now.waiting));
      say(inside, `${number(now.active)} / ${number(now.maxActive)}`);
      say(sold, `${number(now.seats.sold)} / ${number(now.seats.total)}`);
    },
  };
}

export function list() {
  const rows = new Map(); // by concertId
  const find = h('input', { id: 'find', type: 'search', autocomplete: 'off', spellcheck: false });
  const body = h('tbody');
  const counted = h('p', { class: 'soft small', role: 'status' });
  const more = h('button', { type: 'button', hidden: true }, t('more'));
  const table = h('table', {}, h('caption', { class: 'unseen' }, t('concerts')),
    h('thead', {}, h('tr', {}, ...['concert', 'line_waiting', 'chart_inside', 'line_sold'].map((name) => h('th', { scope: 'col' }, t(name))))), body);
  const scroll = h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': t('concerts') }, table);
  const element = h('section', { class: 'list', 'aria-labelledby': 'concerts' }, h('h2', { id: 'concerts' }, t('concerts')),
    h('p', { class: 'find' }, h('label', { for: 'find' }, t('find')), find), scroll, counted, more);
  let room = SHOWN;
  let order = [];
  let typed = null;
  let redraw = () => {};
  find.addEventListener('input', () => { room = SHOWN; redraw(); });
  more.addEventListener('click', () => { room += 4 * SHOWN; order = []; redraw(); });

  function draw(queues, chosenId) {
    redraw = () => draw(queues, chosenId);
    const wanted = find.value.trim().toLowerCase();
    const found = queues.filter((q) => !wanted || q.title.toLowerCase().includes(wanted) || String(q.concertId) === wanted);
    // Rows don't move under a hand that is about to take one.
    const still = typed === wanted && element.matches(':hover, :focus-within') && order.every((id) => found.some((q) => q.concertId === id));
    if (!still || order.length < Math.min(room, found.length)) {
      order = found.sort(busiest).slice(0, room).map((q) => q.concertId);
      typed = wanted;
    }
    const byId = new Map(queues.map((q) => [q.concertId, q]));
    for (const id of [...rows.keys()]) if (!order.includes(id)) rows.delete(id);
    const shown = order.map((id) => {
      if (!rows.has(id)) rows.set(id, row(byId.get(id)));
      rows.get(id).draw(byId.get(id), id === chosenId);
      return rows.get(id).element;
    });
    if (shown.length !== body.children.length || shown.some((e, i) => body.children[i] !== e)) body.replaceChildren(...shown);
    say(counted, queues.length ? t('shownOf', { n: number(shown.length), of: number(found.length) }) : t('noConcerts'));
    more.hidden = shown.length >= found.length;
    scroll.hidden = !shown.length;
  }
  return { element, draw };
}

// A command to type in a shell; nothing here does it.
function command(what, text, tell) {
  const code = h('code', {}, text);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      tell(t('copied', { text }));
    } catch {
      // Without HTTPS, or not allowed.
      getSelection().selectAllChildren(code);
      tell(t('selected'));
    }
  };
  return h('li', {}, h('span', {}, what), code, h('button', { type: 'button', 'aria-label': `${t('copy')}: ${text}`, onclick: copy }, t('copy')));
}

export function detail(q) {
  const heading = h('h2', { id: 'chosen', tabindex: '-1' }, q.title);
  const told = h('p', { class: 'soft small', role: 'status' });
  const tell = (text) => { say(told, ''); setTimeout(() => say(told, text), 50); };
  const values = {};
  const fact = (name) => h('div', {}, h('dt', {}, t('fact_' + name)), (values[name] = h('dd', { class: 'digits', 'data-fact': name })));
  const facts = ['state', 'waiting', 'inside', 'admitted', 'admittedTotal', 'noShows', 'seats', 'sales'].map(fact);
  const charts = concertCharts.map(chart);
  const id = q.concertId;
  const element = h('section', { class: 'detail', 'aria-labelledby': 'chosen' }, heading,
    h('dl', { class: 'facts card' }, facts),
    h('div', { class: 'charts' }, charts.map((c) => c.element)),
    h('h3', {}, t('commands')), h('p', { class: 'soft small' }, t('commandsHelp')),
    h('ul', { class: 'commands' },
      command(t('doPause'), `boxofficectl queue pause ${id}`, tell),
      command(t('doResume'), `boxofficectl queue resume ${id}`, tell),
      command(t('doCap'), `boxofficectl queue set ${id} --max-active ${q.maxActive}`, tell),
      command(t('doDrain'), `boxofficectl queue drain ${id}`, tell)), told);

  function draw(now, currency) {
    say(heading, now.title);
    say(values.state, states(now) || t('running'));
    say(values.waiting, number(now.waiting));
    say(values.inside, t('ofMost', { n: number(now.active), of: number(now.maxActive) }));
    say(values.admitted, number(now.admittedPerMinute));
    say(values.admittedTotal, number(now.admittedTotal));
    say(values.noShows, number(now.noShowTotal));
    say(values.seats, t('seatsSay', { sold: number(now.seats.sold), held: number(now.seats.held), free: number(now.seats.free) }));
    say(values.sales, t('salesSay', { n: now.sales.reservations, amount: money(now.sales.amount, currency) }));
  }
  return { element, heading, charts, draw };
}
