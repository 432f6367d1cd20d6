import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Demo } from '../e2e/support/demo.ts';
import { startDemo } from '../e2e/support/demo.ts';
import { eventually, eventuallyReads, read } from './support/eventually.ts';
import { Person } from './support/person.ts';

describe('What is typed into the channel', () => {
  let demo: Demo;
  let person: Person;

  beforeAll(async () => {
    demo = await startDemo();
    person = await Person.sitDown(demo.url, 'words');
  });
  afterAll(async () => {
    await person?.leave();
    await demo?.stop();
  });

  test('help lists what can be typed, for the person alone', async () => {
    await person.type('/ephyra help');
    await eventuallyReads(person.answer).toContain('For everyone');
    expect(await read(person.answer)).toContain('/ephyra deploy cp1→cp2 [--max-unavailable N]');
    expect(await read(person.answer)).toContain('Only visible to you');
    await person.picture('help');
  });

  test.each([
    ['/ephyra depoly cp1→cp2', 'Did you mean /ephyra deploy?'],
    ['/ephyra deploy cp1→cp3', 'There is no control plane "cp3". Did you mean cp1? Control planes: cp1, cp2.'],
    ['/ephyra deploy cp2 to cp2', 'Source and target are both cp2.'],
    ['/ephyra deploy cp1 cp2', 'does not say which way'],
    ['/ephyra deploy cp2→cp1', 'cp2 has no nodes to move'],
    ['/ephyra lock', 'The reason is missing'],
  ])('%s is answered with: %s', async (typed, said) => {
    const before = await person.page.getByTestId('ephemeral').count();
    await person.type(typed);
    await eventually(() => person.page.getByTestId('ephemeral').count()).toBe(before + 1);
    expect(await read(person.answer)).toContain(said);
    expect(await person.page.getByTestId('message').count()).toBe(0);
  });

  test('a dismissed answer is gone', async () => {
    const before = await person.page.getByTestId('ephemeral').count();
    await person.picture('mistakes');
    await person.answer.getByRole('button', { name: 'Dismiss message' }).click();
    await eventually(() => person.page.getByTestId('ephemeral').count()).toBe(before - 1);
  });

  test('a lock is seen by everyone, and no deployment starts while it holds', async () => {
    await person.type('/ephyra lock cp2 <!channel> switch <maintenance> & more');
    const announced = person.page.getByTestId('message').last();
    await eventuallyReads(announced).toContain('@alice locked deployments from and to cp2');
    expect(await read(announced)).toContain('<!channel> switch <maintenance> & more');
    await person.type('/ephyra deploy cp1→cp2');
    await eventuallyReads(person.answer).toMatch(/cp2.*locked|locked.*cp2/);
    expect(await read(person.answer)).toContain('<!channel> switch <maintenance> & more');
    await person.picture('locked');
  });

  test('Eve sees who has locked what, but cannot unlock it', async () => {
    await person.become('eve');
    await person.type('/ephyra locks');
    await eventuallyReads(person.answer).toContain('by @alice');
    await person.type('/ephyra unlock cp2');
    await eventuallyReads(person.answer).toContain('You may not unlock: that is for operators');
  });

  test('Bob has to say that he takes the lock of somebody else', async () => {
    await person.become('bob');
    await person.type('/ephyra unlock cp2');
    await eventuallyReads(person.answer).toContain('--steal');
    await person.type('/ephyra unlock cp2 --steal');
    await eventuallyReads(person.page.getByTestId('message').last()).toContain('held by @alice');
    await person.type('/ephyra locks');
    await eventuallyReads(person.answer).toContain('Nothing is locked');
    await person.picture('unlocked');
  });

  test('a fault switched on in the drawer makes the plan fail with its remedy', async () => {
    await person.become('alice');
    await person.page.getByTestId('faults-button').click();
    await person.page.getByTestId('scenario-secrets-masked').check();
    await person.picture('faults');
    await person.page.keyboard.press('Escape');
    await person.type('/ephyra plan cp1→cp2');
    await eventuallyReads(person.answer).toContain('show_password');
    await person.picture('masked-secrets');
  });

  test('the browser had nothing to complain about', () => {
    expect(person.complaints).toEqual([]);
  });
});
