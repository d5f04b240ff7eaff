/* SPDX-License-Identifier: 0BSD */
// What the tests share: TAP, buyers in browsers of their own, concerts, and looking at a page from all sides.
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { TEST_SERVICES, TEST_MODULES, TEST_CHROMIUM, TEST_PICTURES, top_srcdir, top_builddir } = process.env;
const need = createRequire(join(TEST_MODULES, 'package.json'));
const { chromium } = need('playwright-core');
const axeSource = readFileSync(need.resolve('axe-core/axe.min.js'), 'utf8');
export const modules = need;

export const services = JSON.parse(TEST_SERVICES);
export const HOLD_S = Number(process.env.TEST_HOLD_S);
export const source = (path) => readFileSync(join(top_srcdir, path), 'utf8');
const WAIT_MS = 20000; // for what takes a moment; a loaded machine takes longer

// The texts as the pages have them. (They are modules, but nothing says so to node.)
const texts = async (path) => import('data:text/javascript,' + encodeURIComponent(source(path)));
export const { en } = await texts('nginx/www/en.js');
export const { ko } = await texts('nginx/www/ko.js');

// --- TAP ---

const tests = [];
export const test = (name, f) => tests.push({ name, f });
export const last = (name, f) => tests.push({ name, f, last: true }); // when all others are done
export function check(true_, what) {
  if (!true_) throw new Error(what);
}
export function same(is, wanted, what) {
  const [a, b] = [is, wanted].map((x) => JSON.stringify(x));
  check(a === b, `${what}: ${a}, not ${b}`);
}
export const note = (text) => console.log(String(text).replace(/^/gm, '# '));

