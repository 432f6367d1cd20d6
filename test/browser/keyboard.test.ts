import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Demo } from '../e2e/support/demo.ts';
import { startDemo } from '../e2e/support/demo.ts';
import { eventually, eventuallyReads, read } from './support/eventually.ts';
import { Person } from './support/person.ts';

/** As many steps of Tab as a patient person makes. */
const PATIENCE = 60;

describe('With the keyboard alone', () => {
  let demo: Demo;
  let person: Person;
  let page: Page;

  beforeAll(async () => {
    demo = await startDemo(['--nodes', '4']);
    person = await Person.sitDown(demo.url, 'keyboard');
    page = person.page;
  });
  afterAll(async () => {
    await person?.leave();
    await demo?.stop();
  });

  /** What has the focus, as a screen reader would say it. */
  const focused = () =>
    page.evaluate(() => {
      const element = document.activeElement;
      return element?.getAttribute('aria-label') ?? element?.textContent?.trim() ?? '';
    });

  async function tabTo(name: RegExp, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
    for (let step = 0; step < PATIENCE; step += 1) {
      await page.keyboard.press(key);
      if (name.test(await focused())) return;
    }
    throw new Error(`${PATIENCE} times ${key} did not reach ${name}; the last was "${await focused()}".`);
  }

  test('the first Tab offers the way to the message box', async () => {
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Skip to the message box');
    await person.picture('skip-link');
    await page.keyboard.press('Enter');
    await eventually(focused).toMatch(/^Message #ops-hadoop as alice/);
  });

  test('a hint is chosen with the arrows, and Enter sends it', async () => {
    await page.keyboard.type('/eph', { delay: 20 });
    await page.getByTestId('channel').getByTestId('hints').waitFor();
    await page.keyboard.press('ArrowDown');
    await person.picture('hints');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Tab');
    expect(await page.getByTestId('composer').inputValue()).toBe('/ephyra deploy cp1→cp2');
    await page.keyboard.press('Enter');
    await eventuallyReads(person.card).toContain('waiting for approval');
  });

  test('the arrows change the person', async () => {
    await tabTo(/^alice, requester/, 'Shift+Tab');
    await page.keyboard.press('ArrowDown');
    await eventually(focused).toMatch(/^bob, approver/);
    await person.picture('bob-by-arrow');
  });

  test('Escape leaves the question alone, and the focus is where it was', async () => {
    await tabTo(/^Approve$/);
    await page.keyboard.press('Enter');
    await page.getByTestId('confirm').waitFor();
    await page.keyboard.press('Escape');
    await eventually(() => page.getByTestId('confirm').count()).toBe(0);
    expect(await focused()).toBe('Approve');
    expect(await read(person.card)).toContain('waiting for approval');
  });

  test('Approve is reached and pressed', async () => {
    await page.keyboard.press('Enter');
    await page.getByTestId('confirm').waitFor();
    await tabTo(/^Approve$/);
    await person.picture('approve-focused');
    await page.keyboard.press('Enter');
    await eventuallyReads(person.card).toContain('canary');
  });

  test('the thread is opened, and Escape closes it', async () => {
    await eventually(() => person.card.getByTestId('open-thread').count()).toBe(1);
    await tabTo(/\d+ repl/);
    await page.keyboard.press('Enter');
    await person.thread.waitFor();
    await page.keyboard.press('Escape');
    await eventually(() => person.thread.isVisible()).toBe(false);
    await eventually(focused).toMatch(/^Message #ops-hadoop as bob/);
  });

  test('Abort is reached and pressed, although the card is drawn anew all the time', async () => {
    await tabTo(/^Abort$/, 'Shift+Tab');
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(await focused()).toBe('Abort');
    await page.keyboard.press('Enter');
    await page.getByTestId('confirm').waitFor();
    await tabTo(/^Abort$/);
    await page.keyboard.press('Enter');
    await eventuallyReads(person.card, 90_000).toContain('ROLLED BACK');
    await eventually(() => person.active('cp1').count()).toBe(4);
    await person.picture('rolled-back');
  });

  test('the browser had nothing to complain about', () => {
    expect(person.complaints).toEqual([]);
  });
});
