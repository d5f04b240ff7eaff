/* SPDX-License-Identifier: 0BSD */
// What was seen of one thing, a point a poll, for an hour. Counts are kept as they came and become rates only when they
// are drawn: so thinned out they still tell exactly how much happened between two points.

export const KEPT_MS = 3600000;
// A point goes when its neighbours are nearer to each other than this part of its age: some 500 points tell an hour.
const FINENESS = 1 / 100;
const THIN_EVERY = 64;

export class History {
  points = []; // by time: {ms, names and numbers}, or {ms, gap: true}: from here to the next nothing is known
  #added = 0;

  add(point) {
    this.points.push(point);
    if (++this.#added % THIN_EVERY === 0) this.#thin(point.ms);
  }

  gap(ms) {
    if (this.points.length && !this.points.at(-1).gap) this.add({ ms, gap: true });
  }

  #thin(now) {
    const kept = [];
    this.points.forEach((p, i) => {
      const after = this.points[i + 1];
      if (p.ms < now - KEPT_MS) return;
      if (kept.length && after && after.ms - kept.at(-1).ms < (now - p.ms) * FINENESS) return;
      kept.push(p);
    });
    this.points = kept;
  }

  get latest() {
    return this.points.at(-1);
  }

  // [{ms, value}] since then, and the one before; null is not known. With `per`, what was counted in so many seconds.
  values({ of, per }, since) {
    const first = Math.max(0, this.points.findLastIndex((p) => p.ms < since));
    return this.points.slice(first).map((p, i) => {
      if (p.gap || !per) return { ms: p.ms, value: p[of] ?? null };
      const before = this.points[first + i - 1];
      const n = before && !before.gap ? p[of] - before[of] : -1;
      // Less than before: the service began anew.
      return { ms: p.ms, value: n < 0 ? null : (n * per * 1000) / (p.ms - before.ms) };
    });
  }

  // How much a count grew since then.
  grown(of, since) {
    const known = this.points.filter((p) => !p.gap);
    return known.reduce((sum, p, i) => (i && p.ms >= since ? sum + Math.max(0, p[of] - known[i - 1][of]) : sum), 0);
  }
}
