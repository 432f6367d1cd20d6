import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, test } from 'vitest';
import { type Demo, startDemo } from '../e2e/support/demo.ts';
import { eventually, eventuallyReads, read } from './support/eventually.ts';
import { Person } from './support/person.ts';
import { drawn } from './support/svg.ts';

const TITLE = 'The sandbox: a Slack channel with the card of a deployment, beside it the nodes in both control planes';

let demo: Demo;
let person: Person;
beforeAll(async () => {
  demo = await startDemo();
  person = await Person.sitDown(demo.url, 'picture');
  await person.page.setViewportSize({ width: 1200, height: 850 });
});
afterAll(async () => {
  await person?.leave();
  await demo?.stop();
});

test('docs/page.svg is drawn while nodes are on their way', async () => {
  await person.type('/ephyra deploy cp1→cp2');
  await eventuallyReads(person.card).toContain('waiting for approval');
  await person.become('bob');
  await person.press('Approve');
  await eventuallyReads(person.card, 60_000).toMatch(/4 of 12 nodes moved.*3 moving/s);
  const arriving = person.page.locator('[data-testid^="node-cp2-"][data-state="deploying"]');
  await person.page.mouse.move(600, 700);
  // Card and tiles at the same time: the card is a second behind.
  await eventually(
    async () => (await arriving.count()) >= 2 && (await read(person.card)).includes('spawning'),
    40_000,
  ).toBe(true);
  await person.picture('as-the-browser-shows-it');
  writeFileSync('docs/page.svg', await drawn(person.page, TITLE));
});
