import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findCommand } from '../../../src/slack/commands/command.ts';
import { COMMANDS } from '../../../src/slack/commands/registry.ts';
import { nearest, parseDuration } from '../../../src/slack/parse.ts';
import { FakeDeployments, person } from './support/fakeDeployments.ts';

const KNOWN = ['cp1', 'cp2', 'cp-3', 'Tokyo_1'];

/** What the door is asked when somebody types this; a mistake is told as its sentences. */
async function typed(text: string, known = KNOWN): Promise<{ asked?: unknown; mistake?: string }> {
  const found = findCommand(text, COMMANDS, '/ephyra');
  if (!found.ok) return { mistake: `${found.mistake.message} ${found.mistake.remedy}` };
  const deployments = new FakeDeployments({ now: () => 0 });
  const ready = found.value.command.prepare(found.value.rest, { controlPlanes: () => known });
  if (!ready.ok) return { mistake: `${ready.mistake.message} ${ready.mistake.remedy}` };
  const seen: unknown[] = [];
  const spy = new Proxy(deployments, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (['deploy', 'plan', 'approve', 'stop', 'abort', 'lock', 'unlock'].includes(String(name))) {
          const { by: _by, idempotencyKey: _key, ...rest } = args[0] as Record<string, unknown>;
          seen.push({ call: name, ...rest });
        }
        return value.apply(target, args);
      };
    },
  });
  const context = { by: person('U1'), now: 0, key: 'k', home: 'C1', channel: 'C1', prefix: '/ephyra' };
  await ready.value({ deployments: spy, ...context });
  return { asked: seen[0] };
}

const arrow = fc.constantFrom(
  '→',
  '->',
  '-->',
  '=>',
  '==>',
  '-&gt;',
  '=&gt;',
  '⇒',
  '➡️',
  '➔',
  '—>',
  '–&gt;',
  ':arrow_right:',
);
const gap = fc.constantFrom('', ' ', '  ', '\t', '\u00a0');

describe('the route', () => {
  it('is understood in every spelling of the arrow', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('deploy', 'Deploy', 'DEPLOY'),
        fc.shuffledSubarray(KNOWN, { minLength: 2, maxLength: 2 }),
        fc.oneof(
          fc.tuple(gap, arrow, gap).map((parts) => parts.join('')),
          fc.constantFrom(' to ', ' TO ', '  to  '),
        ),
        gap,
        async (verb, [source = '', target = ''], between, end) => {
          const { asked } = await typed(`${verb}  ${source}${between}${target}${end}`);
          expect(asked).toEqual({ call: 'deploy', source, target });
        },
      ),
    );
  });

  it('ignores upper and lower case in names of control planes', async () => {
    expect((await typed('deploy CP1→tokyo_1')).asked).toEqual({ call: 'deploy', source: 'cp1', target: 'Tokyo_1' });
  });

  it('is understood in a name with a dot that Slack made a link of', async () => {
    const known = ['eu.example', 'us.example'];
    const { asked } = await typed('deploy <http://eu.example|eu.example>-&gt;<http://us.example|us.example>', known);
    expect(asked).toEqual({ call: 'deploy', source: 'eu.example', target: 'us.example' });
  });

  it.each([
    ['deploy', 'From where to where is missing. Write it like cp1→cp2.'],
    ['deploy cp1 cp2', '"cp1 cp2" does not say which way. Put an arrow between two control planes, like cp1→cp2.'],
    ['deploy cp1→', 'One side of the arrow is missing in "cp1 →". Write it like cp1→cp2.'],
    ['deploy cp1→cp2→cp1', '"cp1 → cp2 → cp1" has more than one arrow. One deployment goes one way, like cp1→cp2.'],
    ['deploy cp1→cp1', 'Source and target are both cp1. Name two different control planes, like cp1→cp2.'],
    ['deploy cp1→cp4', 'There is no control plane "cp4". Did you mean cp1? Control planes: cp1, cp2, cp-3, Tokyo_1.'],
    ['deploy cp1→zanzibar', 'There is no control plane "zanzibar". Control planes: cp1, cp2, cp-3, Tokyo_1.'],
    ['deploy cp1→cp2 please', 'I cannot place "please". Write only cp1→cp2, then options.'],
    [
      'deploy cp1→cp2 --max-unavailible 2',
      '--max-unavailible is not an option here. Did you mean --max-unavailable? Options: --max-unavailable, --nodes.',
    ],
    [
      'deploy cp1→cp2 --max-unavailable 0',
      '--max-unavailable is "0". Write a whole number from 1 on, e.g. --max-unavailable 2.',
    ],
    [
      'deploy cp1→cp2 --max-unavailable',
      '--max-unavailable has no value. Write the value after it: --max-unavailable VALUE.',
    ],
    ['deploy cp1→cp2 --nodes a --nodes b', '--nodes is there twice. Keep one --nodes.'],
    [
      'deploy cp1→cp2 --nodes a,,b',
      '--nodes is "a,,b". Write names with commas and no spaces between them, e.g. --nodes worker-01,worker-02.',
    ],
    ['status --verbose', '--verbose is not an option here. This command has no options: leave it out.'],
    ['locks cp1', 'I cannot place "cp1". Write the command alone.'],
    ['lock', 'The reason is missing. Others will want to know why, e.g. lock cp1 switch maintenance --for 2h.'],
    [
      'lock cp1 --for 2h',
      'The reason is missing. Others will want to know why, e.g. lock cp1 switch maintenance --for 2h.',
    ],
    ['lock cp1 disks --for soon', '"soon" is not a duration. Write a number and a unit, e.g. 30m, 2h, 1h30m or 1d.'],
    ['lock cp1 disks --for 0h', '"0h" is no time at all. Write a number and a unit, e.g. 30m, 2h, 1h30m or 1d.'],
    [
      'lock cp1 disks --for 99d',
      '"99d" is longer than 30 days. Take a shorter time, or leave --for out: then it holds until unlocked.',
    ],
    [
      'lock cpl disks',
      'There is no control plane "cpl", but there is cp1. Write "lock cp1 disks", or "lock all cpl disks" to lock everything.',
    ],
    ['unlock cp9', 'There is no control plane "cp9". Did you mean cp1? Control planes: cp1, cp2, cp-3, Tokyo_1.'],
    ['unlock cp1 --steal=yes', '--steal takes no value, but got "yes". Write only --steal.'],
    ['depoly cp1→cp2', 'There is no command "depoly". Did you mean /ephyra deploy? /ephyra help lists them all.'],
    ['frobnicate', 'There is no command "frobnicate". /ephyra help lists the commands.'],
  ])('answers %s with what is wrong and what to type', async (text, told) => {
    expect((await typed(text)).mistake).toBe(told);
  });
});

