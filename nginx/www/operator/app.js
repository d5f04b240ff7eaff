/* SPDX-License-Identifier: 0BSD */
// The operator's page: asks /status again and again and draws what it says. It changes nothing, and keeps nothing but
// what it saw since it was opened.
import { h, say } from '/assets/dom.js';
import { choose, language, languages, number, t } from '/assets/i18n.js';
import { poll, start } from '/assets/ticks.js';
import { chart } from './chart.js';
import { detail, list } from './concerts.js';
import { en } from './en.js';
import { findings } from './health.js';
import { History } from './history.js';
import { ko } from './ko.js';
import { ofConcert, ofService, serviceCharts } from './numbers.js';

Object.assign(languages.en, en);
Object.assign(languages.ko, ko);

const EVERY = () => ({ seen: 1000, hidden: 5000 });
const ANSWER_MS_MAX = 8000;
const RANGES_MIN = [5, 15, 60];
const CALM_MS = 5000; // for who wants nothing to move: no more often than this

const service = new History();
const concerts = new Map(); // histories by concertId
let status = null; // the last answer
let answeredAt = null;
let trouble = null; // why there was none
let rangeMs = RANGES_MIN[0] * 60000;
let held = false; // all but the verdict stands still
let view;

const calm = matchMedia('(prefers-reduced-motion: reduce)');
const now = () => Math.round(performance.now());

// --- asking ---

const REFUSED = { 403: 'notAllowed', 429: 'tooOften', 503: 'noWorker' };

