/* SPDX-License-Identifier: 0BSD */
// Waiting: all of it hangs on one beat, which is slow while the page is hidden.
import { left } from './dom.js';

const SEEN_MS = 250;
const HIDDEN_MS = 3000;

const listeners = new Set();
let worker;

function beat() {
  for (const f of [...listeners]) f();
}
function pace() {
  worker?.postMessage(document.hidden ? HIDDEN_MS : SEEN_MS);
  beat();
}

export function start() {
  try {
    // The only address that these pages ever run besides their own modules, and the only one that the policy lets them.
    const policy = globalThis.trustedTypes?.createPolicy('beat', { createScriptURL: () => '/assets/beat.js' });
    worker = new Worker(policy ? policy.createScriptURL('') : '/assets/beat.js');
    worker.onmessage = beat;
    worker.onerror = () => setInterval(beat, SEEN_MS);
  } catch {
    setInterval(beat, SEEN_MS);
  }
  for (const what of ['pageshow', 'online', 'focus']) addEventListener(what, pace);
  document.addEventListener('visibilitychange', pace);
  pace();
}

// Calls f at each beat until the page is left, and once now.
export function onTick(f, signal) {
  listeners.add(f);
  signal.addEventListener('abort', () => listeners.delete(f), { once: true });
  f();
}

// Waits until true() is, looking at each beat.
export async function until(true_, signal) {
  const stop = new AbortController();
  const gone = signal ? left(signal) : new Promise(() => {});
  gone.catch(() => {});
  try {
    await Promise.race([gone, new Promise((resolve) => onTick(() => true_() && resolve(), stop.signal))]);
  } finally {
    stop.abort();
  }
}

// Work again and again, each time so long after the last: every() gives {seen, hidden} in milliseconds. Spread a
// little, so that people who came together don't ask together for ever.
export async function poll(signal, work, every) {
  while (!signal.aborted) {
    await work();
    const since = performance.now();
    const spread = 0.85 + Math.random() * 0.3;
    await until(() => performance.now() - since >= every()[document.hidden ? 'hidden' : 'seen'] * spread, signal);
  }
}
