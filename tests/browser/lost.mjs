/* SPDX-License-Identifier: 0BSD */
// Nothing is lost, and nothing is done twice: pages closed, answers lost, two pages at once, a service that is down.
import { asked, button, buyer, charges, check, choosesDate, heading, holding, holds, joins, look, pays, sale, same, seat, services, test, wait } from './lib.mjs';

// Delivers the next `times` requests that match, and loses their answers. Collects the keys of all.
async function losesAnswers(page, pattern, times) {
  const keys = [];
  await page.route(pattern, async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    keys.push(route.request().headers()['idempotency-key']);
    if (keys.length > times) return route.continue();
    await route.fetch();
    return route.abort('connectionreset');
  });
  return keys;
}

async function paidOnce(who, amount) {
  same((await asked(who, '/payments')).items.length, 1, 'payments');
  const history = (await asked(who, '/users/{userId}/balance/history')).items;
  same(history.map((e) => [e.type, e.amount]), [['PAYMENT', -amount], ['CHARGE', amount]], 'the history');
}

test('a payment whose answer is lost is asked for again with its key, and paid once', async () => {
  const s = sale();
  const who = await buyer();
  await holding(who, s, 1);
  const charged = await losesAnswers(who.page, '**/balance/charges', 1);
  await charges(who);
  same([charged.length, new Set(charged).size], [2, 1], 'charges sent, and their keys');
  const keys = await losesAnswers(who.page, '**/payment', 2);
  await pays(who);
  same([keys.length, new Set(keys).size], [3, 1], 'payments sent, and their keys');
  await paidOnce(who, s.price);
});

// The page is closed while `press` waits for an answer; a new one opens at `address` and sends the same again.
async function closedWhile(who, pattern, delivered, press, address) {
  const keys = [];
  const watch = (page, lose) => page.route(pattern, async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    keys.push(route.request().headers()['idempotency-key']);
    if (!lose) return route.continue();
    if (delivered) await route.fetch();
    return route.abort('connectionreset');
  });
  await watch(who.page, true);
  await press();
  await who.page.getByText(who.t.lost).waitFor();
  await who.page.close();
  who.page = await who.context.newPage();
  const before = keys.length;
  await watch(who.page, false);
  await who.page.goto(address);
  await wait(() => keys.length > before, 'the same sent again');
  same(new Set(keys).size, 1, 'keys');
}

for (const delivered of [true, false]) {
  test(`the page closed while charging and while paying, ${delivered ? 'the answers' : 'the requests'} lost: opened again, it goes on`, async () => {
    const s = sale();
    const who = await buyer({ language: delivered ? 'ko' : 'en' });
    await holding(who, s, 1);
    await closedWhile(who, '**/balance/charges', delivered, () => button(who.page, who.t.charge).click(), who.page.url());
    const pay = () => who.page.locator('.money .primary.wide');
    await pay().waitFor();
    await closedWhile(who, '**/payment', delivered, () => pay().click(), '/');
    await heading(who.page, who.t.paidTitle);
    await paidOnce(who, s.price);
  });
}

test('no network in the middle of paying', async () => {
  const s = sale();
  const who = await buyer();
  await holding(who, s, 1);
  await charges(who);
  await who.context.setOffline(true);
  await who.page.locator('.money .primary.wide').click();
  await who.page.getByText(who.t.lost).waitFor();
  await who.page.getByText(who.t.paying).waitFor();
  await look(who, 'paying-offline');
  await who.context.setOffline(false);
  await heading(who.page, who.t.paidTitle);
  await paidOnce(who, s.price);
});

test('a hold whose answer is lost is the one that is found', async () => {
  const s = sale();
  const who = await buyer();
  await joins(who, s);
  await choosesDate(who, s);
  const keys = await losesAnswers(who.page, '**/reservations', 100);
  await seat(who.page, 3).click();
  await button(who.page, who.t.hold).click();
  await wait(() => keys.length >= 1, 'a hold sent');
  await who.page.close();
  who.page = await who.context.newPage();
  await who.page.goto(`/#/concerts/${s.concertId}/performances/${s.performanceId}`);
  await heading(who.page, who.t.holdTitle);
  same((await asked(who, '/reservations')).items.map((r) => [r.status, r.seatNumbers]), [['HELD', [3]]], 'reservations');
});

