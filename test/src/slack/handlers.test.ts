import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../src/slack/commands/registry.ts';
import { createHandlers } from '../../../src/slack/handlers.ts';
import type { Permission } from '../../../src/slack/permissions.ts';
import { FakeClock } from './support/fakeClock.ts';
import { FakeDeployments, person } from './support/fakeDeployments.ts';
import { wordsOf } from './support/fakeWeb.ts';

const ALICE = person('U0ALICE');
const BOB = person('U0BOB');

function setup(permission: Permission = { is: 'allowed' }) {
  const clock = new FakeClock();
  const deployments = new FakeDeployments({ now: clock.now });
  const checked: string[] = [];
  const redrawn: string[] = [];
  const bugs: unknown[] = [];
  const handlers = createHandlers({
    deployments,
    permissions: {
      check: async (user, rights) => {
        checked.push(`${user} ${rights.join('|')}`);
        return permission;
      },
    },
    home: 'C_OPS',
    now: clock.now,
    after: clock.after,
    redraw: (view) => redrawn.push(view.id),
    onBug: (error) => bugs.push(error),
  });
  const type = async (text: string, more: { channel?: string; by?: typeof ALICE; key?: string } = {}) =>
    wordsOf(
      (await handlers.command({ text, by: ALICE, channel: 'C_OPS', key: text, prefix: '/ephyra', ...more })) ??
        undefined,
    );
  return { clock, deployments, handlers, checked, redrawn, bugs, type };
}

const EXAMPLES: Record<string, string> = {
  plan: 'plan cp1→cp2',
  deploy: 'deploy cp1→cp2',
  lock: 'lock disks',
};

describe('asking', () => {
  const free = COMMANDS.filter((command) => command.rights === null).map((command) => command.name);

  it('is free: help, status, why, nodes, plan, list, locks', () => {
    expect([...free].sort()).toEqual(['help', 'list', 'locks', 'nodes', 'plan', 'status', 'why']);
  });

  it.each(free)('%s is answered to anybody, privately, without looking at rights', async (name) => {
    const { type, checked, bugs } = setup({ is: 'denied' });
    expect(await type(EXAMPLES[name] ?? name)).not.toBe('');
    expect(checked).toEqual([]);
    expect(bugs).toEqual([]);
  });
});

describe('acting', () => {
  const guarded = COMMANDS.filter((command) => command.rights !== null);

  it('is for operators, approving for approvers, aborting for both', () => {
    expect(Object.fromEntries(guarded.map((command) => [command.name, command.rights]))).toEqual({
      deploy: ['operators'],
      approve: ['approvers'],
      stop: ['operators'],
      abort: ['operators', 'approvers'],
      lock: ['operators'],
      unlock: ['operators'],
    });
  });

  it.each(guarded.map((command) => command.name))(
    '%s is refused to whoever may not, and when nobody can tell',
    async (name) => {
      const text = EXAMPLES[name] ?? name;
      const denied = setup({ is: 'denied' });
      expect(await denied.type(text)).toContain(`You may not \`${name}\``);
      expect(denied.deployments.asked).toEqual([]);
      const unknown = setup({ is: 'unknown', group: 'S_OPS', why: 'Slack: ratelimited' });
      expect(await unknown.type(text)).toContain(`I cannot tell whether you may \`${name}\`; nothing was done`);
      expect(unknown.deployments.asked).toEqual([]);
    },
  );

  it.each(['approve', 'stop', 'abort'])('by the button %s is checked in the same way', async (name) => {
    const { handlers, deployments } = setup({ is: 'denied' });
    await deployments.deploy({ source: 'cp1', target: 'cp2', by: ALICE });
    const view = deployments.get();
    const value = JSON.stringify({ deployment: view?.id, digest: view?.digest });
    const reply = await handlers.click({ actionId: `ephyra:${name}`, value, by: BOB });
    expect(wordsOf(reply ?? undefined)).toContain(`You may not \`${name}\``);
    expect(deployments.asked).toHaveLength(1);
  });

  it('twice with the same key is one deployment', async () => {
    const { type, deployments } = setup();
    await type('deploy cp1→cp2', { key: 'trigger-1' });
    await type('deploy cp1→cp2', { key: 'trigger-1' });
    expect(deployments.list()).toHaveLength(1);
    expect(await type('deploy cp1→cp2', { key: 'trigger-2' })).toContain('d-20261122-1 is under way.');
  });

  it('is not answered where the channel sees the result, and points there from elsewhere', async () => {
    const { type } = setup();
    expect(await type('lock disks')).toBe('');
    expect(await type('unlock', { channel: 'C_OTHER' })).toContain('Unlocked. See <#C_OPS>');
  });
});

