/* SPDX-License-Identifier: 0BSD */
// The operator's page: it says what /status says, moves, tells what is wrong, and is shown to the operator only.
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { button, buyer, check, ctl, look, sale, same, services, source, test, wait } from './lib.mjs';

const texts = async (language) => (await import('data:text/javascript,' + encodeURIComponent(source(`nginx/www/operator/${language}.js`))))[language];
const words = { en: await texts('en'), ko: await texts('ko') };
const HOSTILE = '</h2><img src=x onerror="window.hit=1"><script>window.hit=2</script>&lt;&quot;{title}';

// Somebody at the operator's page.
async function operator({ at = '', ...more } = {}) {
  const who = await buyer({ reducedMotion: 'no-preference', ...more });
  who.w = words[more.language ?? 'en'];
  who.verdict = who.page.locator('.verdict h1');
  who.fact = (name) => who.page.locator(`[data-fact="${name}"]`).innerText();
  who.lines = (name) => who.page.locator(`[data-chart="${name}"] .plot .line`).evaluateAll((lines) => lines.map((l) => l.getAttribute('d')));
  who.open = async () => {
    await who.page.goto('/operator/' + at);
    await who.page.locator('.facts').waitFor();
  };
  return who;
}

// Answers of the service, changed on their way.
const changed = (page, change) => page.route('**/status', async (route) => {
  const answer = await route.fetch();
  const s = await answer.json();
  change(s);
  return route.fulfill({ response: answer, json: s });
});

// A buyer without a browser; each step gives what the service said.
async function patron(service = 'main') {
  const { url } = services[service];
  const call = async (method, path, headers, body) => {
    const answer = await fetch(url + path, { method, headers: { ...headers, ...(body && { 'Content-Type': 'application/json' }) }, body: body && JSON.stringify(body) });
    const said = answer.status === 204 ? null : await answer.json();
    check(answer.ok, `${method} ${path}: ${answer.status} ${JSON.stringify(said)}`);
    return said;
  };
  const { userId, accessKey } = await call('POST', '/api/v1/users', {}, { name: 'Patron' });
  const bearer = { Authorization: 'Bearer ' + accessKey };
  let token;
  const key = () => ({ 'Idempotency-Key': crypto.randomUUID() });
  return {
    join: async (s) => { ({ token } = await call('POST', `/api/v1/concerts/${s.concertId}/queue`, bearer)); },
    admitted: (s) => wait(async () => (await call('GET', `/api/v1/concerts/${s.concertId}/queue`, { 'Queue-Token': token })).status === 'ACTIVE', 'being let in'),
    hold: (s, ...seatNumbers) => call('POST', `/api/v1/performances/${s.performanceId}/reservations`, { 'Queue-Token': token }, { seatNumbers }),
    async pay({ reservationId, amount }) {
      await call('POST', `/api/v1/users/${userId}/balance/charges`, { ...bearer, ...key() }, { amount });
      return call('POST', `/api/v1/reservations/${reservationId}/payment`, { ...bearer, ...key(), 'Queue-Token': token });
    },
    leave: (s) => call('DELETE', `/api/v1/concerts/${s.concertId}/queue`, { 'Queue-Token': token }),
  };
}

const status = async (service = 'main') => (await fetch(services[service].url + '/status')).json();
const of = async (s, service) => (await status(service)).queues.find((q) => q.concertId === s.concertId);