test('closing, reloading, going back and a second page: the hold and its countdown are there', async () => {
  const s = sale();
  const who = await buyer();
  const { context, t } = who;
  await holding(who, s, 1, 2);
  await who.page.close();
  who.page = await context.newPage();
  const { page } = who;
  await page.goto('/');
  const held = page.locator('.held a');
  await held.getByText(t.heldForYou.replace('{seats}', '1, 2')).waitFor();
  await look(who, 'concerts-holding');
  await held.click();
  await heading(page, t.holdTitle);
  await page.reload();
  await heading(page, t.holdTitle);
  await page.goBack();
  await heading(page, t.concerts);
  await page.goForward();
  await heading(page, t.holdTitle);
  check(/^4:\d\d$/.test(await page.locator('.left-time .digits').innerText()), 'the countdown is not there');
  // A second page pays; the first one sees it.
  const other = { ...who, page: await context.newPage() };
  await other.page.goto(page.url());
  await charges(other);
  await pays(other);
  await heading(page, t.paidTitle);
  await paidOnce(who, 2 * s.price);
});

test('two pages that pay at once pay once', async () => {
  const s = sale();
  const who = await buyer();
  await holding(who, s, 1);
  await charges(who);
  const other = { ...who, page: await who.context.newPage() };
  await other.page.goto(who.page.url());
  const pay = (page) => page.locator('.money .primary.wide');
  await pay(other.page).waitFor();
  await Promise.all([who.page, other.page].map((page) => pay(page).evaluate((e) => e.click())));
  await Promise.all([who.page, other.page].map((page) => heading(page, who.t.paidTitle)));
  await paidOnce(who, s.price);
});

test('a service that is busy or down is waited for as told', async () => {
  const s = sale();
  const who = await buyer({ language: 'ko' });
  const { page, t } = who;
  const times = [];
  await page.route('**/queue', (route) => {
    const [status, code] = [[429, 'RATE_LIMITED'], [503, 'BUSY'], [503, 'DATABASE_UNAVAILABLE']][times.length] ?? [];
    times.push(Date.now());
    if (!status || route.request().method() !== 'POST') return route.continue();
    return route.fulfill({ status, contentType: 'application/problem+json', headers: { 'Retry-After': '1' },
      body: JSON.stringify({ type: 'urn:boxoffice:problem:' + code, title: code, status, detail: code, code, requestId: 'r' }) });
  });
  await joins(who, s);
  await page.locator('.bar').getByText(t.errors.RATE_LIMITED[0]).waitFor();
  await page.locator('.bar').getByText(t.errors.BUSY[0]).waitFor();
  await page.locator('.bar').getByText(t.errors.DATABASE_UNAVAILABLE[0]).waitFor();
  await look(who, 'service-down');
  await page.getByRole('heading', { name: t.chooseDate }).waitFor();
  for (const [i, at] of times.slice(1, 4).entries()) check(at - times[i] >= 990, `asked again after ${at - times[i]} ms`);
});

test('a code takes bookings to another browser', async () => {
  const s = sale();
  const who = await buyer();
  await holding(who, s, 9);
  const user = await who.page.evaluate(() => JSON.parse(localStorage.getItem('boxoffice.user')));
  const other = await buyer({ language: 'ko' });
  await other.page.goto('/#/mine');
  await other.page.getByText(other.t.nobody).waitFor();
  await look(other, 'mine-nobody');
  await other.page.getByLabel(other.t.haveCode).fill('not-a-code');
  await button(other.page, other.t.useCode).click();
  await other.page.getByText(other.t.errors.CREDENTIALS_INVALID[0]).waitFor();
  await other.page.getByLabel(other.t.haveCode).fill(`${user.userId}.${user.accessKey}`);
  await button(other.page, other.t.useCode).click();
  await other.page.getByText(other.t.status_HELD, { exact: true }).waitFor();
  check(!other.page.url().includes(user.accessKey), 'a secret in an address');
});

test('every refusal says what happened and offers a way on', async () => {
  const who = await buyer();
  const { page } = who;
  const s = sale();
  let code;
  await page.route('**/api/v1/concerts/' + s.concertId, (route) => route.fulfill({ status: 409, contentType: 'application/problem+json',
    body: JSON.stringify({ code, status: 409, title: 'x', detail: 'x', type: 'x', requestId: 'id-of-request', seatNumbers: [1], errors: [], balance: 1, amount: 2 }) }));
  const goesOn = ['RATE_LIMITED', 'BUSY', 'DATABASE_UNAVAILABLE', 'IDEMPOTENCY_IN_PROGRESS', 'NETWORK'];
  const codes = Object.keys(who.t.errors).filter((c) => !goesOn.includes(c));
  code = codes[0];
  await page.goto('/#/concerts/' + s.concertId);
  for (code of codes) {
    await page.evaluate(() => dispatchEvent(new HashChangeEvent('hashchange')));
    const notice = page.locator('.notice.bad');
    await notice.getByText(who.t.errors[code][0], { exact: true }).waitFor();
    const text = await notice.innerText();
    check(text.includes(who.t.errors[code][1]), `${code} says ${text}`);
    check((await notice.locator('a, button').count()) >= 1, `${code} offers nothing`);
  }
  await look(who, 'refused');
  check(services.main.url, 'a service');
});