describe('options', () => {
  it.each([
    ['deploy cp1→cp2 --max-unavailable 3 --nodes a,b', { options: { maxUnavailable: 3, nodes: ['a', 'b'] } }],
    ['deploy --max-unavailable=3 cp1→cp2', { options: { maxUnavailable: 3 } }],
    ['deploy cp1 --&gt; cp2 —max-unavailable 3', { options: { maxUnavailable: 3 } }],
    ['deploy cp1→cp2 –nodes “worker 1, worker 2”', { options: { nodes: ['worker 1', 'worker 2'] } }],
    ['`deploy cp1→cp2 --nodes="a,b"`', { options: { nodes: ['a', 'b'] } }],
  ])('are read from %s', async (text, expected) => {
    expect((await typed(text)).asked).toEqual({ call: 'deploy', source: 'cp1', target: 'cp2', ...expected });
  });

  it.each([
    ['lock cp1 maintenance window --for 2h', { scope: 'cp1', reason: 'maintenance window', forMs: 7_200_000 }],
    ['lock disks are failing', { scope: 'all', reason: 'disks are failing' }],
    ['lock all disks &amp; switches', { scope: 'all', reason: 'disks & switches' }],
    ['lock CP2 don’t touch “this”', { scope: 'cp2', reason: "don't touch this" }],
    ['lock cp1 say "a b" twice —for 1h30m', { scope: 'cp1', reason: 'say a b twice', forMs: 5_400_000 }],
    ['lock cp1 &lt;!channel&gt; 5" rack', { scope: 'cp1', reason: '<!channel> 5" rack' }],
    ['lock cp1 sda->sdb', { scope: 'cp1', reason: 'sda->sdb' }],
  ])('and the reason from %s', async (text, expected) => {
    expect((await typed(text)).asked).toEqual({ call: 'lock', ...expected });
  });

  it.each([
    ['unlock', { scope: 'all' }],
    ['unlock cp2 --steal', { scope: 'cp2', steal: true }],
    ['unlock —steal cp2', { scope: 'cp2', steal: true }],
  ])('of %s', async (text, expected) => {
    expect((await typed(text)).asked).toEqual({ call: 'unlock', ...expected });
  });
});

describe('any text', () => {
  it('is answered, never thrown at anybody', async () => {
    const verb = fc.constantFrom('', ...COMMANDS.map((command) => command.name));
    await fc.assert(
      fc.asyncProperty(verb, fc.oneof(fc.string(), fc.string({ unit: 'binary' })), async (name, rest) => {
        const result = await typed(`${name} ${rest}`);
        expect(result).toBeTypeOf('object');
      }),
    );
  });

  it('of nothing is help', () => {
    for (const text of ['', '   ', '\n', '``']) {
      expect(findCommand(text, COMMANDS, '/ephyra')).toMatchObject({ ok: true, value: { command: { name: 'help' } } });
    }
  });
});

describe('durations', () => {
  it('are read back as they were meant', () => {
    const unit = fc.constantFrom(['s', 1000], ['m', 60_000], ['min', 60_000], ['h', 3_600_000]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), unit, (n, [name, ms]) => {
        expect(parseDuration(`${n}${name}`)).toEqual({ ok: true, value: n * Number(ms) });
      }),
    );
    expect(parseDuration('1d2h3m4s')).toEqual({ ok: true, value: 86_400_000 + 7_200_000 + 180_000 + 4000 });
  });
});

describe('the nearest word', () => {
  it('is offered for a slip of the finger and not for another word', () => {
    expect(nearest('statsu', ['status', 'stop'])).toBe('status');
    expect(nearest('aprove', ['approve', 'abort'])).toBe('approve');
    expect(nearest('banana', ['status', 'stop'])).toBeUndefined();
  });
});