test('operator: charts move while buyers buy, and the numbers are those of /status', async () => {
  const s = sale({ title: 'Opening Night', cap: 3, seats: 40, price: 50000 });
  const who = await operator({ at: '#/' + s.concertId });
  const { page, w } = who;
  await who.open();
  await page.getByRole('heading', { level: 2, name: s.title }).waitFor();
  const buyers = await Promise.all(Array.from({ length: 9 }, () => patron()));
  const names = ['waiting', 'inside', 'seats', 'sales', 'requests', 'statements'];
  const before = await Promise.all(names.map(who.lines));
  for (const b of buyers) await b.join(s);
  // The page and the service agree on everything, once nothing moves.
  const agree = async (what) => wait(async () => {
    const q = await of(s);
    const shown = await Promise.all(['waiting', 'inside', 'admitted', 'admittedTotal', 'noShows', 'seats', 'sales'].map(who.fact));
    const values = [q.waiting, `${q.active} of ${q.maxActive}`, q.admittedPerMinute, q.admittedTotal, q.noShowTotal,
      `${q.seats.sold} sold, ${q.seats.held} held, ${q.seats.free} free`,
      `${q.sales.reservations} reservation${q.sales.reservations === 1 ? '' : 's'}, ₩${q.sales.amount.toLocaleString('en')}`].map(String);
    return what(q) && JSON.stringify(shown) === JSON.stringify(values);
  }, 'the page says what /status says: ' + what);
  await agree((q) => q.waiting === 6 && q.active === 3);
  const moved = async (name, from) => wait(async () => JSON.stringify(await who.lines(name)) !== JSON.stringify(from), `${name} moves`);
  for (const [i, name] of names.entries()) await moved(name, before[i]);
  let seatNumber = 1;
  for (const b of buyers.slice(0, 5)) {
    await b.admitted(s);
    await b.pay(await b.hold(s, seatNumber++, seatNumber++));
  }
  await buyers[5].admitted(s);
  await buyers[5].hold(s, 20);
  await agree((q) => q.seats.sold === 10 && q.seats.held === 1 && q.waiting === 1 && q.sales.amount === 500000);
  // In the list, in the legend, and in words.
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: s.title, exact: true }) });
  same((await row.getByRole('cell').allInnerTexts()).slice(0, 3), ['1', '3 / 3', '10 / 40'], 'the row of the list');
  same(await page.locator('[data-chart="seats"] .keys .digits').allInnerTexts(), ['10', '1', '29'], 'the latest values beside the lines');
  const said = await page.locator('[data-chart="seats"] .plot svg').getAttribute('aria-label');
  check(said.includes('sold: 10 now, least 0, most 10.'), said);
  await page.getByText(w.allValues).first().click();
  await page.getByRole('row', { name: /^Seats: held 1 0 [12]$/ }).waitFor();
  await page.getByText(w.allValues).first().click();
  await look(who, 'operator');
  await page.screenshot({ path: join(process.env.TEST_PICTURES, 'operator-whole.png'), fullPage: true });
  // Paused, by the command that the page shows.
  const [pause, resume, cap] = await page.locator('.commands code').allInnerTexts();
  same([pause, resume, cap], [`boxofficectl queue pause ${s.concertId}`, `boxofficectl queue resume ${s.concertId}`, `boxofficectl queue set ${s.concertId} --max-active 3`], 'commands');
  ctl('main', ...pause.split(' ').slice(1));
  await wait(async () => (await who.fact('state')) === w.paused, 'it is told that it is paused');
  ctl('main', ...resume.split(' ').slice(1));
  await wait(async () => (await who.fact('state')) === w.running, 'it is told that it goes on');
  // A long time from now, still the same page: nothing was asked for but /status.
  const asked = new Set(await page.evaluate(() => performance.getEntriesByType('resource').map((e) => new URL(e.name).pathname).filter((p) => !/\.(js|css|svg)$/.test(p))));
  same([...asked], ['/status'], 'what the page asks for');
});

test('operator: a database that is gone is told, and that it is back', async () => {
  const s = sale({ service: 'fragile', title: '한강의 밤' });
  const who = await operator({ service: 'fragile', language: 'ko' });
  const { page, w } = who;
  await who.open();
  const p = await patron('fragile');
  await p.join(s);
  await wait(async () => (await who.verdict.innerText()) === w.well, 'all is well');
  check((await page.title()).startsWith(w.well), 'the title');
  await look(who, 'operator-well');
  const database = Number(readFileSync(join(services.fragile.folder, 'run', 'mariadbd.pid'), 'utf8'));
  process.kill(database, 'SIGSTOP');
  try {
    await page.locator('.findings .bad').filter({ hasText: '데이터베이스에 연결할 수 없습니다' }).waitFor();
    await wait(async () => (await page.title()).startsWith('(1)'), 'the title counts');
    same(await page.locator('.verdict').getAttribute('data-kind'), 'bad', 'the verdict');
    await look(who, 'operator-outage');
  } finally {
    process.kill(database, 'SIGCONT');
  }
  await wait(async () => !(await page.locator('.findings .bad').count()), 'it is back');
  await wait(async () => (await who.fact('waiting')) === '0' && (await who.fact('state')) === w.running, 'numbers are there');
});

