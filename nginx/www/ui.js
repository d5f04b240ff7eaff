/* SPDX-License-Identifier: 0BSD */
// Pieces that pages share: notices, questions, buttons that are busy, countdowns, and what a screen reader is told.
import * as clock from './clock.js';
import { h, say } from './dom.js';
import { action, explain } from './errors.js';
import { clockTime, t } from './i18n.js';
import { onTick } from './ticks.js';
import { Problem } from './api.js';

const WARN_S = 60;
const ENDED_MS = 500;

// Told once, politely; urgently when it can't wait.
export function announce(text, urgent = false) {
  const region = document.getElementById(urgent ? 'urgent' : 'polite');
  // The same text twice is told twice only when the region was empty between.
  region.textContent = '';
  setTimeout(() => { region.textContent = text; }, 50);
}

export function notice(kind, title, text, ...more) {
  return h('div', { class: 'notice ' + kind, role: kind === 'bad' ? 'alert' : null },
    h('p', { class: 'notice-title' }, title), text && h('p', {}, text), ...more);
}

// A link to the page that is shown already changes no address.
function anew() {
  dispatchEvent(new HashChangeEvent('hashchange'));
}

// A refusal in plain words, with what to do next. `again` is called by its button.
export function problemNotice(problem, { concertId, again } = {}) {
  if (!(problem instanceof Problem)) throw problem;
  const { what, next } = explain(problem.code);
  const way = action(problem.code, concertId);
  const id = problem.members.requestId;
  return notice('bad', what, next,
    (way.href || way.reload || again) && h('p', {}, way.href
      ? h('a', { class: 'button', href: way.href, onclick: () => way.href === location.hash && anew() }, way.label)
      : h('button', { type: 'button', onclick: () => (way.reload ? location.reload() : again()) }, way.label)),
    problem.code === 'INTERNAL' && id && h('p', { class: 'soft small' }, t('requestId', { id })));
}

// Shows what went wrong in `place`, unless the page was left meanwhile.
export function showProblem(place, problem, options, signal) {
  if (signal?.aborted) return;
  place.replaceChildren(problemNotice(problem, options));
}

// Runs work while the button says so; the button can't be pressed twice.
export async function busy(button, work) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  button.setAttribute('aria-disabled', 'true');
  button.classList.add('busy');
  try {
    await work();
  } catch (error) {
    // The page was left meanwhile: nobody to tell.
    if (error.name !== 'AbortError') throw error;
  } finally {
    button.removeAttribute('aria-disabled');
    button.classList.remove('busy');
  }
}

// Asks before what can't be undone; true when it was confirmed.
export function ask(title, text, yes, danger = true) {
  return new Promise((resolve) => {
    const dialog = h('dialog', { 'aria-labelledby': 'ask-title' },
      h('h2', { id: 'ask-title' }, title), h('p', {}, text),
      h('div', { class: 'actions' },
        h('button', { type: 'button', onclick: () => dialog.close('no') }, t('no')),
        h('button', { type: 'button', class: danger ? 'danger' : 'primary', onclick: () => dialog.close('yes') }, yes)));
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// What remains until a time of the server. Warns once a minute before the end, and calls ended() at it.
export function countdown(time, { signal, ended, warn, label }) {
  const digits = h('span', { class: 'digits' });
  const e = h('span', { class: 'countdown', role: 'timer', 'aria-label': label }, digits);
  let over = false;
  let warned = clock.secondsUntil(time) <= WARN_S / 2;
  onTick(() => {
    const seconds = clock.secondsUntil(time);
    say(digits, clockTime(seconds));
    e.classList.toggle('soon', seconds <= WARN_S);
    if (seconds <= WARN_S && seconds > 0 && !warned) {
      warned = true;
      if (warn) announce(warn(seconds), true);
    }
    if (seconds === 0 && !over) {
      over = true;
      // A moment, since the service's clock is known to half a second.
      if (ended) setTimeout(ended, ENDED_MS);
    }
  }, signal);
  return e;
}

export function rows(...pairs) {
  return h('dl', { class: 'rows' }, ...pairs.filter(Boolean).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}
