/* SPDX-License-Identifier: 0BSD */
// What of an answer of /status is kept and drawn. Names are those of the lines' texts.

const sum = (counts, wanted) => Object.entries(counts ?? {}).reduce((n, [code, count]) => (wanted(code) ? n + count : n), 0);
const FAULTS = ['BUSY', 'INTERNAL', 'DATABASE_UNAVAILABLE']; // 5xx of fcgi-app/base/err.def

export function ofService(s) {
  return {
    total: s.requests.total,
    refused: s.requests['4xx'],
    failed: s.requests['5xx'],
    limited: (s.requests.codes.RATE_LIMITED ?? 0) + (s.nginxErrors?.RATE_LIMITED ?? 0),
    nginx: sum(s.nginxErrors, (code) => code !== 'RATE_LIMITED'),
    nginx5xx: sum(s.nginxErrors, (code) => FAULTS.includes(code)),
    busy: s.pool.busy,
    workers: s.pool.workers,
    databaseMs: s.database.busyMs,
    statements: s.database.statements,
    retries: s.database.retries,
    tickAge: s.ticker.lastTickAgeMs,
  };
}

export function ofConcert(q) {
  return {
    waiting: q.waiting,
    active: q.active,
    maxActive: q.maxActive,
    admitted: q.admittedPerMinute,
    noShows: q.noShowTotal,
    sold: q.seats.sold,
    held: q.seats.held,
    free: q.seats.free,
    sales: q.sales.reservations,
  };
}

export const serviceCharts = [
  { name: 'requests', lines: [{ of: 'total', per: 1 }, { of: 'refused', per: 1 }] },
  { name: 'errors', lines: [{ of: 'failed', per: 1 }, { of: 'limited', per: 1 }, { of: 'nginx', per: 1 }] },
  { name: 'workers', lines: [{ of: 'busy' }, { of: 'workers' }] },
  { name: 'databaseTime', lines: [{ of: 'databaseMs', per: 1 }] },
  { name: 'statements', lines: [{ of: 'statements', per: 1 }, { of: 'retries', per: 1 }] },
  { name: 'ticker', lines: [{ of: 'tickAge' }] },
];

export const concertCharts = [
  { name: 'waiting', lines: [{ of: 'waiting' }] },
  { name: 'inside', lines: [{ of: 'active' }, { of: 'maxActive' }] },
  { name: 'admitted', lines: [{ of: 'admitted' }] },
  { name: 'seats', lines: [{ of: 'sold' }, { of: 'held' }, { of: 'free' }] },
  { name: 'sales', lines: [{ of: 'sales' }] },
  { name: 'noShows', lines: [{ of: 'noShows' }] },
];
