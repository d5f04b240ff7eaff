/* SPDX-License-Identifier: 0BSD */
// Requests to the service. What can go on by itself does: 429 and 503 wait as told by Retry-After, a lost network
// waits until it is back. Everything sent here may be sent twice: it is a question, or bears a key (outbox.js), or
// has the same effect again.
import * as clock from './clock.js';
import { until } from './ticks.js';

const BASE = '/api/v1';
const ANSWER_MS_MAX = 25000; // the service's own limits are shorter
const NETWORK_WAIT_MS_MAX = 15000;

// What the service refused (its code), or NETWORK when nothing was heard of it.
export class Problem extends Error {
  constructor(code, members = {}, retryAfterS = 0) {
    super(code);
    this.code = code;
    this.members = members;
    this.retryAfterS = retryAfterS;
  }
}

// Who waits for what, for the bar on top: each {code, until} (until in performance.now()).
export const waits = new Set();
const listeners = new Set();
export function onWaits(f) {
  listeners.add(f);
}
function tell() {
  for (const f of listeners) f();
}

async function once(method, path, { body, access, token, key, accept, signal }) {
  const headers = { Accept: accept ?? 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (access) headers.Authorization = 'Bearer ' + access;
  if (token) headers['Queue-Token'] = token;
  if (key) headers['Idempotency-Key'] = key;
  const patience = new AbortController();
  const stop = () => patience.abort();
  const timer = setTimeout(stop, ANSWER_MS_MAX);
  signal?.addEventListener('abort', stop);
  const shared = path.startsWith('/queue/'); // by all, from caches
  const sentMs = Date.now();
  try {
    const answer = await fetch(path, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: patience.signal,
      credentials: 'omit', cache: shared ? 'default' : 'no-store', redirect: 'error', referrerPolicy: 'no-referrer',
    });
    const cameMs = Date.now();
    // The Date of an answer from a cache is an old one.
    if (!shared) clock.sample(answer.headers.get('Date'), sentMs, cameMs);
    const type = (answer.headers.get('Content-Type') ?? '').split(';')[0];
    if (answer.ok) {
      if (answer.status === 204) return null;
      if (accept && type === accept) return await answer.text();
      if (type === 'application/json') return await answer.json();
    } else if (type === 'application/problem+json') {
      const members = await answer.json();
      throw new Problem(members.code, members, Number(answer.headers.get('Retry-After')) || 0);
    }
    // Neither an answer nor a refusal of this service: something on the way spoke.
    throw new Problem('NETWORK');
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw error instanceof Problem ? error : new Problem('NETWORK');
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

// How long to wait before the same is sent again; null when that would not help.
function waitMs(problem, tries) {
  const spread = 1 + Math.random() / 2;
  switch (problem.code) {
    case 'RATE_LIMITED':
    case 'BUSY':
    case 'DATABASE_UNAVAILABLE':
      return Math.max(1, problem.retryAfterS) * 1000 * spread;
    case 'IDEMPOTENCY_IN_PROGRESS':
      return 1000 * spread;
    case 'NETWORK':
      return Math.min(500 * 2 ** tries, NETWORK_WAIT_MS_MAX) * spread;
    default:
      return null;
  }
}

// options: body, access, token, key, accept, signal.
export async function call(method, path, options = {}) {
  for (let tries = 0; ; tries++) {
    try {
      return await once(method, path.startsWith('/queue/') ? path : BASE + path, options);
    } catch (problem) {
      const ms = problem instanceof Problem ? waitMs(problem, tries) : null;
      if (ms === null) throw problem;
      const wait = { code: problem.code, until: performance.now() + ms };
      let back = false;
      // A moment, since all that hung on this network come back together.
      const online = () => setTimeout(() => (back = true), Math.random() * 500);
      waits.add(wait);
      tell();
      if (problem.code === 'NETWORK') addEventListener('online', online);
      try {
        await until(() => back || performance.now() >= wait.until, options.signal);
      } finally {
        removeEventListener('online', online);
        waits.delete(wait);
        tell();
      }
    }
  }
}

export const get = (path, options) => call('GET', path, options);
