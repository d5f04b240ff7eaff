/* SPDX-License-Identifier: 0BSD */
// The waiting room: on the static file, in order, through whatever happens.
import { button, buyer, check, choosesDate, ctl, en, heading, joins, look, sale, same, services, test, wait } from './lib.mjs';

const count = (page) => page.locator('.huge').innerText();
const leave = async ({ page, t }, s) => {
  // By the service itself, as if in another browser.
  await page.evaluate(async (id) => {
    const { token } = JSON.parse(localStorage.getItem('boxoffice.place.' + id));
    await fetch(`/api/v1/concerts/${id}/queue`, { method: 'DELETE', headers: { 'Queue-Token': token } });
  }, s.concertId);
};

test('one waits on the static file, is told what happens, and is let in by number', async () => {
  const s = sale({ cap: 1, title: 'Small Stage' });
  const [first, second, third] = [await buyer(), await buyer(), await buyer({ language: 'ko' })];
  await joins(first, s);
  await first.page.getByRole('heading', { name: first.t.chooseDate }).waitFor();
  for (const who of [second, third]) {
    await joins(who, s);
    await who.page.locator('.huge').waitFor();
  }
  same([await count(second.page), await count(third.page)], ['0', '1'], 'people ahead');
  check((await third.page.locator('main').innerText()).includes(third.t.closeText), 'it is not told what closing the page does');
  await wait(async () => (await third.page.locator('.rows').innerText()).includes('50'), 'seats left');
  await look(third, 'waiting');

  // What is asked while one waits: the file again and again, the service hardly ever.
  const requests = [];
  third.page.on('request', (r) => requests.push(new URL(r.url()).pathname));
  await wait(() => requests.filter((p) => p === `/queue/${s.concertId}.json`).length >= 3, 'looks at the file');
  const questions = requests.filter((p) => p.startsWith('/api/')).length;
  check(questions <= 2, `${questions} questions to the service in ${requests.length} requests`);

  ctl('main', 'queue', 'pause', s.concertId);
  await third.page.locator('main').getByText(third.t.paused).waitFor();
  await look(third, 'waiting-paused');
  await leave(first, s);
  await third.page.waitForTimeout(1200);
  same(await second.page.locator('.huge').count(), 1, 'waiting rooms while paused');
  ctl('main', 'queue', 'resume', s.concertId);
  await second.page.getByRole('heading', { name: second.t.chooseDate }).waitFor();
  await wait(async () => (await count(third.page)) === '0', 'the last one moving up');

  // Away and back: the same number.
  await third.page.close();
  third.page = await third.context.newPage();
  await third.page.goto('/');
  await third.page.getByText(third.t.inQueue.replace('{n}', '3')).click();
  await third.page.locator('.huge').waitFor();
  // No network for a while.
  await third.context.setOffline(true);
  await third.page.getByText(third.t.lost).waitFor();
  await look(third, 'offline');
  await leave(second, s);
  await third.context.setOffline(false);
  await third.page.getByRole('heading', { name: third.t.chooseDate }).waitFor();
  check(!(await third.page.locator('.bar').isVisible()), 'the bar stays');
});

test('leaving the line is asked about, and a place that ended is explained', async () => {
  const s = sale({ cap: 0, title: 'Closed Door' });
  const who = await buyer();
  const { page, t } = who;
  await joins(who, s);
  await button(page, t.leave).click();
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  same(await page.getByRole('dialog').count(), 0, 'dialogs after Escape');
  same(await page.locator('.huge').count(), 1, 'still waiting');
  await leave(who, s);
  await page.getByText(t.placeLeft).waitFor();
  await look(who, 'place-ended');
  await button(page, t.joinAgain).click();
  await page.locator('.huge').waitFor();
  await button(page, t.leave).click();
  await page.getByRole('dialog').getByRole('button', { name: t.leave }).click();
  await heading(page, t.concerts);
});

