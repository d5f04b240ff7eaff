/* SPDX-License-Identifier: 0BSD */
// The balance, and adding to it.
import { get } from '../api.js';
import { h } from '../dom.js';
import { money, t } from '../i18n.js';
import * as outbox from '../outbox.js';
import * as store from '../store.js';
import { announce, busy, problemNotice } from '../ui.js';
import { Problem } from '../api.js';

export async function balance(signal) {
  const user = store.get('user');
  const told = await get(`/users/${user.userId}/balance`, { access: user.accessKey, signal });
  store.put('currency', told.currency);
  return told;
}

// A charge that was sent and not answered comes first: its key is used until it is answered.
export async function charge(amount) {
  const earlier = await outbox.settle('charge');
  if (earlier && (amount === null || earlier.amount === amount)) return earlier;
  return amount === null ? null : outbox.send('charge', `/users/${store.get('user').userId}/balance/charges`, { body: { amount } });
}

// A form that adds `suggested` (or what is typed) and calls done() with the answer.
export function chargeForm({ suggested, currency, primary, done }) {
  const digits = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits;
  const problems = h('div');
  const amount = h('input', { id: 'amount', inputMode: 'decimal', autocomplete: 'off', required: true, value: suggested ? String(suggested / 10 ** digits) : '' });
  const button = h('button', { class: primary ? 'primary' : '' }, t('charge'));
  const form = h('form', { class: 'charge', onsubmit: (event) => {
    event.preventDefault();
    const minor = Math.round(Number(amount.value.replace(/[\s,]/g, '')) * 10 ** digits);
    if (!Number.isSafeInteger(minor) || minor < 1) {
      problems.replaceChildren(problemNotice(new Problem('VALIDATION_FAILED')));
      return amount.focus();
    }
    return busy(button, async () => {
      problems.replaceChildren();
      const told = await charge(minor);
      announce(t('charged', { amount: money(told.amount, told.currency), balance: money(told.balance, told.currency) }));
      await done(told);
    }).catch((problem) => problems.replaceChildren(problemNotice(problem, { again: () => form.requestSubmit() })));
  } },
  h('p', { class: 'field' }, h('label', { for: 'amount' }, t('chargeAmount', { currency })), amount), button, problems);
  return form;
}
