import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Answer, DeploymentView } from '../../src/deployments/types.ts';
import { isEnded } from '../../src/store/state.ts';
import { OneWriter } from '../support/invariants/exclusive.ts';
import { RolesWhole } from '../support/invariants/roles.ts';
import { NoSecrets } from '../support/invariants/secrets.ts';
import { type Call, isWrite } from '../support/world/calls.ts';
import type { Installation } from '../support/world/installation.ts';
import { Meddler } from '../support/world/meddler.ts';
import type { Disturbance } from '../support/world/network.ts';
import { createRandom } from '../support/world/random.ts';
import { twins } from '../support/world/twins.ts';
import type { WorldOptions } from '../support/world/world.ts';
import { ALICE, BOB, type World } from '../support/world/world.ts';

const LEASE_MS = 300_000;
const HOUR_MS = 3_600_000;
const SMALL: WorldOptions = { nodes: 3, masters: 0, latencyMs: [1, 40] };

const plan = async (ephyra: Installation, key = ephyra.host): Promise<string> => {
  const answer = await ephyra.ask((door) =>
    door.deploy({ source: 'cp1', target: 'cp2', by: ALICE, idempotencyKey: key }),
  );
  if (answer?.ok !== true) throw new Error(`not planned: ${JSON.stringify(answer)}`);
  return answer.value.id;
};
const approve = (ephyra: Installation) => ephyra.ask((door) => door.approve({ by: BOB }));
/** Asks until a lease that is to be taken over, or one that is being given back, is had. */
const insistOn = async (world: World, ask: () => Promise<Answer<DeploymentView> | null | undefined>) => {
  let code = codeOf(await ask());
  while (code === 'held_elsewhere' || code === 'lease_unsure') {
    await world.pass(20_000);
    code = codeOf(await ask());
  }
  expect(code).toBe('ok');
};
const codeOf = (answer: Answer<DeploymentView> | null | undefined): string =>
  answer === null || answer === undefined ? 'none' : answer.ok ? 'ok' : answer.refusal.code;
const ended = ({ record }: Installation): boolean => record !== undefined && isEnded(record);
const nodeWrites = (world: World, ephyra: Installation) =>
  world.writes.filter((call) => isWrite(call) && ephyra.processes.includes(call.process));
const leasesIn = (world: World): number =>
  world.planes.reduce((sum, plane) => sum + (plane.snapshot().chassis as unknown[]).length, 0);
const moving = (world: World, ephyra: Installation) => () => nodeWrites(world, ephyra).length >= 4;

/** Two Ephyras, of which the first is told to begin. */
async function begun(): Promise<{ world: World; one: Installation; two: Installation }> {
  const { world, ephyras } = twins(SMALL);
  const [one, two] = ephyras as [Installation, Installation];
  await one.start();
  await two.start();
  await plan(one);
  await approve(one);
  return { world, one, two };
}

/** One Ephyra is at work: its last write to a node, and the process of another one, which has written nothing. */
async function written(): Promise<{ world: World; last: Call; process: number }> {
  const { world, one, two } = await begun();
  await world.until(moving(world, one));
  const last = nodeWrites(world, one).at(-1);
  const [process] = two.processes;
  if (last === undefined || process === undefined) throw new Error('nothing was written');
  return { world, last, process };
}

