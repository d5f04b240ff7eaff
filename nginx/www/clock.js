/* SPDX-License-Identifier: 0BSD */
// The server's clock, as far as its answers tell. This machine's clock may be wrong, and its timers stop while it
// sleeps: a countdown is the difference between a time of the server and now() here, never a sum of ticks.

const DATE_STEP_MS = 1000; // the Date header has whole seconds

// The server's clock less this one's lies between these.
let least = -Infinity;
let most = Infinity;

// An answer was made at `date` (of its header), after it was asked for and before it came.
export function sample(date, sentMs, cameMs) {
  const at = Date.parse(date ?? '');
  if (!Number.isFinite(at) || cameMs < sentMs) return;
  const low = at - cameMs;
  const high = at + DATE_STEP_MS - sentMs;
  if (low > most || high < least) {
    // One of the clocks was set meanwhile.
    least = low;
    most = high;
  } else {
    least = Math.max(least, low);
    most = Math.min(most, high);
  }
}

export function now() {
  return Date.now() + (Number.isFinite(least) ? Math.round((least + most) / 2) : 0);
}

export function secondsUntil(time) {
  return Math.max(0, Math.ceil((Date.parse(time) - now()) / 1000));
}