test('the pass that runs out is told, and one can get in line again', async () => {
  const s = sale({ service: 'short', title: 'Quick Show' });
  const who = await buyer({ service: 'short' });
  const { page, t } = who;
  await joins(who, s);
  await choosesDate(who, s);
  await page.getByText(t.placeExpired).waitFor();
  await button(page, t.joinAgain).click();
  await page.getByRole('heading', { name: t.chooseDate }).waitFor();
});

test('sales that are not open yet, or no more, are told', async () => {
  const later = sale({ title: 'Next Year', more: ['--sales-open', '2099-01-01T10:00:00Z'] });
  const past = sale({ title: 'Last Year', more: ['--sales-close', '2020-01-01T10:00:00Z'] });
  const who = await buyer();
  await joins(who, later);
  await who.page.locator('main').getByText(en.beforeHelp).waitFor();
  await look(who, 'before-sales');
  await who.page.goto('/#/concerts/' + past.concertId);
  await who.page.locator('main').getByText(en.salesClosed).waitFor();
  await look(who, 'sales-closed');
});

test('a page that nobody looks at asks less, and at once when it is looked at again', async () => {
  const s = sale({ cap: 0 });
  const who = await buyer();
  const { page } = who;
  await joins(who, s);
  await page.locator('.huge').waitFor();
  let asked = 0;
  page.on('request', () => asked++);
  const hide = (hidden) => page.evaluate((is) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => is });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await hide(true);
  await page.waitForTimeout(500);
  asked = 0;
  await page.waitForTimeout(4000);
  check(asked <= 1, `${asked} requests in 4 s while hidden`);
  asked = 0;
  await hide(false);
  await wait(() => asked >= 2, 'requests once it is looked at again', 4000);
  // Let in while nobody looks: the tab says so, and the pass is taken in time.
  await hide(true);
  ctl('main', 'queue', 'set', s.concertId, '--max-active', 1);
  await wait(async () => (await page.title()).startsWith(who.t.yourTurn), 'the title', 30000);
  await hide(false);
  check(!(await page.title()).startsWith(who.t.yourTurn), 'the title stays');
});

test('the bar moves as people in front are let in, and the number ahead never grows', async () => {
  const others = 30;
  const s = sale({ cap: 0, title: 'Long Line' });
  for (let i = 0; i < others; i++) {
    const post = async (path, body, access) => (await fetch(`${services.main.url}/api/v1${path}`, { method: 'POST', body: body && JSON.stringify(body),
      headers: { ...(body && { 'Content-Type': 'application/json' }), ...(access && { Authorization: 'Bearer ' + access }) } })).json();
    const { accessKey } = await post('/users', { name: 'Other ' + i });
    check((await post(`/concerts/${s.concertId}/queue`, null, accessKey)).number, 'somebody could not join');
  }
  const who = await buyer();
  const { page } = who;
  await joins(who, s);
  await page.locator('.huge').waitFor();
  same(await count(page), String(others), 'people ahead');
  await page.evaluate(() => {
    window.seen = [];
    new MutationObserver(() => window.seen.push(Number(document.querySelector('.huge')?.textContent))).observe(document.querySelector('.huge'), { childList: true, characterData: true, subtree: true });
  });
  for (const cap of [10, 20]) {
    ctl('main', 'queue', 'set', s.concertId, '--max-active', cap);
    await wait(async () => (await count(page)) === String(others - cap), 'the number ahead');
    same(await page.locator('progress').evaluate((e) => [e.value, e.max]), [cap + 1, others + 1], 'the bar');
  }
  await look(who, 'waiting-long');
  const seen = await page.evaluate(() => window.seen);
  check(seen.every((n, i) => i === 0 || n <= seen[i - 1]), `ahead grew: ${seen}`);
  ctl('main', 'queue', 'set', s.concertId, '--max-active', others + 1);
  await page.getByRole('heading', { name: who.t.chooseDate }).waitFor();
});