test('operator: no answer is told, and leaves a gap', async () => {
  const s = sale({ title: 'Gap' });
  const who = await operator({ at: '#/' + s.concertId });
  const { page, w } = who;
  await who.open();
  await wait(async () => (await who.lines('waiting'))[0].includes('L'), 'a line');
  for (const [answer, text] of [[{ status: 503 }, w.noWorker], [{ status: 403 }, w.notAllowed], [{ status: 200, body: 'hello' }, w.oddAnswer], [null, w.noServer]]) {
    await page.route('**/status', (route) => (answer ? route.fulfill(answer) : route.abort('connectionrefused')));
    await page.locator('.findings .bad').filter({ hasText: text }).waitFor();
    await page.unroute('**/status');
  }
  await page.route('**/status', (route) => route.abort('connectionrefused'));
  await page.locator('.findings .bad').filter({ hasText: w.noServer }).waitFor();
  await look(who, 'operator-no-answer');
  await page.unroute('**/status');
  await wait(async () => /M.*L.*M.*L/.test((await who.lines('waiting'))[0]), 'a line with a gap');
  await wait(async () => !(await page.locator('.findings .bad').count()), 'no complaint is left');
});

test('operator: a title that is markup is text', async () => {
  const s = sale({ title: HOSTILE });
  const who = await operator({ at: '#/' + s.concertId, language: 'ko' });
  const { page } = who;
  await who.open();
  await page.getByRole('heading', { level: 2, name: HOSTILE, exact: true }).waitFor();
  await page.getByLabel(who.w.find).fill('onerror');
  await page.getByRole('link', { name: HOSTILE, exact: true }).first().waitFor();
  same(await page.evaluate(() => [window.hit ?? null, document.querySelectorAll('main img, main script').length]), [null, 0], 'hit, elements');
  await page.screenshot({ path: join(process.env.TEST_PICTURES, 'operator-hostile.png') });
  // For who wants nothing to move: charts hardly do, while the page asks as before.
  await page.emulateMedia({ reducedMotion: 'reduce' });
  let [asked, moves, lines] = [0, 0, ''];
  page.on('request', (r) => { asked += r.url().endsWith('/status'); });
  await wait(async () => {
    const now = JSON.stringify(await who.lines('requests'));
    if (now !== lines) moves++;
    lines = now;
    return asked >= 4;
  }, 'four questions');
  check(moves <= 3, `charts moved ${moves} times at ${asked} questions`);
});

test('operator: a thousand concerts are a list to choose from', async () => {
  sale();
  const who = await operator();
  const { page, w } = who;
  await changed(page, (s) => {
    const [q] = s.queues;
    s.queues = Array.from({ length: 1024 }, (_, i) => ({ ...q, concertId: i + 1, title: `Concert number ${i + 1}`, waiting: i, active: 5, paused: i % 500 === 0 }));
  });
  await who.open();
  await page.getByRole('heading', { level: 2, name: 'Concert number 1024', exact: true }).waitFor();
  await page.getByText('12 of 1,024 shown').waitFor();
  same([await page.locator('tbody tr').count(), await page.locator('.chart').count()], [12, 12], 'rows, charts');
  await page.getByLabel(w.find).fill('number 77');
  await page.getByText('11 of 11 shown').waitFor();
  await page.getByRole('link', { name: 'Concert number 77', exact: true }).click();
  await page.getByRole('heading', { level: 2, name: 'Concert number 77', exact: true }).waitFor();
  same([await who.fact('waiting'), await who.fact('state'), await page.evaluate(() => document.activeElement.id)], ['76', w.running, 'chosen'], 'waiting, state, focus');
  await page.getByLabel(w.find).fill('501');
  await page.getByRole('link', { name: 'Concert number 501', exact: true }).click();
  await wait(async () => (await who.fact('state')) === w.paused, 'paused');
  await page.getByLabel(w.find).fill('nothing like it');
  await page.getByText('0 of 0 shown').waitFor();
  await page.getByLabel(w.find).fill('');
  await button(page, who.t.more).click();
  await page.getByText('60 of 1,024 shown').waitFor();
  await look(who, 'operator-many');
});

