/* SPDX-License-Identifier: 0BSD */
// One concert, by where one is with it: joining, waiting, or let in.
import { call, get, Problem } from '../api.js';
import { h } from '../dom.js';
import { stamp, t } from '../i18n.js';
import * as store from '../store.js';
import { busy, notice, showProblem } from '../ui.js';
import { saleState } from './concerts.js';
import { dates } from './dates.js';
import { waiting } from './waiting.js';

const NAME_MAX = 100;

// The place one has, as the service knows it; null when there is none.
export async function myPlace(concertId, signal) {
  const kept = store.get('place.' + concertId);
  if (!kept) return null;
  try {
    return await get(`/concerts/${concertId}/queue`, { token: kept.token, signal });
  } catch (problem) {
    // A token that is no good any more: joining again answers with the same place, should there be one.
    if (!(problem instanceof Problem) || !problem.code.startsWith('QUEUE_TOKEN_')) throw problem;
    store.drop('place.' + concertId);
    return null;
  }
}

// Who one is; made when one first joins. One page at a time, or two would make two.
async function user(name) {
  const make = async () => {
    if (!store.get('user')) store.put('user', await call('POST', '/users', { body: { name } }));
    return store.get('user');
  };
  return navigator.locks ? navigator.locks.request('boxoffice.user', make) : make();
}

async function join(concertId, name) {
  const { accessKey } = await user(name);
  const place = await call('POST', `/concerts/${concertId}/queue`, { access: accessKey });
  store.put('place.' + concertId, { token: place.token, number: place.number, first: place.ahead });
}

const ended = { COMPLETED: 'placeCompleted', LEFT: 'placeLeft', EXPIRED: 'placeExpired' };

export async function concert(page, concertId) {
  const { signal, show, refresh } = page;
  const [c, place] = await Promise.all([get('/concerts/' + concertId, { signal }), myPlace(concertId, signal)]);
  store.put('concert.' + concertId, { title: c.title });
  if (place?.status === 'WAITING') return waiting(page, c, place);
  if (place?.status === 'ACTIVE') return dates(page, c, place);
  if (place) store.drop('place.' + concertId);

  const problems = h('div');
  const state = saleState(c);
  const known = store.get('user');
  const name = h('input', { id: 'name', name: 'name', required: true, maxLength: NAME_MAX, autocomplete: 'name' });
  const button = h('button', { class: 'primary wide' }, t(place ? 'joinAgain' : 'join'));
  const form = h('form', { onsubmit: (event) => {
    event.preventDefault();
    busy(button, async () => {
      await join(concertId, name.value.trim() || name.value);
      refresh();
    }).catch((problem) => showProblem(problems, problem, { again: () => form.requestSubmit(), concertId }, signal));
  } },
  !known && h('p', { class: 'field' }, h('label', { for: 'name' }, t('yourName')), name, h('span', { class: 'soft small' }, t('nameHelp'))),
  h('p', { class: 'soft' }, t('joinHelp')), button);
  show(c.title,
    place && notice(place.status === 'COMPLETED' ? 'good' : 'warn', t(ended[place.status]), place.status === 'COMPLETED' ? null : t('joinAgainHelp'),
      place.status === 'COMPLETED' && h('p', {}, h('a', { class: 'button', href: '#/mine' }, t('toMine')))),
    h('p', { class: 'soft' }, t('dates', { n: c.performances })),
    state === 'before' && notice('info', t('salesOpenAt', { time: stamp(c.salesOpenAt) }), t('beforeHelp')),
    state === 'closed' ? notice('warn', t('salesClosed'), null, h('p', {}, h('a', { class: 'button', href: '#/' }, t('toConcerts')))) : form,
    problems);
}