// true() until it is; its value.
export async function wait(true_, what, ms = WAIT_MS) {
  for (const end = Date.now() + ms; ;) {
    const value = await true_();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const LANES = 3; // tests at a time: most of a test is waiting
const lane = new AsyncLocalStorage(); // the buyers of the test that runs
let browser;
let done = 0;
let failed = 0;

async function one({ name, f }) {
  const began = Date.now();
  const buyers = [];
  let error = null;
  try {
    await lane.run(buyers, f);
    for (const b of buyers) {
      same(b.complaints, [], 'the browser complains, or asks elsewhere');
      const secrets = await b.page.evaluate(() => Object.values(localStorage).join().match(/(?<="(accessKey|token)":")[^"]+/g) ?? []);
      for (const secret of secrets) check(![...b.addresses, b.page.url()].some((a) => a.includes(secret)), 'a secret in an address');
    }
  } catch (e) {
    error = e;
  }
  const lines = [];
  if (error) {
    failed++;
    lines.push(error.stack.slice(0, 3000));
    for (const [i, b] of buyers.entries()) {
      const picture = join(TEST_PICTURES, `failed-${name.replace(/\W+/g, '-').slice(0, 40)}-${i + 1}.png`);
      lines.push(`at ${b.page.url()}: ${(await b.page.locator('main').innerText({ timeout: 1000 }).catch(() => '')).replace(/\s+/g, ' ').slice(0, 500)}`);
      if (await b.page.screenshot({ path: picture, timeout: 5000 }).catch(() => null)) lines.push(picture);
    }
  }
  console.log(`${error ? 'not ok' : 'ok'} ${++done} - ${name}`);
  note([...lines, `took ${((Date.now() - began) / 1000).toFixed(1)} s`].join('\n'));
  for (const b of buyers) await b.context.close().catch(() => {});
}

export async function run() {
  const wanted = process.argv.slice(2);
  const chosen = tests.filter(({ name }) => !wanted.length || wanted.some((w) => name.includes(w.replaceAll('_', ' '))));
  mkdirSync(TEST_PICTURES, { recursive: true });
  browser = await chromium.launch({ executablePath: TEST_CHROMIUM, args: ['--disable-dev-shm-usage', '--disable-gpu'] });
  console.log(`1..${chosen.length}`);
  const queue = chosen.filter((t) => !t.last);
  const work = async () => {
    for (let next; (next = queue.shift());) await one(next);
  };
  await Promise.all(Array.from({ length: LANES }, work));
  for (const t of chosen.filter((c) => c.last)) await one(t);
  await browser.close();
  note(`axe-core: ${axe.states} states, ${axe.passes} checks passed, ${axe.violations} violations`);
  note(`pictures are in ${TEST_PICTURES}`);
  process.exitCode = failed ? 1 : 0;
}

// --- concerts and buyers ---

export function ctl(service, ...args) {
  const out = execFileSync(join(top_builddir, 'boxofficectl'), ['--config', services[service].config, '--json', ...args.map(String)], { encoding: 'utf8' });
  return out.trim() ? JSON.parse(out) : null;
}

export const inDays = (days) => new Date(Date.now() + days * 86400000).toISOString();

export function sale({ service = 'main', title = 'Evening Concert', cap = 100, seats = 50, price = 50000, venue = 'Hall', more = [] } = {}) {
  const { concertId } = ctl(service, 'concert', 'add', '--title', title, '--max-active', cap, ...more);
  const { performanceId } = ctl(service, 'performance', 'add', concertId, '--starts-at', inDays(30), '--venue', venue, '--price', price, '--seats', seats);
  return { concertId, performanceId, title, price };
}

// Somebody with a browser of their own. `complaints` collects what no page may do.
export async function buyer({ language = 'en', service = 'main', scheme = 'light', width = 1280, height = 900, secure = false, ...more } = {}) {
  const url = services[service][secure ? 'secure' : 'url'];
  const context = await browser.newContext({ baseURL: url, locale: language === 'ko' ? 'ko-KR' : 'en-GB', timezoneId: 'Asia/Seoul', colorScheme: scheme,
    viewport: { width, height }, reducedMotion: 'reduce', ignoreHTTPSErrors: secure, ...more });
  context.setDefaultTimeout(WAIT_MS);
  const who = { context, service, t: language === 'ko' ? ko : en, complaints: [], addresses: new Set() };
  context.on('request', (r) => {
    who.addresses.add(r.url());
    if (!r.url().startsWith(url + '/') && !r.url().startsWith('blob:' + url)) who.complaints.push('asked ' + r.url());
  });
  context.on('page', (page) => {
    page.on('pageerror', (e) => who.complaints.push(String(e)));
    page.on('console', (m) => {
      if (m.type() === 'error' && !m.text().startsWith('Failed to load resource')) who.complaints.push(m.text());
    });
  });
  who.page = await context.newPage();
  lane.getStore().push(who);
  return who;
}

export const heading = (page, text, timeout = WAIT_MS) => page.getByRole('heading', { level: 1, name: text, exact: true }).waitFor({ timeout });
export const button = (page, text) => page.getByRole('button', { name: text, exact: true });
export const seat = (page, n) => page.locator(`[data-n="${n}"]`);

// The steps of a sale, each by what a person sees.
export async function joins({ page, t }, s, name = 'Minji Kim') {
  await page.goto('/#/concerts/' + s.concertId);
  await heading(page, s.title);
  const field = page.getByLabel(t.yourName);
  await button(page, t.join).waitFor();
  if (await field.count()) await field.fill(name);
  await button(page, t.join).click();
}
export async function choosesDate({ page, t }, s) {
  await page.getByRole('heading', { name: t.chooseDate }).waitFor();
  await page.locator(`a[href$="/performances/${s.performanceId}"]`).first().click();
  await seat(page, 1).waitFor();
}
export async function holds({ page, t }, ...numbers) {
  for (const n of numbers) await seat(page, n).click();
  await button(page, t.hold).click();
  await heading(page, t.holdTitle);
}
export async function charges({ page, t }) {
  await button(page, t.charge).click();
  await page.locator('.money .primary.wide').waitFor();
}
export async function pays({ page, t }) {
  await page.locator('.money .primary.wide').click();
  await heading(page, t.paidTitle);
}
export async function holding(who, s, ...numbers) {
  await joins(who, s);
  await choosesDate(who, s);
  await holds(who, ...numbers);
}

// --- what the service says, asked with the buyer's own key ---

export async function asked({ page }, path) {
  return page.evaluate(async (p) => {
    const user = JSON.parse(localStorage.getItem('boxoffice.user'));
    const answer = await fetch('/api/v1' + p.replace('{userId}', user.userId), { headers: { Authorization: 'Bearer ' + user.accessKey } });
    return answer.json();
  }, path);
}

// --- looking at a page from all sides ---

const axe = { states: 0, passes: 0, violations: 0 };
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

async function accessible(page, state) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axeSource);
  const found = await page.evaluate((tags) => window.axe.run(document, { runOnly: tags, resultTypes: ['violations'] })
    .then((r) => ({ passes: r.passes.length, bad: r.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 200)).join(' | ')}`) })), TAGS);
  axe.states++;
  axe.passes += found.passes;
  axe.violations += found.bad.length;
  same(found.bad, [], `axe-core, ${state}`);
}

async function fits(page, state) {
  const over = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return null;
    return [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > width + 1 && !e.closest('.scroll')).slice(-3).map((e) => e.outerHTML.slice(0, 150)).concat(`${document.documentElement.scrollWidth} > ${width}`);
  });
  same(over, null, `${state} scrolls sideways`);
}

const textSize = (page, size) => page.evaluate((s) => { document.documentElement.style.fontSize = s; }, size);

// axe-core in light and dark, 360 pixels wide, text at 200 %, and pictures.
export async function look({ page }, state) {
  const desk = { width: 1280, height: 900 };
  const picture = (name, more) => page.screenshot({ path: join(TEST_PICTURES, `${state}-${name}.png`), ...more });
  await page.setViewportSize(desk);
  await accessible(page, state + ', light');
  await picture('desk');
  await textSize(page, '200%');
  await fits(page, state + ' with text at 200 %');
  await page.setViewportSize({ width: 360, height: 740 });
  await fits(page, state + ' with text at 200 %, 360 px wide');
  await textSize(page, '');
  await fits(page, state + ', 360 px wide');
  await picture('phone');
  await page.emulateMedia({ colorScheme: 'dark' });
  await accessible(page, state + ', dark, 360 px wide');
  await picture('phone-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(desk);
}
