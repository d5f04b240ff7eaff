/* SPDX-License-Identifier: 0BSD */
// Writes that must happen once. Each is kept with its Idempotency-Key before it is sent, and forgotten when its
// answer is here. Whatever happens between (the page closed, the network gone, the answer lost), it is sent again
// with the same key, and gets the first answer. Two pages that send the same use the same key.
import { call, Problem } from './api.js';
import * as store from './store.js';

const KEPT_MS = 23 * 3600 * 1000; // the service keeps an answer for 24 hours

const running = new Map();

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
}

export function pending(name) {
  const entry = store.get('outbox.' + name);
  if (entry && Date.now() - entry.sentAt > KEPT_MS) {
    store.drop('outbox.' + name);
    return null;
  }
  return entry;
}

// One page at a time chooses the key, where the browser can do that (on a secure origin).
function alone(name, f) {
  return navigator.locks ? navigator.locks.request('boxoffice.' + name, f) : f();
}

async function deliver(name, entry) {
  try {
    const user = store.get('user');
    const answer = await call('POST', entry.path, { body: entry.body, key: entry.key, token: entry.token, access: user?.accessKey });
    store.drop('outbox.' + name);
    return answer;
  } catch (problem) {
    // INTERNAL tells nothing about what became of it; all other refusals are final.
    if (problem instanceof Problem && problem.code !== 'INTERNAL') store.drop('outbox.' + name);
    throw problem;
  }
}

// Sends a write called `name` (one at a time of each name), or again what is pending under that name.
export function send(name, path, { body, token } = {}) {
  if (!running.has(name)) {
    running.set(name, (async () => {
      const entry = await alone(name, () => {
        const known = pending(name) ?? { path, body, token, key: newKey(), sentAt: Date.now() };
        store.put('outbox.' + name, known);
        return known;
      });
      return deliver(name, entry);
    })().finally(() => running.delete(name)));
  }
  return running.get(name);
}

// Sends again what is pending under the name: its answer, or null when nothing is.
export async function settle(name) {
  return running.get(name) ?? (pending(name) ? send(name) : null);
}