async function ask() {
  try {
    const answer = await fetch('/status', { cache: 'no-store', credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    if (answer.ok) {
      record(await answer.json());
      trouble = null;
    } else trouble = REFUSED[answer.status] ?? 'oddAnswer';
  } catch (error) {
    trouble = error.name === 'TimeoutError' ? 'noAnswer' : error instanceof TypeError ? 'noServer' : 'oddAnswer';
  }
  if (trouble) for (const history of [service, ...concerts.values()]) history.gap(now());
  draw();
}

function record(s) {
  const ms = now();
  if (status && status.pool.startedAt !== s.pool.startedAt) service.gap(ms - 1);
  service.add({ ms, ...ofService(s) });
  const gone = new Set(concerts.keys());
  for (const q of s.queues) {
    if (!concerts.has(q.concertId)) concerts.set(q.concertId, new History());
    concerts.get(q.concertId).add({ ms, ...ofConcert(q) });
    gone.delete(q.concertId);
  }
  for (const id of gone) concerts.delete(id);
  status = s;
  answeredAt = new Date();
}

// --- showing ---

function build() {
  document.documentElement.lang = language;
  const other = language === 'ko' ? 'en' : 'ko';
  const hold = h('button', { type: 'button', class: 'hold', 'aria-pressed': String(held), onclick: () => {
    held = !held;
    hold.setAttribute('aria-pressed', String(held));
    draw(true);
  } }, t('holdStill'));
  const range = h('select', { id: 'range', onchange: () => { rangeMs = Number(range.value) * 60000; draw(true); } },
    RANGES_MIN.map((n) => h('option', { value: n, selected: n * 60000 === rangeMs }, t('minutes', { n }))));
  view = {
    verdict: h('h1'),
    since: h('p', { class: 'soft small' }),
    findings: h('ul', { class: 'findings' }),
    announce: h('p', { class: 'unseen', role: 'status' }),
    list: list(),
    detail: null,
    place: h('div'),
    charts: serviceCharts.map(chart),
    values: h('tbody'),
    drawnAt: -Infinity,
    told: null,
  };
  const table = h('table', {}, h('caption', { class: 'unseen' }, t('allValues')), h('thead', {}, h('tr', {},
    ...['what', 'latest', 'least', 'peak'].map((name) => h('th', { scope: 'col' }, t(name))))), view.values);
  document.body.replaceChildren(
    h('header', { class: 'top' },
      h('a', { class: 'skip', href: '#main', onclick: (e) => { e.preventDefault(); document.getElementById('main').focus(); } }, t('skip')),
      h('span', { class: 'brand' }, h('img', { src: '/assets/icon.svg', alt: '', width: 28, height: 28 }), t('operation')),
      h('button', { type: 'button', class: 'language', lang: other, onclick: () => { choose(other); build(); document.querySelector('.language').focus(); } }, languages[other].language),
      h('div', { class: 'tools' }, h('label', { for: 'range' }, t('range')), range, hold)),
    h('main', { id: 'main', class: 'operator', tabindex: '-1' },
      h('section', { class: 'verdict card', 'aria-label': t('verdict') }, view.verdict, view.findings, view.since), view.announce,
      h('div', { class: 'concerts' }, view.list.element, view.place),
      h('section', { 'aria-labelledby': 'service' }, h('h2', { id: 'service' }, t('service')), h('div', { class: 'charts broad' }, view.charts.map((c) => c.element))),
      h('details', { class: 'values', ontoggle: () => draw(true) }, h('summary', {}, t('allValues')), h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': t('allValues') }, table))));
  draw(true);
}

function drawVerdict() {
  const found = findings({ status, trouble, service, now: now() });
  const wrong = found.filter((f) => f.kind !== 'note');
  const verdict = !status && !trouble ? t('asking') : wrong.length ? t('notWell', { n: wrong.length }) : t('well');
  say(view.verdict, verdict);
  view.verdict.parentElement.dataset.kind = !status && !trouble ? 'note' : wrong[0]?.kind ?? 'good';
  document.title = `${wrong.length ? `(${wrong.length}) ` : ''}${verdict} · Boxoffice`;
  const items = found.map(({ kind, name, values }) => [kind, t('kind_' + kind), t(name, values), t(name + 'Do', values)]);
  const text = JSON.stringify(items);
  if (view.findings.dataset.text !== text) {
    view.findings.dataset.text = text;
    view.findings.replaceChildren(...items.map(([kind, word, what, to]) => h('li', { class: kind }, h('strong', {}, word), ' ', what, ' ', h('span', { class: 'soft' }, to))));
  }
  // Told aloud when something comes or goes, not at each number that changes.
  const told = verdict + wrong.map((f) => f.name).join();
  if (view.told !== told) {
    view.told = told;
    say(view.announce, [verdict, ...items.filter(([kind]) => kind !== 'note').map(([, , what]) => what)].join(' '));
  }
  const at = answeredAt && new Intl.DateTimeFormat(language, { timeStyle: 'medium' }).format(answeredAt);
  say(view.since, !status ? '' : trouble ? t('stale', { at }) : t('since', { at, version: status.pool.version, n: number(status.pool.workers), up: t('uptime', { s: status.pool.uptimeSeconds }) }));
}

// The concert of the address, or the busiest one at first.
function chosen() {
  const id = Number(location.hash.match(/^#\/([1-9]\d{0,15})$/)?.[1] ?? view.detail?.id);
  return status.queues.find((q) => q.concertId === id) ?? [...status.queues].sort((a, b) => b.waiting - a.waiting || b.active - a.active)[0];
}

// `all` even when it stands still: something was asked for.
function draw(all = false) {
  drawVerdict();
  const at = now();
  if (!status || (!all && (held || (calm.matches && at - view.drawnAt < CALM_MS)))) return;
  view.drawnAt = at;
  const q = chosen();
  if (view.detail?.id !== q?.concertId) {
    view.detail = q ? { id: q.concertId, ...detail(q) } : null;
    view.place.replaceChildren(...(view.detail ? [view.detail.element] : []));
  }
  view.detail?.draw(q, status.currency);
  view.list.draw(status.queues, q?.concertId);
  // As much of the range as there is something to show of, in whole minutes.
  const shownMs = Math.min(rangeMs, Math.ceil((at - service.points[0].ms + 1) / 60000) * 60000);
  const drawn = [...(view.detail?.charts ?? []).map((c) => [c, concerts.get(q.concertId)]), ...view.charts.map((c) => [c, service])]
    .map(([c, history]) => [c.title, c.draw(history, at, shownMs)]);
  if (!view.values.closest('details').open) return;
  view.values.replaceChildren(...drawn.flatMap(([title, rows]) => rows.map(([label, ...cells]) => h('tr', {},
    h('th', { scope: 'row' }, title === label ? title : `${title}: ${label}`), ...cells.map((cell) => h('td', {}, cell))))));
}

addEventListener('hashchange', () => {
  draw(true);
  view.detail?.heading.focus();
});
start();
build();
await poll(new AbortController().signal, ask, EVERY);
