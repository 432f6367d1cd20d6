import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Channel } from '../../src/sandbox/people.ts';
import { type Demo, startDemo } from '../e2e/support/demo.ts';
import { peakOfChild, sample } from './memory.ts';
import { quantile, table } from './statistics.ts';

const NODES = 300;
const WINDOW = 20;
/** Of the Ephyra process, resident. */
const MOST_MEGABYTES = 200;
/** From the delivery of a slash command to its acknowledgement, as Slack sees it. */
const MOST_ACK_MS = 300;

const COMMANDS_MS = 250;
const MOST_COMMANDS = 450;
const PATIENCE_MS = 480_000;
const MEGABYTE = 1_048_576;

const ALICE = 'U0ALICE';
const BOB = 'U0BOB';
/** What people type while they watch; some of it costs Ephyra something. */
const CHATTER = [
  'status',
  'nodes',
  'nodes moving',
  'why',
  'list',
  'locks',
  'help',
  'depoly',
  'why node-17',
  'plan cp1→cp2',
];

interface Delivery {
  readonly id: string;
  readonly kind: string;
  readonly what: string;
  readonly latencyMs: number | null;
  readonly outcome: string | null;
}

let demo: Demo;
beforeAll(async () => {
  demo = await startDemo(['--nodes', String(NODES)]);
});
afterAll(() => demo?.stop());

test(`${NODES} nodes, ${WINDOW} at once: memory, and how soon slash commands are acknowledged`, async () => {
  const channel = new Channel(demo.url);
  const deliveries = new Map<string, Delivery>();
  const resident: number[] = [];
  let lag = 0;

  const look = async (): Promise<void> => {
    const text = await (await fetch(demo.metrics)).text();
    resident.push(sample(text, 'process_resident_memory_bytes') / MEGABYTE);
    lag = Math.max(lag, sample(text, 'nodejs_eventloop_lag_max_seconds') * 1_000);
    const answer = (await (await fetch(`${demo.url}/_slack/deliveries`)).json()) as { deliveries: Delivery[] };
    for (const one of answer.deliveries) deliveries.set(one.id, one);
  };
  const cardText = async (): Promise<string> =>
    (await channel.see(BOB)).messages.find((message) => / of \d+ nodes moved/.test(message.text))?.text ?? '';

  await channel.type(ALICE, `/ephyra deploy cp1→cp2 --max-unavailable ${WINDOW}`);
  await expect.poll(cardText, { timeout: 60_000 }).toContain('waiting for approval');
  await channel.press(BOB, 'Approve');

  const began = Date.now();
  let sent = 0;
  let card = '';
  while (!/COMPLETED|STUCK|ROLLED BACK|STOPPED/.test(card)) {
    if (Date.now() - began > PATIENCE_MS) throw new Error(`Not done after ${PATIENCE_MS / 1_000} s: ${card}`);
    if (sent < MOST_COMMANDS) {
      await channel.type(ALICE, `/ephyra ${CHATTER[sent % CHATTER.length]}`).catch(() => undefined);
      sent += 1;
    }
    if (sent % 4 === 0 || sent >= MOST_COMMANDS) {
      await look();
      card = await cardText();
    }
    await new Promise((resolve) => setTimeout(resolve, COMMANDS_MS));
  }
  await look();
  const seconds = (Date.now() - began) / 1_000;

  const commands = [...deliveries.values()].filter(({ kind }) => kind === 'slash_commands');
  const acks = commands.flatMap(({ latencyMs, outcome }) =>
    outcome === 'ok' && latencyMs !== null ? [latencyMs] : [],
  );
  const lost = commands.filter(({ outcome }) => outcome !== null && outcome !== 'ok');
  const peak = (peakOfChild(demo.pid) ?? Number.NaN) / MEGABYTE;
  const most = Number.isNaN(peak) ? Math.max(...resident) : peak;

  const mb = (value: number) => (Number.isNaN(value) ? 'not told here' : `${value.toFixed(1)} MB`);
  const ms = (value: number) => `${Math.round(value)} ms`;
  const result = {
    nodes: NODES,
    window: WINDOW,
    seconds,
    outcome: card,
    residentMb: {
      median: quantile(resident, 0.5),
      max: Math.max(...resident),
      peak,
      limit: MOST_MEGABYTES,
      samples: resident.length,
    },
    ackMs: {
      p50: quantile(acks, 0.5),
      p90: quantile(acks, 0.9),
      p99: quantile(acks, 0.99),
      max: Math.max(...acks),
      limit: MOST_ACK_MS,
      commands: acks.length,
      lost: lost.length,
    },
    eventLoopLagMaxMs: lag,
    node: process.version,
  };
  console.log(`\n${card}\n`);
  console.log(
    table([
      ['', 'measured', 'limit'],
      ['moved in', `${seconds.toFixed(0)} s`, ''],
      ['resident, median', mb(result.residentMb.median), ''],
      ['resident, most', mb(most), `${MOST_MEGABYTES} MB`],
      [`ack of ${acks.length} commands, median`, ms(result.ackMs.p50), ''],
      ['ack, p99', ms(result.ackMs.p99), `${MOST_ACK_MS} ms`],
      ['ack, most', ms(result.ackMs.max), ''],
      ['commands not acknowledged', String(lost.length), '0'],
      ['event loop lag, most', ms(lag), ''],
    ]),
  );
  console.log(`\n${JSON.stringify(result)}\n`);
  mkdirSync('test-results', { recursive: true });
  writeFileSync('test-results/bench.json', `${JSON.stringify(result, null, 2)}\n`);

  expect(card).toContain(`${NODES} of ${NODES} nodes moved`);
  expect(acks.length).toBeGreaterThanOrEqual(200);
  expect(lost).toEqual([]);
  expect(most).toBeLessThan(MOST_MEGABYTES);
  expect(result.ackMs.p99).toBeLessThan(MOST_ACK_MS);
});
