/* SPDX-License-Identifier: 0BSD */
// For everyone, and safe: the keyboard alone, names that are markup, headers, sizes, the ticket's code.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { asked, button, buyer, charges, check, choosesDate, ctl, heading, holding, holds, joins, last, look, modules, pays, sale, same, seat, services, source, test, wait } from './lib.mjs';

const jsQR = readFileSync(modules.resolve('jsqr/dist/jsQR.js'), 'utf8');
const SIZE_MAX = 100 * 1024;
const USABLE_MS_MAX = 1000;
const LONG = 'Aaaa'.repeat(30); // without a place to break
const HOSTILE = LONG + '<img src=x onerror="window.hit=1"><script>window.hit=2</script>&amp;"\'';

test('a whole sale by the keyboard alone', async () => {
  const s = sale({ title: 'By Keyboard' });
  const { page, t } = await buyer();
  const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
  // Tab until what has focus is called so; what has focus must be seen to.
  const tabTo = async (wanted) => {
    for (let i = 0; i < 40; i++) {
      await press('Tab');
      const { name, seen } = await page.evaluate(() => {
        const e = document.activeElement;
        const style = getComputedStyle(e);
        return { name: e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent, seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 };
      });
      if (!name.includes(wanted)) continue;
      check(seen, `that ${wanted} has focus is not seen`);
      return;
    }
    throw new Error(`Tab does not come to ${wanted}`);
  };
  await page.goto('/');
  await heading(page, t.concerts);
  await press('Tab');
  same(await page.evaluate(() => document.activeElement.textContent), t.skip, 'first');
  await press('Enter');
  await tabTo(s.title);
  await press('Enter');
  await button(page, t.join).waitFor();
  await tabTo(t.yourName);
  await page.keyboard.type('Key Board');
  await press('Enter');
  await page.getByRole('heading', { name: t.chooseDate }).waitFor();
  await tabTo('Hall');
  await press('Enter');
  await seat(page, 1).waitFor();
  await tabTo(t.seatLabel.replace('{n}', '1').split('{')[0]);
  await press('ArrowRight', 'ArrowDown', 'Space', 'End', 'Enter', 'Control+Home', 'Space', 'Space');
  same(await page.locator('[data-n][aria-selected="true"]').evaluateAll((l) => l.map((e) => e.dataset.n)), ['12', '20'], 'chosen');
  same(await seat(page, 12).getAttribute('aria-label'), t.seatLabel.replace('{n}', '12').replace('{state}', t.seat_chosen).replace('{price}', '₩50,000'), 'what is said of a seat');
  await tabTo(t.hold);
  await press('Enter');
  await heading(page, t.holdTitle);
  same(await page.evaluate(() => document.activeElement.tagName), 'H1', 'focus on a new page');
  await tabTo(t.charge);
  await press('Enter');
  await page.locator('.money .primary.wide').waitFor();
  same(await page.evaluate(() => document.activeElement.className), 'primary wide', 'focus after charging');
  await press('Enter');
  await heading(page, t.paidTitle);
  await tabTo(t.print);
});

test('names that are markup are text', async () => {
  const s = sale({ title: HOSTILE, venue: HOSTILE });
  const who = await buyer();
  const { page, t } = who;
  await page.goto('/');
  await page.getByText(HOSTILE, { exact: true }).waitFor();
  await page.goto('/#/concerts/' + s.concertId);
  await joins(who, s, HOSTILE);
  await choosesDate(who, s);
  check((await page.locator('main').innerText()).includes(HOSTILE), 'the venue is not told');
  await holds(who, 1);
  await charges(who);
  await pays(who);
  await page.locator('img.code').waitFor();
  await page.goto('/#/mine');
  await heading(page, t.mine);
  await page.getByRole('heading', { name: HOSTILE, exact: true }).waitFor();
  same(await page.evaluate(() => [window.hit ?? null, document.querySelectorAll('main img, main script').length]), [null, 0], 'hit, elements');
  await look(who, 'hostile');
  await page.goto('/#/concerts/<img src=x onerror=window.hit=1>');
  await page.getByText(t.errors.ROUTE_NOT_FOUND[0]).waitFor();
  same(await page.evaluate(() => window.hit ?? null), null, 'hit');
});

test('the ticket: its code is what the door takes; printed, saved, void once cancelled', async () => {
  const s = sale();
  const who = await buyer({ language: 'ko' });
  const { page, t } = who;
  await holding(who, s, 3, 4);
  await charges(who);
  await pays(who);
  const code = page.locator('img.code');
  await wait(() => code.evaluate((e) => e.complete && e.naturalWidth > 0), 'the picture');
  check((await code.getAttribute('src')).startsWith('blob:'), 'the picture is no blob');
  await page.evaluate(jsQR);
  await page.evaluate(() => {
    window.readCode = (img, width, height) => {
      const c = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d');
      c.fillStyle = '#fff';
      c.fillRect(0, 0, width, height);
      c.drawImage(img, 0, 0, width, height);
      return window.jsQR(c.getImageData(0, 0, width, height).data, width, height)?.data;
    };
  });
  const read = await code.evaluate((img) => window.readCode(img, 500, 500));
  check(read, 'no code can be read on the screen');
  const told = ctl('main', 'ticket', 'verify', read);
  same([told.verdict, told.seats], ['GENUINE', '3,4'], 'what the door says');
  const [download] = await Promise.all([page.waitForEvent('download'), button(page, t.save).click()]);
  check(/^ticket-\d+\.png$/.test(download.suggestedFilename()), `saved as ${download.suggestedFilename()}`);
  const saved = readFileSync(await download.path()).toString('base64');
  same(await page.evaluate(async (base64) => {
    const picture = await createImageBitmap(new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))]));
    return window.readCode(picture, picture.width, picture.height);
  }, saved), read, 'the code of the saved picture');
  const pdf = (await page.pdf({ format: 'A4' })).toString('latin1');
  same(pdf.match(/\/Type \/Page\b/g).length, 1, 'sheets of paper');
  await page.emulateMedia({ media: 'print' });
  check(!(await page.locator('.top').isVisible()) && (await code.isVisible()), 'what is printed is not the ticket');
  await page.screenshot({ path: `${process.env.TEST_PICTURES}/ticket-printed.png` });
  await page.emulateMedia({ media: 'screen' });
  const address = page.url();
  await page.goto('/#/mine');
  await button(page, t.cancel).click();
  await page.getByRole('dialog').getByRole('button', { name: t.cancel }).click();
  await page.getByText(t.status_CANCELLED, { exact: true }).waitFor();
  await page.goto(address);
  await page.getByText(t.ticketVoid).waitFor();
  await look(who, 'ticket-cancelled');
});

