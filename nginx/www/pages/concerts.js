/* SPDX-License-Identifier: 0BSD */
// All concerts, and what one has begun.
import { get } from '../api.js';
import * as clock from '../clock.js';
import { h } from '../dom.js';
import { stamp, t } from '../i18n.js';
import * as store from '../store.js';
import { busy, showProblem } from '../ui.js';

// Open, not yet, or no more; sales times may be null.
export function saleState(c) {
  if (c.salesOpenAt && Date.parse(c.salesOpenAt) > clock.now()) return 'before';
  return c.salesCloseAt && Date.parse(c.salesCloseAt) <= clock.now() ? 'closed' : 'open';
}

function card(c) {
  store.put('concert.' + c.concertId, { title: c.title });
  const state = saleState(c);
  const joined = store.get('place.' + c.concertId);
  const told = state === 'before' ? t('salesOpenAt', { time: stamp(c.salesOpenAt) }) : state === 'closed' ? t('salesClosed') : t('onSale');
  return h('li', {}, h('a', { class: 'card concert', href: '#/concerts/' + c.concertId },
    h('span', { class: 'card-title' }, c.title),
    h('span', { class: 'soft' }, t('dates', { n: c.performances }), ' · ', told),
    joined && h('span', { class: 'tag' }, t('inQueue', { n: joined.number }))));
}

export async function concerts({ signal, show }) {
  const list = h('ul', { class: 'cards' });
  const problems = h('div');
  const more = h('button', { type: 'button', hidden: true }, t('more'));
  let after = '';
  const load = async () => {
    const page = await get('/concerts?limit=50' + after, { signal });
    list.append(...page.items.map(card));
    after = '&after=' + page.next;
    more.hidden = page.next === null;
  };
  more.addEventListener('click', () => busy(more, load).catch((problem) => showProblem(problems, problem, {}, signal)));
  await load();
  show(t('concerts'), list.children.length ? list : h('p', {}, t('noConcerts')), problems, more);
}