describe('a lease', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('is held on both control planes while a deployment is carried out, and given back at its end', async () => {
    const { world, ephyras } = twins(SMALL);
    const [one] = ephyras as [Installation, Installation];
    await one.start();
    await plan(one);
    expect(leasesIn(world)).toBe(0);
    expect(codeOf(await approve(one))).toBe('ok');
    expect(leasesIn(world)).toBe(2);
    await world.until(() => ended(one));
    await world.pass(5_000);
    expect(one.record?.state).toBe('completed');
    expect(leasesIn(world)).toBe(0);
  });

  it('costs three calls a control plane to take, one to give back, and one every third of it', async () => {
    const { world, ephyras } = twins({ ...SMALL, drainMs: [200_000, 200_000] });
    const [one] = ephyras as [Installation, Installation];
    await one.start();
    await plan(one);
    await approve(one);
    const began = world.time.now();
    await world.until(() => ended(one));
    const lastsMs = world.time.now() - began;
    await world.pass(5_000);
    const calls = [...world.writes, ...world.reads].filter(({ path }) => path.includes('/chassis'));
    const renewals = calls.filter(({ method }) => method === 'PATCH').length;
    expect(calls.length - renewals).toBe(2 * 4);
    expect(renewals).toBeGreaterThan(4);
    expect(renewals).toBeLessThanOrEqual(2 * Math.ceil(lastsMs / (LEASE_MS / 3)));
  });

  it('refuses a second Ephyra, says who has it, and leaves nothing behind', async () => {
    const { world, ephyras } = twins(SMALL);
    const [one, two] = ephyras as [Installation, Installation];
    await one.start();
    await two.start();
    await plan(one);
    await plan(two);
    await approve(one);
    const answer = await approve(two);
    expect(codeOf(answer)).toBe('held_elsewhere');
    expect(answer?.ok === false && answer.refusal.message).toMatch(
      /^Ephyra on host-a holds cp[12] since 2026-11-22 12:0/,
    );
    expect(answer?.ok === false && answer.refusal.remedy).toMatch(/openstack baremetal chassis delete [0-9a-f-]{36}$/);
    expect(two.record?.state).toBe('awaiting_approval');
    expect(leasesIn(world)).toBe(2);
    await world.until(() => ended(one));
    await world.pass(5_000);
    expect(nodeWrites(world, two)).toEqual([]);
    expect(leasesIn(world)).toBe(0);
  });

  it('is had by one at most when several ask in the same instant, in whatever order their requests arrive', async () => {
    const winners: number[] = [];
    for (let seed = 1; seed <= 24; seed++) {
      const { world, ephyras } = twins({ ...SMALL, seed, shuffle: true, latencyMs: [1, seed % 2 === 0 ? 3 : 400] }, [
        { host: 'host-a' },
        { host: 'host-b' },
        { host: 'host-c' },
      ]);
      for (const ephyra of ephyras) {
        await ephyra.start();
        await plan(ephyra);
      }
      const asked = ephyras.map((ephyra) => ephyra.send((door) => door.approve({ by: BOB })));
      await world.until(() => asked.every(({ answer }) => answer() !== undefined));
      const won = asked.filter(({ answer }) => codeOf(answer()) === 'ok').length;
      expect(won, `seed ${seed}`).toBeLessThanOrEqual(1);
      winners.push(won);
      await world.until(() => ephyras.every((ephyra) => ended(ephyra) || ephyra.record?.state === 'awaiting_approval'));
    }
    expect(winners.filter((won) => won === 1).length).toBeGreaterThan(18);
  });

  it('of a holder that died is taken over after it has run out and been waited out, not before', async () => {
    const { world, ephyras } = twins(SMALL);
    const [one, two] = ephyras as [Installation, Installation];
    await one.start();
    const id = await plan(one);
    await approve(one);
    await world.until(moving(world, one));
    one.kill();
    const died = world.time.now();
    await two.start();
    await world.until(() => two.record?.state === 'found', HOUR_MS, 'the marks');
    expect(two.record?.id).toBe(id);
    let answer = await approve(two);
    expect(codeOf(answer)).toBe('held_elsewhere');
    while (codeOf(answer) === 'held_elsewhere') {
      await world.pass(20_000);
      answer = await approve(two);
    }
    expect(codeOf(answer)).toBe('ok');
    expect(world.time.now() - died).toBeGreaterThanOrEqual(LEASE_MS);
    await world.until(() => nodeWrites(world, two).length > 0 || ended(two));
    expect((nodeWrites(world, two)[0]?.sentAt ?? 0) - died).toBeGreaterThanOrEqual(2 * LEASE_MS);
    await world.until(() => ended(two));
    expect(two.record?.state).toBe('completed');
  });

  it('that was taken over while its holder stood still is found lost before the next write', async () => {
    for (const after of [1, 3, 6, 9, 13, 16, 19]) {
      const { world, ephyras } = twins({ ...SMALL, seed: after });
      const [one, two] = ephyras as [Installation, Installation];
      await one.start();
      await plan(one);
      await approve(one);
      await world.until(() => nodeWrites(world, one).length >= after);
      const before = nodeWrites(world, one).length;
      one.freeze();
      world.time.after(HOUR_MS, () => one.thaw());
      await two.start();
      await world.until(
        () => two.record?.state === 'found' || nodeWrites(world, one).length > 30,
        HOUR_MS,
        'the marks',
      );
      let answer = await approve(two);
      while (codeOf(answer) === 'held_elsewhere') {
        await world.pass(30_000);
        answer = await approve(two);
      }
      await world.until(() => ended(two));
      expect(two.record?.state, `after ${after}`).toBe('completed');
      // What it had sent before it stood still may be served a moment later.
      expect(nodeWrites(world, one).length - before).toBeLessThanOrEqual(1);
      await world.pass(HOUR_MS);
      await world.until(() => ended(one) || one.record?.state === 'found', 20 * HOUR_MS, 'its end');
      if (!ended(one)) await insistOn(world, () => approve(one));
      await world.until(() => ended(one), 20 * HOUR_MS, 'its end');
    }
  });

  it('leaves each Ephyra judged by its own disk, and by what it says', async () => {
    const judged = vi.spyOn(RolesWhole.prototype, 'stored');
    const said = vi.spyOn(NoSecrets.prototype, 'told');
    const written = vi.spyOn(NoSecrets.prototype, 'stored');
    const { world, one } = await begun();
    await world.until(() => one.record?.state === 'completed');
    const judges = new Set(judged.mock.contexts);
    expect(judges.size).toBe(1);
    expect(judged.mock.calls.at(-1)?.[0].deployments[0]?.state).toBe('completed');
    expect(said.mock.calls.length).toBeGreaterThan(10);
    expect(written.mock.calls.length).toBe(judged.mock.calls.length);
  });

  it('that was taken over makes its former holder ask before anything that the other one was told is undone', async () => {
    for (const told of ['abort', 'stop'] as const) {
      for (const wakes of ['thaw', 'thaw in the middle', 'start in the middle'] as const) {
        const { world, ephyras } = twins({
          ...SMALL,
          nodes: 4,
          deployment: { maxUnavailable: 1, failureBudget: 5, nodeAttempts: 4 },
        });
        const [one, two] = ephyras as [Installation, Installation];
        await one.start();
        await plan(one);
        await approve(one);
        const places = () => one.record?.results.map(({ place }) => place) ?? [];
        await world.until(() => places().includes('moved') && places().includes('moving'));
        await world.pass(3_000);
        one.freeze();
        await two.start();
        await world.until(() => two.record?.state === 'found', HOUR_MS, 'the marks');
        await insistOn(world, () => approve(two));
        await two.ask((door) => door[told]({ by: BOB }));
        if (wakes !== 'thaw') {
          await world.until(moving(world, two));
          if (wakes === 'start in the middle') one.kill();
          await (wakes === 'start in the middle' ? one.start() : one.thaw());
        }
        await world.until(() => ended(two));
        const before = nodeWrites(world, one).length;
        if (wakes === 'thaw') one.thaw();
        await world.pass(HOUR_MS);
        expect(one.record, `${told}, ${wakes}`).toMatchObject({ state: 'found', intent: 'forward' });
        expect(nodeWrites(world, one).slice(before)).toEqual([]);
        expect(codeOf(await one.ask((door) => door.abort({ by: BOB })))).toBe('ok');
        await world.until(() => ended(one));
        expect(one.record?.state).toBe('rolled_back');
      }
    }
  });

  it('that was taken over shows which nodes have come to a deployment since it was found: they are asked about', async () => {
    for (const told of ['abort', 'approve'] as const) {
      const { world, ephyras } = twins({ ...SMALL, deployment: { maxUnavailable: 1, canary: 0 } });
      const [one, two] = ephyras as [Installation, Installation];
      await one.start();
      await plan(one);
      await approve(one);
      await world.until(moving(world, one));
      await two.start();
      await world.until(() => two.record?.state === 'found', HOUR_MS, 'the marks');
      expect(two.record?.nodes.map(({ name }) => name)).toEqual(['node-01']);
      await world.until(() => one.record?.results.length === 2, HOUR_MS, 'the second node');
      await world.pass(30_000);
      one.kill();
      await insistOn(world, () => two.ask((door) => door[told]({ by: BOB })));
      await world.until(() => two.record?.state === 'found', HOUR_MS, 'the second question');
      expect(two.record?.nodes.map(({ name }) => name)).toEqual(['node-01', 'node-02']);
      expect(two.record?.note).toMatch(
        /^Since it was found here, node-02 came to it\. Another Ephyra has gone on with it\./,
      );
      expect(nodeWrites(world, two)).toEqual([]);
      await insistOn(world, () => two.ask((door) => door[told]({ by: BOB })));
      await world.until(() => ended(two));
      expect(two.record?.state).toBe(told === 'abort' ? 'rolled_back' : 'completed');
      const uuids = world.mirror(told === 'abort' ? 'cp1' : 'cp2').nodes;
      for (const { uuid } of two.record?.nodes ?? []) expect(uuids.has(uuid)).toBe(true);
    }
  });

  it('is looked at before a node that verifies is asked into the application again', async () => {
    for (const afterMs of [0, 500, 1_500]) {
      const { world, ephyras } = twins({
        ...SMALL,
        latencyMs: [200, 400],
        joinMs: [1, 1],
        deployment: { maxUnavailable: 1, verify: { checks: 20, intervalMs: 4_000 } },
      });
      const [one, two] = ephyras as [Installation, Installation];
      await one.start();
      await plan(one);
      await approve(one);
      const verifies = () => one.view?.nodes.find(({ step }) => step === 'verify')?.uuid;
      await world.until(() => verifies() !== undefined);
      const uuid = verifies() ?? '';
      await world.pass(6_000);
      one.freeze();
      await two.start();
      await world.until(() => two.record?.state === 'found', HOUR_MS, 'the marks');
      await insistOn(world, () => two.ask((door) => door.abort({ by: BOB })));
      await world.until(() => world.application.get(uuid)?.state === 'out', HOUR_MS, 'the way back');
      await world.pass(afterMs);
      one.thaw();
      // Asked in again by the one while the other stops its machine, it would be in service then.
      await world.until(() => ended(two));
      expect(two.record?.state).toBe('rolled_back');
    }
  });

  it('lasts for a holder that stood still and was not missed', async () => {
    const { world, ephyras } = twins(SMALL);
    const [one] = ephyras as [Installation, Installation];
    await one.start();
    await plan(one);
    await approve(one);
    await world.until(moving(world, one));
    one.freeze();
    await world.pass(HOUR_MS);
    one.thaw();
    await world.until(() => ended(one));
    expect(one.record?.state).toBe('completed');
  });

  it('of the same installation is gone on with at once after a restart', async () => {
    const { world, ephyras } = twins(SMALL);
    const [one] = ephyras as [Installation, Installation];
    await one.start();
    await plan(one);
    await approve(one);
    await world.until(moving(world, one));
    one.kill();
    await world.pass(2_000);
    await one.start();
    const started = world.time.now();
    const last = () => nodeWrites(world, one).at(-1);
    await world.until(() => last()?.process === one.processes.at(-1), 60_000, 'a write');
    expect((last()?.sentAt ?? 0) - started).toBeLessThan(10_000);
    await world.until(() => ended(one));
    expect(one.record?.state).toBe('completed');
    await world.pass(5_000);
    expect(leasesIn(world)).toBe(0);
  });

  it('is another host´s when the store has moved: it is waited for, which people are told', async () => {
    const told: string[] = [];
    const { world, ephyras } = twins(SMALL, [
      { host: 'host-a' },
      {
        host: 'host-b',
        listener: (change) => {
          if (change.kind !== 'deployment' || change.event.type !== 'gate') return;
          told.push(`${change.event.open ? 'open' : 'shut'}: ${change.event.reason} (${change.deployment.note})`);
        },
      },
    ]);
    const [one, two] = ephyras as [Installation, Installation];
    await one.start();
    await plan(one);
    await approve(one);
    await world.until(moving(world, one));
    one.kill();
    two.disk = one.disk;
    await two.start();
    await world.pass(30_000);
    expect(two.record?.note).toMatch(/^Waiting: Ephyra on host-a holds cp[12] since .*chassis delete/);
    expect(told).toEqual([expect.stringMatching(/^shut: Ephyra on host-a holds .* \(Waiting: Ephyra on host-a holds/)]);
    expect(nodeWrites(world, two)).toEqual([]);
    await world.until(() => ended(two));
    expect(two.record).toMatchObject({ state: 'completed', note: null });
    expect(told).toContain('open: both control planes are held. (null)');
    expect(told.length).toBeLessThan(8);
  });

  it('that cannot be read is somebody´s', async () => {
    const { world, ephyras } = twins(SMALL);
    const [one, two] = ephyras as [Installation, Installation];
    await one.start();
    await two.start();
    await plan(one);
    await plan(two);
    await approve(one);
    const uuid = String((world.plane('cp2').snapshot().chassis as { uuid: string }[])[0]?.uuid);
    await world.until(moving(world, one));
    one.kill();
    const spoil = [{ op: 'replace', path: '/extra/ephyra_lease', value: { v: 9 } }];
    expect(new Meddler(world).request('cp2', 'ironic', 'PATCH', `/v1/chassis/${uuid}`, spoil)).toBe(200);
    for (let passed = 0; passed < 3; passed++) {
      const answer = await approve(two);
      expect(codeOf(answer)).toMatch(/held_elsewhere|wrong_state/);
      await world.pass(LEASE_MS);
    }
    expect(nodeWrites(world, two)).toEqual([]);
  });

  it('that somebody has spoilt stops everything, says what can be done, and goes on once people want it', async () => {
    const { world, ephyras } = twins({ ...SMALL, drainMs: [60_000, 90_000] });
    const [one] = ephyras as [Installation];
    await one.start();
    await plan(one);
    await approve(one);
    await world.until(moving(world, one));
    const uuid = String((world.plane('cp2').snapshot().chassis as { uuid: string }[])[0]?.uuid);
    const meddler = new Meddler(world);
    expect(meddler.request('cp2', 'ironic', 'DELETE', `/v1/chassis/${uuid}`)).toBe(204);
    const extra = { ephyra_lease: { v: 9 } };
    expect(meddler.request('cp2', 'ironic', 'POST', '/v1/chassis', { uuid, extra })).toBe(201);
    // What cannot be renewed may be used until it has run out.
    const until = world.time.now() + LEASE_MS;
    await world.until(() => /chassis delete/.test(one.record?.note ?? '') || ended(one), HOUR_MS);
    expect(one.record?.note).toMatch(/^Waiting: .*cp2.*chassis delete/);
    await world.pass(HOUR_MS);
    expect(nodeWrites(world, one).filter(({ sentAt }) => sentAt > until)).toEqual([]);
    expect(meddler.request('cp2', 'ironic', 'DELETE', `/v1/chassis/${uuid}`)).toBe(204);
    // Who has removed it first may have been another Ephyra.
    await world.until(() => one.record?.state === 'found', HOUR_MS, 'the question');
    expect(one.record?.note).toMatch(/^For a while this Ephyra did not hold both control planes/);
    await insistOn(world, () => approve(one));
    await world.until(() => ended(one));
    expect(one.record?.state).toBe('completed');
  });

  it('whose cloud does not answer is waited for, and the nodes that end stuck say for what', async () => {
    const { world, ephyras } = twins({ ...SMALL, deployment: { leaseMs: 30_000 } });
    const [one] = ephyras as [Installation];
    await one.start();
    await plan(one);
    await approve(one);
    await world.until(moving(world, one));
    world.plane('cp2').faults.add({
      match: { service: 'ironic', method: 'PATCH', path: '^/v1/chassis/' },
      times: 1_000,
      effect: { kind: 'answer', status: 403 },
    });
    const since = world.time.now();
    await world.until(() => ended(one));
    expect(one.record?.state).toBe('stuck');
    const stuck = one.record?.results.find(({ place }) => place === 'stuck');
    expect(stuck?.failure?.message).toMatch(
      /did not finish within its deadline. It waited: the lease on cp2 could not be renewed: .*403/,
    );
    expect(nodeWrites(world, one).filter(({ sentAt }) => sentAt > since + 30_000)).toEqual([]);
  });

  it('is what the watcher looks for: it complains of a write without one', async () => {
    const { world, last, process } = await written();
    world.invariant(OneWriter)?.sent({ ...last, process });
    expect(world.violation?.message).toMatch(/^one writer per control plane: .*it holds no lease there/);
  });

  it('is what the watcher looks for: it complains of two who write within a lease', async () => {
    const { world, last, process } = await written();
    const watcher = world.invariant(OneWriter);
    const lease = { ...last, write: 'lease', process, sentAt: world.time.now(), status: 201 } as const;
    watcher?.served({ ...lease, method: 'POST', path: '/v1/chassis', body: { uuid: 'another' } });
    watcher?.sent({ ...last, process });
    expect(world.violation?.message).toMatch(/^one writer per control plane: .* may write there as well/);
  });

  it('is what the watcher looks for: who renews what has become another holder’s has proven nothing', async () => {
    const { world, last, process } = await written();
    const watcher = world.invariant(OneWriter);
    const lease = { ...last, write: 'lease', status: 201, body: { uuid: 'epoch' } } as const;
    const create = { ...lease, method: 'POST', path: '/v1/chassis' };
    watcher?.served({ ...create, sentAt: 0 });
    watcher?.served({ ...create, process, sentAt: 0 });
    const renew = { ...lease, method: 'PATCH', path: '/v1/chassis/epoch', status: 200 };
    watcher?.served({ ...renew, process: last.process, sentAt: world.time.now() + 3_600_000 });
    await world.pass(world.config.deployment.leaseMs);
    expect(world.violation).toBeNull();
    watcher?.sent(last);
    expect(world.violation?.message).toMatch(/^one writer per control plane: .*its lease was renewed \d+ ms ago/);
  });

  it('survives lost answers to each of the calls with which it is had', async () => {
    for (const method of ['POST', 'PATCH', 'DELETE', 'GET']) {
      for (const what of ['lose answer', 'drop', 'half answer'] as const) {
        for (const at of ['cp1', 'cp2']) {
          let left = 2;
          const { world, ephyras } = twins({
            ...SMALL,
            disturb: (call) => {
              if (!call.path.includes('/chassis') || call.method !== method || call.at !== at || left === 0)
                return null;
              left -= 1;
              return { do: what };
            },
            deployment: { leaseMs: 30_000 },
          });
          const [one] = ephyras as [Installation, Installation];
          await one.start();
          await plan(one);
          let answer = await approve(one);
          while (codeOf(answer) === 'lease_unsure') answer = await approve(one);
          expect(codeOf(answer), `${method} ${what} ${at}`).toBe('ok');
          await world.until(() => ended(one));
          expect(one.record?.state).toBe('completed');
        }
      }
    }
  });

  it('is as good when the clock is set back or ahead', async () => {
    for (const skewMs of [-3 * HOUR_MS, -10_000, 20_000, 600_000]) {
      const { world, ephyras } = twins(SMALL);
      const [one, two] = ephyras as [Installation, Installation];
      await one.start();
      await two.start();
      await plan(one);
      await plan(two);
      await approve(one);
      await world.until(moving(world, one));
      expect(codeOf(await approve(two))).toBe('held_elsewhere');
      // Of both, so that the one has to renew and the other must not think that time has gone by.
      one.skewMs = skewMs;
      two.skewMs = skewMs;
      expect(codeOf(await approve(two)), `by ${skewMs}`).toBe('held_elsewhere');
      await world.until(() => ended(one));
      expect(one.record?.state, `by ${skewMs}`).toBe('completed');
    }
  });

  it('is kept apart when Ephyras are killed at any point of taking, taking over and giving back', async () => {
    const points: number[] = [];
    const story = async (kill: number | null): Promise<void> => {
      const { world, ephyras } = twins({ ...SMALL, nodes: 1, deployment: { leaseMs: 60_000 } }, [
        { host: 'host-a' },
        {
          host: 'host-b',
          kill: ({ what, index }) => {
            if (what.includes('/chassis') && kill === null) points.push(index);
            return index === kill;
          },
        },
      ]);
      const [one, two] = ephyras as [Installation, Installation];
      await one.start();
      await plan(one);
      await approve(one);
      await world.until(() => nodeWrites(world, one).length >= 2);
      one.freeze();
      world.time.after(600_000, () => one.thaw());
      await two.start();
      await world.until(() => two.record?.state === 'found', HOUR_MS, 'the marks');
      const done = () => two.record !== undefined && two.record.state !== 'found';
      while (!done() || !ended(two)) {
        if (!two.running) {
          await world.pass(1_000);
          await two.start();
        } else if (!done()) {
          await two.ask((door) => door.approve({ by: BOB }));
          await world.pass(10_000);
        } else {
          await world.until(() => ended(two) || !two.running);
        }
      }
      await world.pass(1_000);
      if (!two.running) await two.start();
      await world.until(() => ended(one), 24 * HOUR_MS, 'the end of the other');
      expect(two.record?.state).toBe('completed');
    };
    await story(null);
    expect(points.length).toBeGreaterThan(30);
    for (const point of points.filter((_, index) => index % 2 === 0)) await story(point);
  });

  it('is kept apart in whatever goes wrong with three contenders', { timeout: 120_000 }, async () => {
    let shared = 0;
    for (let seed = 1; seed <= 7; seed++) shared += (await brawl(seed)) > 1 ? 1 : 0;
    expect(shared).toBeGreaterThan(1);
  });
});

