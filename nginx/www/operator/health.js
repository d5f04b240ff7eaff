/* SPDX-License-Identifier: 0BSD */
// Is all well, and if not, what is wrong: from one answer of /status and what came before it. Each finding has a text
// of its name and one of what to do; `bad` before `warn` before `note`.

const MINUTE_MS = 60000;
const TICKER_AGE_MS_MAX = 2000; // as for boxofficectl check
const ALL_BUSY_POLLS = 3; // a crowd in one moment is none
const REQUEST_MS_MAX = 5000;

export function findings({ status: s, trouble, service, now }) {
  const found = [];
  const add = (kind, name, values = {}) => found.push({ kind, name, values });
  if (trouble) add('bad', trouble);
  else if (s) {
    const { pool, ticker, database } = s;
    const down = s.workers.filter((w) => w.state === 'down').length;
    const longest = Math.max(0, ...s.workers.map((w) => w.busyMs));
    const recent = service.points.slice(-ALL_BUSY_POLLS);
    const since = now - MINUTE_MS;
    const failed = service.grown('failed', since);
    const refused = service.grown('nginx5xx', since);
    const limited = service.grown('limited', since);
    const stuck = ticker.lastTickAgeMs === null || ticker.lastTickAgeMs > TICKER_AGE_MS_MAX;
    if (!database.reachable) add('bad', 'databaseGone', { n: Math.round((database.lastAnswerAgeMs ?? 0) / 1000) });
    // Without the database the ticker can do nothing: that is told already.
    else if (!ticker.pid) add('bad', 'tickerGone');
    else if (stuck) add('bad', 'tickerStale', { n: Math.round((ticker.lastTickAgeMs ?? 0) / 1000) });
    if (down) add(down === pool.workers ? 'bad' : 'warn', 'workersDown', { n: down, of: pool.workers });
    if (recent.length === ALL_BUSY_POLLS && recent.every((p) => p.busy >= p.workers)) add('bad', 'allBusy', { of: pool.workers });
    if (longest > REQUEST_MS_MAX) add('warn', 'longRequest', { n: Math.round(longest / 1000) });
    if (failed + refused) add('warn', 'failures', { n: failed, nginx: refused });
    if (ticker.queues > s.queues.length) add('warn', 'boardFull', { n: ticker.queues - s.queues.length });
    if (s.nginxErrors === null) add('note', 'nginxUnknown');
    if (limited) add('note', 'limitsWork', { n: limited });
    if (pool.uptimeSeconds < 60) add('note', 'started', { n: pool.uptimeSeconds });
    const paused = s.queues.filter((q) => q.paused).length;
    if (paused) add('note', 'somePaused', { n: paused });
  }
  const order = ['bad', 'warn', 'note'];
  return found.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}
