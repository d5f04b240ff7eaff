/* SPDX-License-Identifier: 0BSD */
// Two languages: the browser's choice, or what was chosen here before. A text is a string with {names}, or a function.
import { en } from './en.js';
import { ko } from './ko.js';
import * as store from './store.js';

export const languages = { en, ko };

function chosen() {
  const kept = store.get('language');
  if (kept in languages) return kept;
  for (const wanted of navigator.languages ?? []) {
    const language = wanted.slice(0, 2).toLowerCase();
    if (language in languages) return language;
  }
  return 'en';
}

export let language = chosen();

export function choose(next) {
  language = next;
  store.put('language', next);
}
export function follow() {
  const next = chosen();
  const changed = next !== language;
  language = next;
  return changed;
}

export function t(name, values = {}) {
  const text = languages[language][name];
  if (typeof text === 'function') return text(values);
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? '');
}

export function number(n) {
  return new Intl.NumberFormat(language).format(n);
}

// An amount is an integer in the currency's minor unit.
export function money(amount, currency) {
  const format = new Intl.NumberFormat(language, { style: 'currency', currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

export function when(time) {
  return new Intl.DateTimeFormat(language, {
    year: 'numeric', month: 'long', day: 'numeric', weekday: 'short', hour: 'numeric', minute: '2-digit', timeZoneName: 'short',
  }).format(new Date(time));
}
export function stamp(time) {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time));
}

export function list(items) {
  return new Intl.ListFormat(language).format(items.map(String));
}

// 4:05, or 1:02:03.
export function clockTime(seconds) {
  const two = (n) => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

// "about 4 minutes": what people say to each other.
export function about(seconds) {
  if (seconds < 60) return t('underAMinute');
  return t('aboutMinutes', { n: Math.round(seconds / 60) });
}