/** Three Ephyras that are approved, stopped, killed and whose clocks jump; how many of them have written to nodes. */
async function brawl(seed: number): Promise<number> {
  const random = createRandom(seed);
  const disturbances = random.fork('disturbances');
  const { world, ephyras } = twins(
    {
      nodes: 4,
      masters: 0,
      seed,
      shuffle: true,
      latencyMs: [0, random.pick([5, 500, 5_000])],
      drainMs: [1_000, 120_000],
      deployment: { leaseMs: 30_000, maxUnavailable: 1 },
      disturb: ({ path }) =>
        path.includes('/chassis') && disturbances.chance(0.08)
          ? disturbances.pick<Disturbance>([
              { do: 'lose answer' },
              { do: 'drop' },
              { do: 'hang' },
              { do: 'refuse', status: 503 },
              { do: 'late request', ms: disturbances.between(1_000, 20_000) },
              { do: 'late answer', ms: disturbances.between(1_000, 50_000) },
            ])
          : null,
    },
    [{ host: 'host-a' }, { host: 'host-b' }, { host: 'host-c' }],
  );
  const [one] = ephyras as [Installation];
  await one.start();
  await plan(one);
  while (codeOf(await approve(one)) !== 'ok') await world.pass(1_000);
  await world.until(() => nodeWrites(world, one).length >= 2 || ended(one));
  for (const ephyra of ephyras) if (!ephyra.running) await ephyra.start();
  for (let step = 0; step < 120; step++) {
    const ephyra = random.pick(ephyras);
    const what = random.pick(['approve', 'approve', 'approve', 'approve', 'stop', 'go on', 'kill', 'jump'] as const);
    // Who is down stays down for a while: otherwise nobody would ever miss it.
    if (!ephyra.running) await (random.chance(0.15) ? ephyra.start() : undefined);
    else if (what === 'approve') ephyra.send((door) => door.approve({ by: BOB }));
    else if (what === 'stop') ephyra.freeze();
    else if (what === 'go on' && random.chance(0.3)) ephyra.thaw();
    else if (what === 'kill') ephyra.kill();
    else if (what === 'jump') ephyra.skewMs += random.between(-200_000, 200_000);
    await world.pass(random.pick([0, 10, 1_000, 20_000, 40_000]));
  }
  return ephyras.filter((ephyra) => nodeWrites(world, ephyra).length > 0).length;
}