last('the first page is small and quick, and asks for nothing twice', async () => {
  sale();
  const { page, t } = await buyer();
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Network.enable');
  let bytes = 0;
  let files = [];
  cdp.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength; });
  // (The icon is that of the page and of the tab.)
  page.on('response', (r) => !r.url().endsWith('.svg') && files.push(new URL(r.url()).pathname));
  await page.goto('/');
  await heading(page, t.concerts);
  const usable = await page.evaluate(() => performance.now());
  check(bytes > 0 && bytes < SIZE_MAX, `${bytes} bytes`);
  same(files.length, new Set(files).size, 'requests, and different ones');
  const listed = [...source('nginx/www/index.html').matchAll(/modulepreload" href="([^"]+)"/g)].map((m) => m[1]);
  same(files.filter((f) => f.endsWith('.js') && f !== '/assets/beat.js').sort(), listed.sort(), 'modules, and those that index.html names');
  console.log(`# first page: ${files.length} requests, ${bytes} bytes, usable after ${Math.round(usable)} ms`);
  check(usable < USABLE_MS_MAX * (process.env.CI ? 5 : 3), `usable after ${usable} ms`);
  // Again: all is asked for, nothing is sent.
  bytes = 0;
  await page.reload();
  await heading(page, t.concerts);
  check(bytes < SIZE_MAX / 2, `${bytes} bytes at the second time`);
});

test('a sale over https', async () => {
  const s = sale();
  const who = await buyer({ secure: true });
  await holding(who, s, 1);
  await charges(who);
  await pays(who);
  same(await who.page.evaluate(() => [location.protocol, isSecureContext]), ['https:', true], 'the page');
});

test('headers: this origin only, never old, no other method', async () => {
  const { url } = services.main;
  const get = (path, more) => fetch(url + path, { headers: { Accept: 'text/html' }, ...more });
  for (const path of ['/', '/assets/app.js', '/assets/style.css', '/assets/pages/seats.js', '/assets/icon.svg']) {
    const answer = await get(path);
    same(answer.status, 200, path);
    const policy = Object.fromEntries(answer.headers.get('content-security-policy').split('; ').map((d) => [d.split(' ')[0], d.split(' ').slice(1).join(' ')]));
    same([policy['default-src'], policy['script-src'], policy['style-src'], policy['connect-src'], policy['img-src'], policy['frame-ancestors']],
      ["'none'", "'self'", "'self'", "'self'", "'self' blob:", "'none'"], 'the policy of ' + path);
    same([answer.headers.get('cache-control'), answer.headers.get('x-content-type-options'), answer.headers.get('referrer-policy'), answer.headers.get('x-frame-options')], ['no-cache', 'nosniff', 'no-referrer', 'DENY'], path);
    check(answer.headers.get('x-request-id'), 'no request id');
    const etag = answer.headers.get('etag');
    check(etag, 'no ETag');
    same((await get(path, { headers: { Accept: 'text/html', 'If-None-Match': etag } })).status, 304, path + ' again');
    const head = await get(path, { method: 'HEAD' });
    same([head.status, (await head.text()).length], [200, 0], 'HEAD of ' + path);
    const post = await get(path, { method: 'POST' });
    same([post.status, (await post.json()).code, post.headers.get('allow')], [405, 'METHOD_NOT_ALLOWED', 'GET, HEAD'], 'POST to ' + path);
  }
  for (const path of ['/assets/', '/assets/nope.js', '/assets/pages', '/assets/pages/', '/assets/..%2fboxoffice.conf.in', '/index.html', '/assets/.hidden.js']) {
    same((await (await get(path)).json()).code, 'ROUTE_NOT_FOUND', path);
  }
  same((await (await fetch(url + '/')).json()).service, 'boxoffice', 'what a program gets');
});

last('the database dies while one pays: it is paid once it is back, and once', async () => {
  const s = sale();
  const who = await buyer();
  await holding(who, s, 1);
  await charges(who);
  const pid = Number(readFileSync(join(dirname(services.main.config), 'run', 'mariadbd.pid'), 'utf8'));
  process.kill(pid, 'SIGKILL');
  await who.page.locator('.money .primary.wide').click();
  await who.page.locator('.bar').getByText(who.t.goesOn).waitFor();
  await look(who, 'database-down');
  await heading(who.page, who.t.paidTitle, 60000);
  same((await asked(who, '/payments')).items.length, 1, 'payments');
});

last('what was sold is in order', async () => {
  for (const service of Object.keys(services)) {
    const out = execFileSync(`${process.env.top_builddir}/boxofficectl`, ['--config', services[service].config, 'audit'], { encoding: 'utf8' });
    check(out.length > 100, out);
  }
});
