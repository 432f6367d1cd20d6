import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Demo } from '../e2e/support/demo.ts';
import { startDemo } from '../e2e/support/demo.ts';
import { eventually, eventuallyReads, read } from './support/eventually.ts';
import { Person } from './support/person.ts';

describe('A deployment on the page, from the command to everything being back', () => {
  let demo: Demo;
  let person: Person;

  beforeAll(async () => {
    demo = await startDemo();
    person = await Person.sitDown(demo.url, 'deploy');
  });
  afterAll(async () => {
    await person?.leave();
    await demo?.stop();
  });

  test('the page shows twelve nodes in cp1, none in cp2, and a healthy Hadoop', async () => {
    await eventually(() => person.active('cp1').count()).toBe(12);
    expect(await person.active('cp2').count()).toBe(0);
    expect(await read(person.page.getByTestId('fleet'))).toContain('healthy');
    await person.picture('empty-channel');
  });

  test('Alice deploys by slash command, and a card waits for approval', async () => {
    await person.type('/ephyra deploy cp1→cp2');
    await person.card.waitFor();
    const card = await read(person.card);
    expect(card).toContain('cp1 → cp2: waiting for approval');
    expect(card).toContain('@alice');
    expect(card).toContain('0 of 12 nodes moved');
    expect(await person.page.getByTestId('ephemeral').count()).toBe(0);
    await person.picture('waiting-for-approval');
  });

  test('Eve, who has no rights, is refused, and only she is told', async () => {
    await person.become('eve');
    await person.press('Approve');
    await eventuallyReads(person.answer).toContain('You may not approve');
    expect(await read(person.answer)).toContain('slack.approvers');
    await person.picture('eve-is-refused');
    expect(await read(person.card)).toContain('waiting for approval');
    await person.become('bob');
    expect(await person.page.getByTestId('ephemeral').count()).toBe(0);
  });

  test('Alice cannot approve what she has asked for', async () => {
    await person.become('alice');
    await person.press('Approve');
    await eventuallyReads(person.answer).toMatch(/You may not approve|own/);
    expect(await read(person.card)).toContain('waiting for approval');
  });

  test('Bob thinks twice: leaving the question alone changes nothing', async () => {
    await person.become('bob');
    await person.card.getByRole('button', { name: 'Approve', exact: true }).click();
    const question = person.page.getByTestId('confirm');
    expect(await read(question)).toContain('12 nodes will leave cp1 for cp2');
    await person.picture('question');
    await person.page.getByTestId('confirm-deny').click();
    expect(await person.page.getByTestId('confirm').count()).toBe(0);
    expect(await read(person.card)).toContain('waiting for approval');
  });

  test('Bob approves, and the canary leaves', async () => {
    await person.press('Approve');
    await eventuallyReads(person.card).toContain('canary');
    expect(await read(person.card)).toContain('@bob');
    expect(await person.card.getByRole('button', { name: 'Approve', exact: true }).count()).toBe(0);
    await eventually(() => person.active('cp1').count()).toBe(11);
    await eventuallyReads(person.card).toContain('Under way');
    await person.picture('canary-under-way');
  });

  test('the card, the thread and the tiles move', async () => {
    await eventually(() => person.active('cp2').count(), 60_000).toBeGreaterThanOrEqual(4);
    await eventuallyReads(person.card, 30_000).toMatch(/[4-9] of 12 nodes moved/);
    await person.card.getByTestId('open-thread').click();
    await eventuallyReads(person.thread).toMatch(/node-03 is in cp2 after \d+ s, now 10\.2\./);
    const thread = await read(person.thread);
    expect(thread).toContain('Approved by @bob');
    expect(thread).toContain('In this order: node-03, node-04');
    expect(await person.tile('cp2', 'node-03').getAttribute('data-instance')).toBe('ACTIVE');
    expect(await person.tile('cp1', 'node-03').count()).toBe(0);
    await person.picture('moving-with-thread');
  });

  test('Bob aborts in the middle, and the card says what happens', async () => {
    await person.card.getByRole('button', { name: 'Abort', exact: true }).click();
    expect(await read(person.page.getByTestId('confirm'))).toMatch(/\d+ nodes will go back to cp1, newest first/);
    await person.picture('abort-question');
    await person.page.getByTestId('confirm-yes').click();
    await eventuallyReads(person.card).toContain('rolling back');
    await eventuallyReads(person.thread).toContain('Abort, asked for by @bob');
    await person.picture('going-back');
  });

  test('every node is back in cp1, and the card says ROLLED BACK', async () => {
    await eventuallyReads(person.card, 120_000).toContain('ROLLED BACK');
    await eventually(() => person.active('cp1').count()).toBe(12);
    expect(await person.page.locator('[data-testid^="node-cp2-"]').count()).toBe(0);
    expect(await person.card.getByRole('button', { name: /Approve|Abort|Stop/ }).count()).toBe(0);
    await eventuallyReads(person.thread).toContain('node-03 is back in cp1');
    await eventuallyReads(person.page.getByTestId('fleet')).toContain('10 of 10 workers in service');
    await person.picture('rolled-back');
  });

  test('the browser had nothing to complain about', () => {
    expect(person.complaints).toEqual([]);
  });
});
