/* SPDX-License-Identifier: 0BSD */
// A whole sale, as buyers see it.
import { asked, button, buyer, charges, check, choosesDate, en, heading, holds, joins, ko, look, pays, sale, same, seat, test, wait } from './lib.mjs';

for (const language of ['en', 'ko']) {
  test(`a whole sale (${language})`, async () => {
    const s = sale({ title: language === 'ko' ? '한강의 밤' : 'Night at the River', price: 77000, venue: language === 'ko' ? '올림픽공원' : 'City Hall' });
    const who = await buyer({ language });
    const { page, t } = who;
    const looks = (state) => look(who, `${language}-${state}`);
    await page.goto('/');
    await heading(page, t.concerts);
    same(await page.locator('html').getAttribute('lang'), language, 'the language of the page');
    await looks('1-concerts');
    await page.getByRole('link', { name: s.title }).click();
    await button(page, t.join).waitFor();
    await looks('2-join');
    await joins(who, s, '김민지');
    await page.getByRole('heading', { name: t.chooseDate }).waitFor();
    await looks('3-dates');
    await choosesDate(who, s);
    await seat(page, 11).click();
    await seat(page, 12).click();
    await looks('4-seats');
    await button(page, t.hold).click();
    await heading(page, t.holdTitle);
    await button(page, t.charge).waitFor();
    await looks('5-hold');
    await charges(who);
    await looks('6-pay');
    await pays(who);
    await looks('7-ticket');
    const [paid] = (await asked(who, '/payments')).items;
    same([paid.seatNumbers, paid.amount, paid.balance], [[11, 12], 154000, 0], 'the payment');
    await page.getByRole('link', { name: t.mine, exact: true }).first().click();
    await heading(page, t.mine);
    await page.getByText(t.status_PAID, { exact: true }).waitFor();
    await looks('8-mine');
    await button(page, t.cancel).click();
    await looks('9-cancel');
    await page.getByRole('dialog').getByRole('button', { name: t.cancel }).click();
    await page.getByText(t.status_CANCELLED, { exact: true }).waitFor();
    same((await asked(who, '/users/{userId}/balance')).balance, 154000, 'the balance after cancelling');
  });
}

test('the language is the browser\'s, and the choice of another is remembered', async () => {
  const { page } = await buyer({ language: 'ko' });
  await page.goto('/');
  await heading(page, ko.concerts);
  await button(page, en.language).click();
  await heading(page, en.concerts);
  await page.reload();
  await heading(page, en.concerts);
  same(await page.locator('html').getAttribute('lang'), 'en', 'the language of the page');
});