test('operator: what is wrong is found in the numbers, and has its words', async () => {
  const who = await operator();
  const { page, w } = who;
  let change = () => {};
  await changed(page, (s) => {
    s.workers.forEach((x) => Object.assign(x, { state: 'idle', busyMs: 0 }));
    Object.assign(s.pool, { busy: 1, uptimeSeconds: 900 });
    Object.assign(s.ticker, { pid: 5, lastTickAgeMs: 90, queues: s.queues.length });
    Object.assign(s.database, { reachable: true, lastAnswerAgeMs: 5 });
    s.requests = { total: 1000, '2xx': 1000, '4xx': 0, '5xx': 0, clientGone: 0, codes: { OK: 1000 } };
    s.nginxErrors = {};
    s.queues.forEach((q) => { q.paused = false; });
    change(s);
  });
  sale();
  await who.open();
  await wait(async () => (await who.verdict.innerText()) === w.well, 'all is well');
  const rounds = [
    [(s) => { s.ticker.pid = 0; s.workers[2].state = 'down'; },
      ['bad', /ticker is not running/], ['warn', /1 of 6 workers are not running/]],
    [(s) => { s.ticker.lastTickAgeMs = 7000; s.workers[0].busyMs = 9000; },
      ['bad', /last look was 7 s ago/], ['warn', /busy with one request for 9 s/]],
    [(s) => { s.pool.busy = s.pool.workers; s.ticker.queues += 3; },
      ['bad', /All 6 workers are busy/], ['warn', /no room for 3 concerts/]],
    [(s) => { s.queues[0].paused = true; s.pool.uptimeSeconds = 5; s.nginxErrors = null; },
      ['note', /1 concert is paused/], ['note', /started 5 s ago/], ['note', /not counted/]],
    [(s) => {
      Object.assign(s.database, { reachable: false, lastAnswerAgeMs: 40000 });
      s.requests['5xx'] = 2;
      s.nginxErrors = { RATE_LIMITED: 4, BUSY: 3, ROUTE_NOT_FOUND: 9 };
    }, ['bad', /can not be reached; it last answered 40 s ago/], ['warn', /2 answers were 5xx, and 3 by nginx/], ['note', /4 requests came too fast/]],
  ];
  for (const [f, ...wanted] of rounds) {
    change = f;
    for (const [kind, text] of wanted) await page.locator('.findings .' + kind).filter({ hasText: text }).waitFor();
    const wrong = wanted.filter(([kind]) => kind !== 'note').length;
    same(await who.verdict.innerText(), wrong ? w.notWell({ n: wrong }) : w.well, 'the verdict');
    same(await page.locator('.findings li').count(), wanted.length, 'findings');
  }
  await look(who, 'operator-warnings');
});

test('operator: by the keyboard alone; a command is copied, the page held still', async () => {
  const s = sale({ title: 'Keys' });
  const who = await operator({ permissions: ['clipboard-read', 'clipboard-write'] });
  const { page, w } = who;
  await who.open();
  const tabTo = async (wanted) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const [is, outlined] = await page.evaluate(() => {
        const e = document.activeElement;
        return [e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent, getComputedStyle(e).outlineStyle !== 'none'];
      });
      if (is !== wanted) continue;
      check(outlined, `focus on ${wanted} is not seen`);
      return;
    }
    throw new Error(`Tab never gets to ${wanted}`);
  };
  await tabTo(who.t.skip);
  await tabTo(w.holdStill);
  await page.keyboard.press('Space');
  same(await button(page, w.holdStill).getAttribute('aria-pressed'), 'true', 'held');
  const still = await who.lines('requests');
  await page.waitForTimeout(2500);
  same(await who.lines('requests'), still, 'a page held still');
  await page.keyboard.press('Space');
  await wait(async () => JSON.stringify(await who.lines('requests')) !== JSON.stringify(still), 'it moves again');
  await tabTo(w.find);
  await page.keyboard.type(String(s.concertId));
  await tabTo('Keys');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 2, name: 'Keys' }).waitFor();
  same(await page.evaluate(() => document.activeElement.id), 'chosen', 'what has focus');
  const command = `boxofficectl queue pause ${s.concertId}`;
  await tabTo(`${w.copy}: ${command}`);
  await page.keyboard.press('Enter');
  await page.getByText(w.copied.replace('{text}', command)).waitFor();
  same(await page.evaluate(() => navigator.clipboard.readText()), command, 'the clipboard');
  check(!(await of(s)).paused, 'copying paused it');
});

