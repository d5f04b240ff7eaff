/* SPDX-License-Identifier: 0BSD */
// What was bought: the ticket with its code, to show, print or save.
import { call, get, Problem } from '../api.js';
import { h } from '../dom.js';
import { money, stamp, t } from '../i18n.js';
import * as store from '../store.js';
import { notice, rows } from '../ui.js';
import { about, aboutRows } from './checkout.js';

const SAVED_PX = 1200;

// The picture is fetched with the access key, so that no address opens it; here it is a blob of this page.
async function picture(id, accessKey, signal) {
  try {
    return await call('GET', `/payments/${id}/ticket.svg`, { access: accessKey, accept: 'image/svg+xml', signal });
  } catch (problem) {
    if (problem instanceof Problem && ['ROUTE_NOT_FOUND', 'INTERNAL', 'RESERVATION_ENDED'].includes(problem.code)) return null;
    throw problem;
  }
}

function blobOf(svg) {
  return new Blob([svg], { type: 'image/svg+xml' });
}

// The code alone, since a phone shows that larger than a whole ticket: the drawing within the drawing.
function codeAlone(svg) {
  const code = svg.match(/<svg x=[^]*?<\/svg>/)?.[0];
  return blobOf(code ? code.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ') : svg);
}

// Photo albums of phones take PNG, not SVG.
async function png(image) {
  const scale = SAVED_PX / Math.max(image.naturalWidth, image.naturalHeight, 1);
  const canvas = h('canvas', { width: Math.round(image.naturalWidth * scale), height: Math.round(image.naturalHeight * scale) });
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}

function save(blob, name) {
  const link = h('a', { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export async function ticket({ signal, show }, id) {
  const user = store.get('user');
  if (!user) throw new Problem('CREDENTIALS_MISSING');
  const payment = await get('/payments/' + id, { access: user.accessKey, signal });
  const [facts, r, svg] = await Promise.all([about(payment, signal),
    get('/reservations/' + payment.reservationId, { access: user.accessKey, signal }), picture(id, user.accessKey, signal)]);
  const cancelled = r.status === 'CANCELLED';
  let code = notice('info', t('noPicture'), t('noPictureHelp'));
  let image = null;
  if (svg && !cancelled) {
    const addresses = [codeAlone(svg), blobOf(svg)].map((blob) => URL.createObjectURL(blob));
    signal.addEventListener('abort', () => addresses.forEach((a) => URL.revokeObjectURL(a)), { once: true });
    code = h('img', { class: 'code', src: addresses[0], alt: t('ticketAlt', { n: id, seats: payment.seatNumbers.join(', ') }) });
    image = h('img', { src: addresses[1], alt: '' }); // what is saved
  }
  show(cancelled ? t('reservationCancelled') : t('paidTitle'),
    cancelled ? notice('warn', t('ticketVoid'), t('ticketVoidHelp', { amount: money(payment.amount, payment.currency) })) : h('p', { class: 'unprinted' }, t('ticketHelp')),
    h('article', { class: 'card ticket' },
      h('h2', {}, facts.title), cancelled ? null : code,
      rows(...aboutRows(payment, facts), user.name && [t('name'), user.name], [t('paid'), money(payment.amount, payment.currency)], [t('paidAt'), stamp(payment.paidAt)], [t('ticketNumber'), String(id)])),
    h('p', { class: 'actions unprinted' },
      !cancelled && h('button', { type: 'button', class: 'primary', onclick: () => print() }, t('print')),
      image && h('button', { type: 'button', onclick: async () => save(await png(image), `ticket-${id}.png`) }, t('save')),
      h('a', { class: 'button', href: '#/mine' }, t('toMine'))),
    h('p', { class: 'soft unprinted' }, t('balanceAfter', { amount: money(payment.balance, payment.currency) })));
}
