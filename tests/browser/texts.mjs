/* SPDX-License-Identifier: 0BSD */
// Texts: nothing missing in either language.
import { check, en, ko, same, source, test } from './lib.mjs';

const codes = [...source('fcgi-app/base/err.def').matchAll(/^ERR\((\w+), (\d+),/gm)].filter(([, , status]) => Number(status) >= 400).map(([, code]) => code);

test('every error has its words in both languages, and a way on', async () => {
  check(codes.length > 30, `only ${codes.length} codes found`);
  const ways = source('nginx/www/errors.js').match(/ways = {([^}]*)}/)[1];
  for (const t of [en, ko]) {
    same(Object.keys(t.errors).sort(), [...codes, 'NETWORK'].sort(), `codes with texts (${t.language})`);
    for (const [code, [what, next]] of Object.entries(t.errors)) check(what.length > 3 && next.length > 3, `${t.language} ${code} says nothing`);
  }
  for (const code of codes) check(new RegExp(`\\b${code}:`).test(ways), `nothing is offered for ${code}`);
});

test('both languages have the same texts', async () => {
  same(Object.keys(ko).sort(), Object.keys(en).sort(), 'names');
  const holes = (text) => (typeof text === 'string' ? [...text.matchAll(/\{\w+\}/g)].map(String).sort() : null);
  for (const name of Object.keys(en)) {
    same(typeof ko[name], typeof en[name], name);
    if (typeof en[name] === 'string') same(holes(ko[name]), holes(en[name]), `values in ${name}`);
  }
  for (const [code, words] of Object.entries(ko.errors)) check(/[가-힣]/.test(words.join('')), `${code} is not Korean`);
});

test('every text that the pages name is there, and none is left over', async () => {
  const files = JSON.parse(process.env.TEST_PAGES ?? 'null') ?? ['app', 'api', 'errors', 'i18n', 'shell', 'ui', 'pages/checkout', 'pages/concert', 'pages/concerts',
    'pages/dates', 'pages/mine', 'pages/money', 'pages/seatmap', 'pages/seats', 'pages/ticket', 'pages/waiting'];
  const code = files.map((f) => source(`nginx/www/${f}.js`)).join('\n');
  const named = new Set([...code.matchAll(/'([A-Za-z_]+)'/g)].map((m) => m[1]));
  for (const [, name] of code.matchAll(/\bt\('([A-Za-z_]+)'[,)]/g)) check(name in en, `no text ${name}`);
  for (const name of Object.keys(en)) check(named.has(name) || /^(status|entry|seat)_/.test(name) || ['language', 'errors'].includes(name), `${name} is used nowhere`);
});