test('operator: an hour is kept in little, and counts stay exact', async () => {
  const { page } = await operator();
  await page.goto('/operator/');
  const [points, oldest, gap, grown, total, restart] = await page.evaluate(async () => {
    const { History } = await import('/operator/history.js');
    const history = new History();
    for (let s = 0; s <= 7200; s++) {
      if (s >= 5000 && s < 5300) history.gap(s * 1000);
      else history.add({ ms: s * 1000, n: 3 * s });
    }
    const now = 7200000;
    const rates = history.values({ of: 'n', per: 1 }, now - 3600000);
    const again = new History();
    for (const [ms, n] of [[0, 500], [1000, 510], [2000, 3], [3000, 5]]) again.add({ ms, n });
    return [history.points.length, history.points[0].ms, rates.filter((r) => r.value === null).map((r) => Math.round(r.ms / 1000)),
      history.grown('n', now - 3600000), rates.filter((r) => r.value !== null).every((r) => Math.abs(r.value - 3) < 1e-9), [again.values({ of: 'n', per: 1 }, 0).map((r) => r.value), again.grown('n', 0)]];
  });
  check(points > 200 && points < 700, `${points} points`);
  check(oldest >= 3500000 && oldest < 3800000, `the oldest is of ${oldest}`);
  check(gap.length === 2 && gap[0] >= 4980 && gap[0] <= 5020 && gap[1] >= 5300 && gap[1] < 5350, `the gap: ${gap}`);
  check(total, 'a rate is not 3');
  check(grown > 3 * 3550 && grown <= 3 * 3640, `grown by ${grown}`);
  same(restart, [[null, 10, null, 2], 12], 'a count that began anew');
});

test('operator: not from another address, and under a strict policy', async () => {
  const { url } = services.main;
  const port = new URL(url).port;
  const from = (localAddress, path, method = 'GET') => new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, method, localAddress, headers: { Accept: 'text/html' } }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (d) => { body += d; }).on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body }));
    }).on('error', reject).end();
  });
  const files = ['', 'index.html', 'app.js', 'chart.js', 'concerts.js', 'en.js', 'health.js', 'history.js', 'ko.js', 'numbers.js', 'operator.css'];
  for (const file of files) {
    const path = '/operator/' + file;
    const answer = await from('127.0.0.1', path);
    same(answer.status, 200, path);
    same(['cache-control', 'x-content-type-options', 'referrer-policy'].map((name) => answer.headers[name]), ['no-cache', 'nosniff', 'no-referrer'], path);
    const policy = answer.headers['content-security-policy'];
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) check(policy.includes(part), `${path}: no ${part}`);
    const other = await from('127.0.0.2', path);
    same([other.status, other.headers['content-type'], JSON.parse(other.body).code], [403, 'application/problem+json', 'FORBIDDEN'], path + ' from another address');
    if (file) same((await from('127.0.0.2', '/assets/operator/' + file)).status, 404, 'another way to ' + file);
  }
  for (const path of ['/status', '/metrics', '/operator/nothing.js']) same((await from('127.0.0.2', path)).status, 403, path + ' from another address');
  same((await from('127.0.0.1', '/operator/nothing.js')).status, 404, 'what is not there');
  same((await from('127.0.0.1', '/operator/', 'POST')).status, 405, 'POST');
  same((await from('127.0.0.1', '/operator')).headers.location, '/operator/', 'without the slash');
});

test('operator: every text is there in both languages, and none is left over', async () => {
  const { en, ko } = words;
  same(Object.keys(ko).sort(), Object.keys(en).sort(), 'names');
  const shared = [source('nginx/www/en.js'), source('nginx/www/ko.js')].join('\n');
  const code = ['app', 'chart', 'concerts', 'health', 'numbers'].map((f) => source(`nginx/www/operator/${f}.js`)).join('\n');
  const named = new Set([...code.matchAll(/'([A-Za-z_0-9]+)'/g)].map((m) => m[1]));
  for (const name of Object.keys(en)) {
    same(typeof ko[name], typeof en[name], name);
    if (typeof en[name] === 'string') same((ko[name].match(/\{\w+\}/g) ?? []).sort(), (en[name].match(/\{\w+\}/g) ?? []).sort(), `values in ${name}`);
    check(named.has(name) || named.has(name.replace(/Do$/, '')) || named.has(name.replace(/^(line|chart|fact|kind)_/, '')), `${name} is used nowhere`);
  }
  for (const [, name] of code.matchAll(/\bt\('(\w+)'[,)]/g)) check(name in en || new RegExp(`^  ${name}: `, 'm').test(shared), `no text ${name}`);
  for (const [, name] of source('nginx/www/operator/health.js').matchAll(/add\('\w+', '(\w+)'/g)) check(name in en && name + 'Do' in en, `no text ${name}`);
});
