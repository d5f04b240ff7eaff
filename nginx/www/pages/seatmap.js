/* SPDX-License-Identifier: 0BSD */
// The seats of a performance, as a grid to be walked with the arrow keys. A large hall is drawn small as a whole, in
// blocks, and one block of it large. Only what changed is touched, so that focus stays where it is.
import { h, say } from '../dom.js';
import { number, t } from '../i18n.js';

const ROW = 10;
const BLOCK = 100;

// seats: as the service tells, by number. chosen and mine are sets of numbers; toggle(n) is called for a seat pressed.
export function seatMap({ chosen, mine, toggle, price }) {
  const cells = new Map();
  const grid = h('div', { class: 'seats', role: 'grid', 'aria-multiselectable': 'true', 'aria-label': t('seatMap') });
  const hall = h('div', { class: 'hall', role: 'group', 'aria-label': t('blocks') });
  let seats = [];
  let block = null;
  let at = null; // the seat that Tab comes to

  const state = (s) => (mine.has(s.seatNumber) ? 'mine' : s.status !== 'AVAILABLE' ? 'taken' : chosen.has(s.seatNumber) ? 'chosen' : 'free');
  const inBlock = () => seats.slice(block * BLOCK, (block + 1) * BLOCK);

  function drawCell(s) {
    const cell = cells.get(s.seatNumber);
    const is = state(s);
    if (cell.dataset.state === is) return;
    cell.dataset.state = is;
    cell.setAttribute('aria-selected', String(is === 'chosen'));
    cell.setAttribute('aria-disabled', String(is === 'taken' || is === 'mine'));
    cell.setAttribute('aria-label', t('seatLabel', { n: s.seatNumber, state: t('seat_' + is), price: price(s) }));
  }

  function focusable(n, focus) {
    cells.get(at)?.setAttribute('tabindex', '-1');
    at = n;
    cells.get(at)?.setAttribute('tabindex', '0');
    if (focus) cells.get(at)?.focus();
  }

  function openBlock(b, first) {
    block = b;
    cells.clear();
    const list = inBlock();
    const rows = [];
    for (let i = 0; i < list.length; i += ROW) {
      rows.push(h('div', { role: 'row' }, list.slice(i, i + ROW).map((s) => {
        const cell = h('div', { role: 'gridcell', class: 'seat', tabindex: '-1', 'data-n': s.seatNumber },
          h('span', { 'aria-hidden': 'true' }, String(s.seatNumber)));
        cells.set(s.seatNumber, cell);
        return cell;
      })));
    }
    grid.classList.toggle('long', list.at(-1).seatNumber > 999);
    grid.replaceChildren(...rows);
    list.forEach(drawCell);
    for (const [i, e] of [...hall.children].entries()) e.setAttribute('aria-pressed', String(i === block));
    focusable(first ?? (list.find((s) => state(s) === 'free') ?? list[0]).seatNumber, first != null);
  }

  // The whole hall in small: a dot a seat.
  function drawBlock(canvas, list) {
    const style = getComputedStyle(grid);
    const c = canvas.getContext('2d');
    c.clearRect(0, 0, canvas.width, canvas.height);
    for (const [i, s] of list.entries()) {
      c.fillStyle = style.getPropertyValue('--seat-' + state(s));
      c.fillRect((i % ROW) * 6, Math.floor(i / ROW) * 6, 5, 5);
    }
  }

  function drawHall() {
    const blocks = Math.ceil(seats.length / BLOCK);
    if (blocks < 2) return;
    if (hall.children.length !== blocks) {
      hall.replaceChildren(...Array.from({ length: blocks }, (_, b) => h('button', { type: 'button', class: 'block', onclick: () => { openBlock(b); grid.parentElement.scrollIntoView({ block: 'nearest' }); } },
        h('canvas', { width: ROW * 6 - 1, height: (BLOCK / ROW) * 6 - 1, 'aria-hidden': 'true' }), h('span', { class: 'block-name' }), h('span', { class: 'soft small' }))));
    }
    for (const [b, button] of [...hall.children].entries()) {
      const list = seats.slice(b * BLOCK, (b + 1) * BLOCK);
      const free = list.filter((s) => ['free', 'chosen'].includes(state(s))).length;
      say(button.children[1], `${list[0].seatNumber}–${list.at(-1).seatNumber}`);
      say(button.children[2], t('blockFree', { n: number(free) }));
      drawBlock(button.children[0], list);
    }
  }

  grid.addEventListener('click', (event) => {
    const n = Number(event.target.closest('[data-n]')?.dataset.n);
    if (!n) return;
    focusable(n, true);
    toggle(n);
  });
  grid.addEventListener('keydown', (event) => {
    const list = inBlock();
    const [least, most] = [list[0].seatNumber, list.at(-1).seatNumber];
    const row = (n) => Math.floor((n - least) / ROW);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -ROW, ArrowDown: ROW }[event.key];
    let to;
    if (event.key === ' ' || event.key === 'Enter') toggle(at);
    else if (step) to = at + step;
    else if (event.key === 'Home') to = event.ctrlKey ? least : least + row(at) * ROW;
    else if (event.key === 'End') to = event.ctrlKey ? most : Math.min(most, least + row(at) * ROW + ROW - 1);
    else if (event.key === 'PageUp' || event.key === 'PageDown') to = at + (event.key === 'PageUp' ? -BLOCK : BLOCK);
    else return;
    event.preventDefault();
    if (to === undefined) return;
    // Past the edge of a block the next one opens.
    const index = to - seats[0].seatNumber;
    if (index < 0 || index >= seats.length) return;
    const b = Math.floor(index / BLOCK);
    if (b === block) focusable(to, true);
    else openBlock(b, to);
  });

  return {
    element: h('div', { class: 'map' }, h('p', { class: 'stage', 'aria-hidden': 'true' }, t('stage')), hall, h('div', { class: 'scroll' }, grid)),
    update(next) {
      seats = next;
      if (block === null) {
        const wanted = [...chosen][0] ?? seats.find((s) => s.status === 'AVAILABLE')?.seatNumber;
        openBlock(wanted ? Math.floor(seats.findIndex((s) => s.seatNumber === wanted) / BLOCK) : 0);
      }
      inBlock().forEach(drawCell);
      drawHall();
      if (block !== null) for (const [i, e] of [...hall.children].entries()) e.setAttribute('aria-pressed', String(i === block));
    },
    redraw() {
      inBlock().forEach(drawCell);
      drawHall();
    },
  };
}