describe('a click', () => {
  it('decides about the deployment, the plan and the state on its card', async () => {
    const { handlers, deployments } = setup();
    await deployments.deploy({ source: 'cp1', target: 'cp2', by: ALICE });
    const click = async (name: string, by = ALICE) => {
      const { id: deployment, digest, state } = deployments.get() ?? {};
      return handlers.click({ actionId: `ephyra:${name}`, value: JSON.stringify({ deployment, digest, state }), by });
    };
    expect(await click('approve', BOB)).toBeNull();
    expect(deployments.get()?.state).toBe('canary');
    expect(await click('stop')).toBeNull();
    expect(await click('abort')).toBeNull();
    expect(deployments.get()?.state).toBe('rolling_back');
    expect(deployments.asked.slice(1)).toEqual([
      'approve U0BOB who saw it awaiting_approval',
      'stop U0ALICE',
      'abort U0ALICE who saw it stopping',
    ]);
  });

  it('on a button that does not say what was shown does what it would have done before the approval', async () => {
    const { handlers, deployments } = setup();
    await deployments.deploy({ source: 'cp1', target: 'cp2', by: ALICE });
    const { id: deployment, digest } = deployments.get() ?? {};
    await handlers.click({ actionId: 'ephyra:abort', value: JSON.stringify({ deployment, digest }), by: ALICE });
    expect(deployments.asked.at(-1)).toBe('abort U0ALICE who saw it awaiting_approval');
  });

  it('is no command: one that is typed means the deployment as it is', async () => {
    const { type, deployments } = setup();
    await type('deploy cp1→cp2');
    await type('approve', { by: BOB });
    await type('abort');
    expect(deployments.asked.slice(1)).toEqual(['approve U0BOB', 'abort U0ALICE']);
  });

  it('that comes too late is refused, and the card is drawn again without the button', async () => {
    const { handlers, deployments, redrawn } = setup();
    await deployments.deploy({ source: 'cp1', target: 'cp2', by: ALICE });
    const view = deployments.get();
    const value = JSON.stringify({ deployment: view?.id, digest: view?.digest });
    await deployments.approve({ by: BOB });
    const reply = await handlers.click({ actionId: 'ephyra:approve', value, by: BOB });
    expect(wordsOf(reply ?? undefined)).toContain('it does not wait for approval');
    expect(redrawn).toEqual([view?.id]);
  });

  it.each([
    ['ephyra:approve', undefined],
    ['ephyra:approve', 'garbage'],
    ['ephyra:explode', '{"deployment":"d-1","digest":"x"}'],
  ])('on a button of another version (%s) does nothing', async (actionId, value) => {
    const { handlers, deployments } = setup();
    const reply = await handlers.click({ actionId, value, by: BOB });
    expect(wordsOf(reply ?? undefined)).toContain('another version of Ephyra');
    expect(deployments.asked).toEqual([]);
  });

  it('on the card of a deployment that is forgotten says so', async () => {
    const { handlers } = setup();
    const value = JSON.stringify({ deployment: 'd-old', digest: 'x' });
    const reply = await handlers.click({ actionId: 'ephyra:stop', value, by: BOB });
    expect(wordsOf(reply ?? undefined)).toContain('Deployment d-old is no longer known');
  });
});

describe('answers', () => {
  it('of why say what is awaited, since when, and who can act', async () => {
    const { type, deployments, clock } = setup();
    expect(await type('why')).toContain('There has been no deployment yet');
    await deployments.deploy({ source: 'cp1', target: 'cp2', by: ALICE });
    expect(await type('why')).toContain('It waits for an approver, until');
    await deployments.approve({ by: BOB });
    deployments.turn('rolling');
    expect(await type('why')).toContain('No node is under way just now.');
    deployments.startNode(0);
    deployments.step(0, 'remove', '12 of 40 blocks left to replicate');
    await clock.pass(90_000);
    const told = await type('why');
    expect(told).toContain('*worker-01* (hadoop-worker), moving, step remove');
    expect(told).toContain('waits for 1 min 30 s already: 12 of 40 blocks left to replicate');
    expect(await type('why worker-01')).toContain('12 of 40 blocks');
    expect(await type('why wroker-01')).toContain('Did you mean worker-01?');
    expect(await type('why d-20261122-1')).toContain('12 of 40 blocks');
  });

  it('of nodes group them by where they are, and can be narrowed', async () => {
    const { type, deployments } = setup();
    await deployments.deploy({ source: 'cp1', target: 'cp2', by: ALICE });
    deployments.startNode(0);
    deployments.settle(0, 'moved', ['10.2.0.1']);
    const all = await type('nodes');
    expect(all).toContain('🟩 *1 node moved*');
    expect(all).toContain('⬜ *11 nodes waiting*: worker-02, worker-03');
    expect(await type('nodes moved')).not.toContain('waiting');
    expect(await type('nodes stuck')).toContain('No node is stuck.');
    expect(await type('nodes movd')).toContain('Did you mean moved?');
  });

  it('of status show the card without buttons, and the locks', async () => {
    const { type, deployments } = setup();
    await deployments.deploy({ source: 'cp1', target: 'cp2', by: ALICE });
    await type('lock cp2 disks are failing');
    const told = await type('status');
    expect(told).toContain('waiting for approval');
    expect(told).not.toContain('"actions"');
    expect(told).toContain('🔒 *cp2*, until unlocked, by <@U0ALICE>');
    expect(await type('status d-nope')).toContain('There is no deployment *d-nope*');
  });

  it('come with the usage after a mistake, with control planes that exist', async () => {
    const { type } = setup();
    expect(await type('deploy cp1→nowhere')).toContain(
      'Usage: `/ephyra deploy cp1→cp2 [--max-unavailable N] [--nodes A,B]`',
    );
  });

  it('come in time to reassure when a plan takes long, and only then', async () => {
    const { handlers, deployments, clock } = setup();
    const said: string[] = [];
    const request = { text: 'plan cp1→cp2', by: ALICE, channel: 'C', key: 'k', prefix: '/ephyra' };
    await handlers.command({ ...request, onSlow: (one) => said.push(one.text) });
    await clock.pass(10_000);
    expect(said).toEqual([]);
    let go: () => void = () => {};
    deployments.before = () => new Promise((resolve) => (go = resolve));
    const answer = handlers.command({ ...request, onSlow: (one) => said.push(one.text) });
    await clock.pass(10_000);
    expect(said).toHaveLength(1);
    go();
    expect((await answer)?.text).toContain('12 nodes would move');
  });
});
