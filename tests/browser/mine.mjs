/* SPDX-License-Identifier: 0BSD */
// What is one's own: giving up, cancelling too late, limits, a long history.
import { asked, button, buyer, charges, check, choosesDate, ctl, heading, holding, holds, joins, look, pays, sale, same, seat, services, test, wait } from './lib.mjs';

const confirm = ({ page }, text) => page.getByRole('dialog').getByRole('button', { name: text }).click();

test('seats given up are free for others at once', async () => {
  const s = sale();
  const [a, b] = [await buyer(), await buyer({ language: 'ko' })];
  await holding(a, s, 1, 2);
  await joins(b, s);
  await choosesDate(b, s);
  same(await seat(b.page, 1).getAttribute('data-state'), 'taken', 'a seat held by another');
  await button(a.page, a.t.release).click();
  await look(a, 'release');
  await confirm(a, a.t.release);
  await seat(a.page, 1).waitFor();
  await wait(async () => (await seat(b.page, 1).getAttribute('data-state')) === 'free', 'the seat drawn as free');
  // From the map too: one hold at a time.
  await holds(a, 3);
  await a.page.goBack();
  await a.page.getByText(a.t.holdFirstHelp).waitFor();
  await button(a.page, a.t.release).click();
  await confirm(a, a.t.release);
  await button(a.page, a.t.hold).waitFor();
  same((await asked(a, '/reservations')).items.map((r) => r.status), ['RELEASED', 'RELEASED'], 'reservations');
});

test('what can not be cancelled any more, and seats past the limit, are told in words', async () => {
  const s = sale({ price: 1000 });
  const { performanceId } = ctl('main', 'performance', 'add', s.concertId, '--starts-at', new Date(Date.now() + 3600000).toISOString(), '--venue', 'Soon', '--price', 1000);
  const soon = { ...s, performanceId };
  const who = await buyer();
  const { page, t } = who;
  await holding(who, soon, 1, 2, 3, 4);
  await charges(who);
  await pays(who);
  await page.goto('/#/mine');
  await button(page, t.cancel).click();
  await confirm(who, t.cancel);
  await page.getByText(t.errors.CANCEL_TOO_LATE[0]).waitFor();
  await look(who, 'cancel-too-late');
  await page.locator('.notice.bad').getByRole('link').click();
  await page.locator('.notice.bad').waitFor({ state: 'detached' });
  await joins(who, soon);
  await choosesDate(who, soon);
  await seat(page, 5).click();
  await button(page, t.hold).click();
  await page.getByText(t.errors.SEAT_LIMIT_EXCEEDED[0]).waitFor();
  await look(who, 'seat-limit');
});

test('a long history comes page by page', async () => {
  const s = sale();
  const who = await buyer();
  const { page, t } = who;
  await joins(who, s);
  await page.getByRole('heading', { name: t.chooseDate }).waitFor();
  const user = await page.evaluate(() => JSON.parse(localStorage.getItem('boxoffice.user')));
  for (let i = 1; i <= 25; i++) {
    const answer = await fetch(`${services.main.url}/api/v1/users/${user.userId}/balance/charges`, { method: 'POST', body: `{"amount":${i}}`,
      headers: { 'Content-Type': 'application/json', Authorization: 'Bearer ' + user.accessKey, 'Idempotency-Key': 'history-' + i } });
    check(answer.status === 201 || answer.status === 429, `charging: ${answer.status}`);
    if (answer.status === 429) await new Promise((resolve) => setTimeout(resolve, 1000)).then(() => i--);
  }
  await page.goto('/#/mine');
  await heading(page, t.mine);
  same(await page.locator('.entry').count(), 20, 'entries at first');
  await page.locator('section', { has: page.locator('.entries') }).getByRole('button', { name: t.more }).click();
  await wait(async () => (await page.locator('.entry').count()) === 25, 'all entries');
  check(!(await page.locator('section', { has: page.locator('.entries') }).getByRole('button', { name: t.more }).isVisible()), 'there is said to be more');
  // And a charge by hand.
  await page.getByText(t.addMoney).click();
  await page.getByLabel(t.chargeAmount.replace('{currency}', 'KRW')).fill('0');
  await button(page, t.charge).click();
  await page.getByText(t.errors.VALIDATION_FAILED[0]).waitFor();
  await page.getByLabel(t.chargeAmount.replace('{currency}', 'KRW')).fill('1,000');
  await button(page, t.charge).click();
  await page.getByText('₩1,325').first().waitFor();
});
