/* SPDX-License-Identifier: 0BSD */
// Starts, and shows the page that the address names. Addresses are #/…, so that nginx serves one file for all.
import { follow, t } from './i18n.js';
import { h } from './dom.js';
import { draw, main } from './shell.js';
import { problemNotice } from './ui.js';
import { Problem } from './api.js';
import { start } from './ticks.js';
import * as store from './store.js';
import { checkout } from './pages/checkout.js';
import { concert } from './pages/concert.js';
import { concerts } from './pages/concerts.js';
import { mine } from './pages/mine.js';
import { seats } from './pages/seats.js';
import { ticket } from './pages/ticket.js';

const ID = '([1-9][0-9]{0,15})';
const pages = [
  [/^#?\/?$/, concerts],
  [new RegExp(`^#/concerts/${ID}$`), concert],
  [new RegExp(`^#/concerts/${ID}/performances/${ID}$`), seats],
  [new RegExp(`^#/reservations/${ID}$`), checkout],
  [new RegExp(`^#/tickets/${ID}$`), ticket],
  [/^#\/mine$/, mine],
];

let current = new AbortController();

// Shows the page anew. A page gets the ids of its address and {signal: when it is left, show, refresh}.
async function open(moved = true) {
  current.abort(new DOMException('left', 'AbortError'));
  current = new AbortController();
  const { signal } = current;
  const [page, ids] = pages.map(([pattern, p]) => [p, location.hash.match(pattern)?.slice(1).map(Number)]).find(([, m]) => m) ?? [null];
  let first = true;
  const context = {
    signal,
    refresh: () => signal.aborted || open(false),
    // A page shows itself as a whole, as often as it likes; the title is its h1. Focus goes to it when one came from another.
    show(title, ...content) {
      if (signal.aborted) return;
      document.title = title + ' · Boxoffice';
      const heading = h('h1', { tabindex: '-1' }, title);
      const focused = document.activeElement;
      main.replaceChildren(heading, ...content.filter(Boolean));
      if (first && moved) {
        scrollTo(0, 0);
        if (started) heading.focus({ preventScroll: true });
      } else if (focused && focused !== document.body && !focused.isConnected) heading.focus({ preventScroll: true });
      first = false;
      started = true;
    },
  };
  try {
    if (!page) throw new Problem('ROUTE_NOT_FOUND');
    await page(context, ...ids);
  } catch (problem) {
    if (signal.aborted) return;
    if (!(problem instanceof Problem)) {
      console.error(problem);
      problem = new Problem('INTERNAL');
    }
    context.show(t('sorry'), problemNotice(problem, { again: context.refresh, concertId: location.hash.match(/concerts\/(\d+)/)?.[1] }));
  }
}

let started = false;
function redraw() {
  draw(redraw);
  open(false);
}

addEventListener('hashchange', () => open());
// Another page of this browser chose another language, or became somebody else.
store.onChange((name, elsewhere) => {
  if (elsewhere && (name === 'language' ? follow() : name === 'user')) redraw();
});
start();
draw(redraw);
// A payment that was sent and not answered comes first: its page asks again what became of it.
const [unanswered] = Object.keys(store.all('outbox')).filter((name) => name.startsWith('pay.'));
if (unanswered && pages[0][0].test(location.hash)) history.replaceState(null, '', '#/reservations/' + unanswered.slice(4));
open();
