/* SPDX-License-Identifier: 0BSD */
// A chart of up to three lines over time. Lines differ in their dashes and each has its name and latest value beside
// it, so that nothing is told by colour alone; what the picture shows is said in words too.
import { h, say } from '/assets/dom.js';
import { number, t } from '/assets/i18n.js';

const WIDTH = 600;
const HEIGHT = 120;
const EDGE = 3; // a line at the top or the bottom is seen whole

function svg(tag, props, ...children) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(props)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

// The next of 1, 2, 5, 10, 20, 50 …
export function roundUp(n) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(n, 1)));
  return unit * [1, 2, 5, 10].find((step) => n <= step * unit);
}

export function short(value) {
  if (value === null) return '–';
  return number(value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
}

function path(points, x, y) {
  let open = false;
  let d = '';
  for (const { ms, value } of points) {
    if (value === null) open = false;
    else {
      d += `${open ? 'L' : 'M'}${x(ms).toFixed(1)} ${y(value).toFixed(1)}`;
      if (!open) d += 'h0'; // a point by itself is seen too
      open = true;
    }
  }
  return d;
}

// name: of its texts; lines: [{name, of, per}], as History.values() takes them.
export function chart({ name, lines }) {
  const title = t('chart_' + name);
  const parts = lines.map((line, i) => ({
    line,
    label: t('line_' + (line.name ?? line.of)),
    latest: h('span', { class: 'digits' }),
    path: svg('path', { class: 'line line-' + i }),
  }));
  const grid = svg('path', { class: 'grid', d: [0, 0.25, 0.5, 0.75, 1].map((part) => `M${part * WIDTH} ${EDGE}V${HEIGHT - EDGE}M0 ${EDGE + part * (HEIGHT - 2 * EDGE)}H${WIDTH}`).join('') });
  const picture = svg('svg', { role: 'img', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none' }, grid, ...parts.map((p) => p.path));
  const top = h('span', { class: 'axis top-of' });
  const from = h('span', { class: 'axis' });
  const element = h('figure', { class: 'card chart', 'data-chart': name },
    h('figcaption', {}, title),
    h('ul', { class: 'keys' }, parts.map((p, i) => h('li', {},
      svg('svg', { class: 'swatch', viewBox: '0 0 24 8', 'aria-hidden': 'true' }, svg('path', { class: 'line line-' + i, d: 'M0 4H24' })), h('span', {}, p.label), p.latest))),
    h('div', { class: 'plot' }, top, picture),
    h('div', { class: 'times', 'aria-hidden': 'true' }, from, h('span', { class: 'axis' }, t('now'))));

  // Draws the range up to now; gives a row for each line: [label, latest, least, most].
  function draw(history, now, rangeMs) {
    const since = now - rangeMs;
    const series = parts.map((p) => history.values(p.line, since));
    const known = series.map((points) => points.map((p) => p.value).filter((v) => v !== null));
    const most = roundUp(Math.max(...known.flat(), 1));
    const minutes = t('minutes', { n: rangeMs / 60000 });
    const rows = parts.map((p, i) => {
      p.path.setAttribute('d', path(series[i], (ms) => ((ms - since) / rangeMs) * WIDTH, (value) => EDGE + (HEIGHT - 2 * EDGE) * (1 - value / most)));
      const row = [p.label, short(series[i].at(-1)?.value ?? null), short(known[i].length ? Math.min(...known[i]) : null), short(known[i].length ? Math.max(...known[i]) : null)];
      say(p.latest, row[1]);
      return row;
    });
    say(top, number(most));
    say(from, minutes);
    picture.setAttribute('aria-label', `${title}, ${minutes}. ` + rows.map(([label, latest, least, peak]) => t('lineSays', { label, latest, least, peak })).join(' '));
    return rows;
  }
  return { element, title, draw };
}
