/* SPDX-License-Identifier: 0BSD */
// The waiting room. It waits on the static file of the queue, which costs the service nothing, and asks the service
// itself only when the file says that its turn has come, and now and then, as told, to keep `ahead` exact.
import { call, get, Problem } from '../api.js';
import * as clock from '../clock.js';
import { h, say } from '../dom.js';
import { about, number, stamp, t } from '../i18n.js';
import * as store from '../store.js';
import { poll } from '../ticks.js';
import { announce, ask, notice, rows, showProblem } from '../ui.js';

const NEAR = 200; // so few in front: looked at every second
const NEAR_MS = 1000;
const FAR_MS = 3000;
const HIDDEN_MS = 15000; // who is let in has a minute to show up
const TOLD_EVERY_MS = 30000;

export async function waiting({ signal, show, refresh }, c, place) {
  const kept = store.get('place.' + c.concertId);
  const first = Math.max(kept.first ?? 0, place.ahead);
  store.put('place.' + c.concertId, { ...kept, first });
  let { ahead, estimatedWaitSeconds, pollAfterSeconds } = place;
  let file = null;
  let turn = false;
  let toldMs = 0;
  let told = '';

  const count = h('strong', { class: 'huge' });
  const people = h('span', {});
  const bar = h('progress', { max: first + 1, 'aria-label': t('progress') });
  const estimate = h('span');
  const seats = h('span');
  const word = h('div');
  let wordIs = '';
  const problems = h('div');

  const draw = () => {
    // Nobody waits with a number that was let in or left: what lies between can only be fewer.
    if (file) ahead = Math.min(ahead, Math.max(0, place.number - file.admittedThrough - 1));
    say(count, number(ahead));
    say(people, t('peopleAhead', { n: ahead }));
    bar.value = first + 1 - ahead;
    const rate = file?.admittedPerMinute;
    const seconds = estimatedWaitSeconds ?? (rate ? (ahead * 60) / rate : null);
    const paused = file?.paused;
    const opens = c.salesOpenAt && Date.parse(c.salesOpenAt) > clock.now() ? c.salesOpenAt : null;
    say(estimate, opens || paused || seconds === null ? t('notKnown') : about(seconds));
    say(seats, file ? number(file.seatsLeft) : '…');
    const next = opens ? 'before' : paused ? 'paused' : file && file.seatsLeft === 0 ? 'soldOut' : '';
    if (next !== wordIs) {
      wordIs = next;
      word.replaceChildren(...({ before: () => [notice('info', t('salesOpenAt', { time: stamp(opens) }), t('beforeHelp'))],
        paused: () => [notice('info', t('paused'), t('pausedHelp'))],
        soldOut: () => [notice('warn', t('noSeatsNow'), t('noSeatsNowHelp'))] }[next]?.() ?? []));
      if (next) announce(word.textContent);
    }
    document.title = t('aheadTitle', { n: number(ahead) }) + ' · Boxoffice';
    // A screen reader is told now and then, not at each step.
    const text = `${number(ahead)} ${t('peopleAhead', { n: ahead })}. ${t('estimate')}: ${estimate.textContent}`;
    if (text !== told && performance.now() - toldMs > TOLD_EVERY_MS) {
      if (toldMs) announce(text);
      told = text;
      toldMs = performance.now();
    }
  };

  const asked = async () => {
    const now = await get(`/concerts/${c.concertId}/queue`, { token: kept.token, signal });
    if (now.status !== 'WAITING') {
      if (now.status === 'ACTIVE') announce(t('yourTurn'), true);
      return refresh();
    }
    // It may be older than the file by a moment.
    ahead = Math.min(ahead, now.ahead);
    ({ estimatedWaitSeconds, pollAfterSeconds } = now);
    draw();
  };
  const looked = async () => {
    try {
      file = await get(`/queue/${c.concertId}.json`, { signal });
    } catch (problem) {
      // The file of a new concert may not be there yet: the service answers by itself then.
      if (!(problem instanceof Problem) || problem.code !== 'CONCERT_NOT_FOUND') throw problem;
    }
    draw();
    turn = Boolean(file) && place.number <= file.admittedThrough;
    if (turn) await asked();
  };
  const leave = async () => {
    if (!(await ask(t('leaveTitle'), t('leaveText'), t('leave')))) return;
    try {
      await call('DELETE', `/concerts/${c.concertId}/queue`, { token: kept.token });
      store.drop('place.' + c.concertId);
      location.hash = '#/';
    } catch (problem) {
      showProblem(problems, problem, { again: leave, concertId: c.concertId }, signal);
    }
  };

  draw();
  show(c.title,
    h('section', { class: 'card waiting' },
      h('p', { class: 'ahead' }, count, ' ', people), bar,
      rows([t('yourNumber'), h('strong', {}, number(place.number))], [t('estimate'), estimate], [t('seatsLeft'), seats])),
    word,
    h('section', {}, h('h2', {}, t('closeTitle')), h('p', {}, t('closeText')), h('p', {}, t('closeTurn'))),
    problems,
    h('p', {}, h('button', { type: 'button', class: 'quiet', onclick: leave }, t('leave'))));

  const near = () => (turn || place.number - (file?.admittedThrough ?? 0) <= NEAR ? NEAR_MS : FAR_MS);
  await Promise.all([
    poll(signal, looked, () => ({ seen: near(), hidden: HIDDEN_MS })),
    (async () => {
      // The place was told just now.
      let just = true;
      await poll(signal, () => (just ? (just = false) : asked()),
        () => ({ seen: Math.max(1, pollAfterSeconds) * 1000, hidden: Math.max(HIDDEN_MS * 2, pollAfterSeconds * 1000) }));
    })(),
  ]);
}
