/* SPDX-License-Identifier: 0BSD */
// The seat map: two after one seat, seats that go while one looks, a large hall, the hold that runs out.
import { asked, button, buyer, charges, check, choosesDate, heading, HOLD_S, holding, holds, joins, look, pays, sale, same, seat, test, wait } from './lib.mjs';

const state = (page, n) => seat(page, n).getAttribute('data-state');
const atSeats = async (who, s) => {
  await joins(who, s);
  await choosesDate(who, s);
};

test('of two after one seat, one gets it and the other is told which, and keeps the rest', async () => {
  const s = sale();
  const [a, b] = [await buyer(), await buyer({ language: 'ko' })];
  await Promise.all([atSeats(a, s), atSeats(b, s)]);
  // What b sees is frozen, so that it presses while it does not know.
  let frozen = null;
  await b.page.route('**/seats', async (route) => {
    frozen ??= await (await route.fetch()).text();
    await route.fulfill({ contentType: 'application/json', body: frozen });
  });
  await wait(() => frozen, 'a look at the seats');
  await holds(a, 5);
  await seat(b.page, 5).click();
  await seat(b.page, 6).click();
  await button(b.page, b.t.hold).click();
  const told = b.page.locator('.notice');
  await told.waitFor();
  const text = await told.innerText();
  check(text.includes(b.t.takenByOthers({ seats: '5', n: 1 })) && text.includes(b.t.stillChosen.replace('{seats}', '6')), `it is told: ${text}`);
  await b.page.unroute('**/seats');
  await wait(async () => (await state(b.page, 5)) === 'taken', 'the seat drawn as taken');
  same(await state(b.page, 6), 'chosen', 'the other seat');
  await look(b, 'seat-taken');
  await button(b.page, b.t.hold).click();
  await heading(b.page, b.t.holdTitle);
});

test('a seat that goes while one looks changes under the eyes, and its choice is told', async () => {
  const s = sale();
  const [a, b] = [await buyer(), await buyer()];
  await Promise.all([atSeats(a, s), atSeats(b, s)]);
  await seat(b.page, 7).click();
  await seat(b.page, 20).focus();
  await holds(a, 7, 8);
  await wait(async () => (await state(b.page, 8)) === 'taken', 'a seat drawn as taken');
  await b.page.locator('.notice').getByText(b.t.justTaken({ seats: '7', n: 1 })).waitFor();
  await wait(async () => (await b.page.locator('#urgent').innerText()).includes('7'), 'a word for screen readers');
  same(await b.page.evaluate(() => document.activeElement.dataset.n), '20', 'where focus is');
  await a.page.goBack();
  await wait(async () => (await state(a.page, 7)) === 'mine', 'one\'s own seats drawn as such');
  await look(a, 'seats-mine');
});

test('at most four seats, and a choice is kept over a reload', async () => {
  const s = sale();
  const who = await buyer();
  await atSeats(who, s);
  for (const n of [1, 2, 3, 4, 5]) await seat(who.page, n).click();
  await who.page.locator('.notice').getByText(who.t.atMost.replace('{n}', '4')).waitFor();
  same(await who.page.locator('[data-state="chosen"][data-n]').count(), 4, 'seats chosen');
  await who.page.reload();
  await seat(who.page, 1).waitFor();
  same(await who.page.locator('[data-state="chosen"][data-n]').count(), 4, 'seats chosen after a reload');
});

test('a hall of 2,000 seats', async () => {
  const s = sale({ title: 'Grand Hall', seats: 2000 });
  const who = await buyer();
  const { page } = who;
  await atSeats(who, s);
  same(await page.locator('.block').count(), 20, 'blocks');
  await page.locator('.block').nth(12).click();
  await seat(page, 1234).click();
  await page.locator('.block').nth(13).click();
  await seat(page, 1350).click();
  await look(who, 'seats-2000');
  // Past the edge of a block the keys go on to the next.
  await seat(page, 1400).focus();
  await page.locator('.block').nth(13).click();
  await seat(page, 1400).click();
  await seat(page, 1400).press('ArrowRight');
  same(await page.evaluate(() => document.activeElement.dataset.n), '1401', 'where focus is');
  await button(page, who.t.hold).click();
  await heading(page, who.t.holdTitle);
  check((await page.locator('main').innerText()).includes('1234, 1350, 1400'), 'other seats are held');
});

test('a hold that runs out says so by itself', async () => {
  const s = sale({ service: 'short' });
  const who = await buyer({ service: 'short' });
  const { page, t } = who;
  await holding(who, s, 1, 2);
  const began = Date.now();
  await page.getByRole('heading', { level: 1, name: t.holdExpired }).waitFor();
  check(Date.now() - began < (HOLD_S + 8) * 1000, 'it took long');
  await look(who, 'hold-expired');
  check(!(await page.locator('.held').isVisible()), 'it is still shown as held');
});

test('the countdown is right on a wrong clock, and warns a minute before the end', async () => {
  const s = sale();
  const who = await buyer();
  const { page, t } = who;
  // This machine is an hour behind and the hold about to end.
  await page.addInitScript(() => {
    const real = Date.now;
    Date.now = () => real() - 3600000;
  });
  await page.route('**/api/v1/reservations/*', async (route) => {
    const answer = await route.fetch();
    const r = await answer.json();
    r.heldUntil = new Date(Math.min(Date.parse(r.heldUntil), began + 63000)).toISOString();
    await route.fulfill({ response: answer, json: r });
  });
  const began = Date.now();
  await holding(who, s, 1);
  const [minutes, seconds] = (await page.locator('.left-time .digits').innerText()).split(':').map(Number);
  const right = (began + 63000 - Date.now()) / 1000;
  check(Math.abs(minutes * 60 + seconds - right) <= 2, `${minutes}:${seconds} is told, and it is ${right} s`);
  await wait(async () => (await page.locator('#urgent').innerText()) === t.holdWarn({ n: 60 }), 'the warning for screen readers');
  check(await page.locator('.countdown.soon').isVisible(), 'the warning is not seen');
  await look(who, 'hold-warning');
  await charges(who);
  await pays(who);
});

test('a phone that slept shows the right time when it wakes', async () => {
  const s = sale();
  const who = await buyer();
  const { page } = who;
  await holding(who, s, 1);
  const left = async () => {
    const [minutes, seconds] = (await page.locator('.left-time .digits').innerText()).split(':').map(Number);
    return minutes * 60 + seconds;
  };
  const [{ heldUntil }] = (await asked(who, '/reservations')).items;
  const cdp = await who.context.newCDPSession(page);
  await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
  await new Promise((resolve) => setTimeout(resolve, 6000));
  await cdp.send('Page.setWebLifecycleState', { state: 'active' });
  await wait(async () => Math.abs((await left()) - (Date.parse(heldUntil) - Date.now()) / 1000) <= 2, 'the right time', 3000);
});
