/* SPDX-License-Identifier: 0BSD */
// What to offer when the service refuses: for each code of fcgi-app/base/err.def where to go on. What happened and what to
// do are texts of each language (errors in en.js and ko.js).
import { languages, language, t } from './i18n.js';

// again: the same once more; the others name a page, see action().
export const ways = {
  NETWORK: 'again', MALFORMED_JSON: 'reload', VALIDATION_FAILED: 'again', IDEMPOTENCY_KEY_REQUIRED: 'reload',
  CREDENTIALS_MISSING: 'mine', CREDENTIALS_INVALID: 'mine',
  QUEUE_TOKEN_MISSING: 'concert', QUEUE_TOKEN_INVALID: 'concert', QUEUE_TOKEN_EXPIRED: 'concert',
  INSUFFICIENT_BALANCE: 'again', FORBIDDEN: 'mine', QUEUE_NOT_ADMITTED: 'concert', QUEUE_TOKEN_WRONG_CONCERT: 'concert',
  ROUTE_NOT_FOUND: 'concerts', USER_NOT_FOUND: 'mine', CONCERT_NOT_FOUND: 'concerts', PERFORMANCE_NOT_FOUND: 'concert',
  SEAT_NOT_FOUND: 'again', RESERVATION_NOT_FOUND: 'mine', PAYMENT_NOT_FOUND: 'mine', METHOD_NOT_ALLOWED: 'reload',
  SEAT_TAKEN: 'again', SEAT_LIMIT_EXCEEDED: 'mine', SALES_CLOSED: 'concerts', ALREADY_PAID: 'mine', RESERVATION_ENDED: 'concert',
  CANCEL_TOO_LATE: 'mine', BALANCE_LIMIT_EXCEEDED: 'again', IDEMPOTENCY_IN_PROGRESS: 'again', HOLD_EXPIRED: 'concert',
  BODY_TOO_LARGE: 'again', UNSUPPORTED_MEDIA_TYPE: 'reload', IDEMPOTENCY_KEY_REUSED: 'again', RATE_LIMITED: 'again', INTERNAL: 'again',
  DATABASE_UNAVAILABLE: 'again', QUEUE_FULL: 'again', BUSY: 'again',
};

// {what, next} in the language shown.
export function explain(code) {
  const [what, next] = languages[language].errors[code] ?? languages[language].errors.INTERNAL;
  return { what, next };
}

// {label, href} or {label, again: true} or {label, reload: true}.
export function action(code, concertId) {
  switch (ways[code] ?? 'again') {
    case 'concert':
      if (concertId) return { label: t('toQueue'), href: '#/concerts/' + concertId };
    // Without one: all of them.
    // eslint-disable-next-line no-fallthrough
    case 'concerts':
      return { label: t('toConcerts'), href: '#/' };
    case 'mine':
      return { label: t('toMine'), href: '#/mine' };
    case 'reload':
      return { label: t('reload'), reload: true };
    default:
      return { label: t('tryAgain'), again: true };
  }
}
