import { describe, expect, it } from 'vitest';
import type { ApplicationHealth } from '../../../machines/plugin.ts';
import { Away } from '../../../src/actors/away.ts';
import type { GateDeps } from '../../../src/actors/gate.ts';
import { gate, permit, soak } from '../../../src/actors/gate.ts';
import { untilAbandoned, withPatience } from '../../../src/actors/patience.ts';
import { processTime, VirtualTime } from '../../support/world/time.ts';

/** "w2-r1" is in rack r1. */
const domainOf = (name: string) => name.split('-')[1] ?? null;
const uuidOf = (name: string) => `u-${name.toLowerCase()}`;
const item = (name: string, role = 'worker') => ({ uuid: uuidOf(name), name, role, failureDomain: domainOf(name) });
const HEALTHY: ApplicationHealth = { health: 'healthy', reasons: [], unavailable: [] };
const signal = new AbortController().signal;

function stage(answers: (now: number) => Promise<ApplicationHealth> | ApplicationHealth, more: Partial<GateDeps> = {}) {
  const time = new VirtualTime(0);
  const clock = processTime(time);
  const deps: GateDeps = {
    plugin: { verifyApplication: async () => answers(time.now()) },
    clock,
    maxUnavailable: 2,
    roleLimits: {},
    failureDomainLimit: null,
    away: new Away({ nodes: [], results: [] }),
    whyNotServing: async () => 'it is out',
    refresh: async () => undefined,
    nodeCalled: (name) => ({
      uuids: name.includes(' ') ? [] : [uuidOf(name.replace('.example', ''))],
      role: name.startsWith('m') ? 'master' : name.startsWith('w') ? 'worker' : null,
      failureDomain: domainOf(name),
    }),
    patienceMs: 1_000,
    ...more,
  };
  /** Runs the clock until the promise has settled. */
  const settle = async <T>(promise: Promise<T>, limitMs = 3_600_000): Promise<T> => {
    let over = false;
    promise.then(
      () => {
        over = true;
      },
      () => {
        over = true;
      },
    );
    await time.run(() => over, limitMs);
    if (!over) throw new Error('it did not settle');
    return promise;
  };
  return { time, clock, deps, settle };
}

const input = (next: ReturnType<typeof item>, ...out: ReturnType<typeof item>[]) =>
  ({ line: [next], out }) as unknown as Parameters<typeof gate>[0];

describe('the gate', () => {
  const ask = (health: ApplicationHealth, more: Partial<GateDeps> = {}, ...out: ReturnType<typeof item>[]) => {
    const { deps, settle } = stage(() => health, more);
    return settle(gate(input(item('w1'), ...out), deps, signal));
  };

  it('is open when the application is healthy and can spare one more', async () => {
    expect(await ask(HEALTHY)).toMatchObject({ open: true });
    expect(await ask(HEALTHY, {}, item('w2'))).toMatchObject({ open: true });
  });

  it('counts the nodes of ours that are under way', async () => {
    expect(await ask(HEALTHY, {}, item('w2'), item('w3'))).toMatchObject({
      open: false,
      reason: '2 of at most 2 nodes are out of service: w2, w3',
    });
  });

  it('counts members that are out without our doing, by whatever name', async () => {
    const out = { ...HEALTHY, unavailable: ['w9', 'w8.example'] };
    expect(await ask(out)).toMatchObject({ open: false, reason: expect.stringContaining('w9, w8.example') });
    // Ours, under an alias, counts once.
    expect(await ask({ ...HEALTHY, unavailable: ['w2.example'] }, {}, item('w2'))).toMatchObject({ open: true });
    expect(await ask({ ...HEALTHY, unavailable: ['w2.example'] }, {}, item('W2'))).toMatchObject({ open: true });
    // The node itself may be out already.
    expect(await ask({ ...HEALTHY, unavailable: ['w1', 'w9'] })).toMatchObject({ open: true });
  });

  it('is shut unless the application says that it is healthy: unknown is never yes', async () => {
    for (const health of ['unhealthy', 'unknown'] as const) {
      expect(await ask({ health, reasons: ['safe mode'] })).toEqual({
        open: false,
        reason: `the application is ${health}: safe mode`,
      });
    }
  });

  it('is shut when the application throws, and when it never answers', async () => {
    const thrown = stage(() => Promise.reject(new Error('no route to host')));
    expect(await thrown.settle(gate(input(item('w1')), thrown.deps, signal))).toMatchObject({
      open: false,
      reason: expect.stringContaining('no route to host'),
    });
    const silent = stage(() => new Promise(() => undefined));
    expect(await silent.settle(gate(input(item('w1')), silent.deps, signal))).toMatchObject({ open: false });
    expect(silent.time.now()).toBe(1_000);
  });

  it('keeps the limit of a role, counting who may be of it', async () => {
    const limits = { maxUnavailable: 9, roleLimits: { worker: 1 } };
    expect(await ask({ ...HEALTHY, unavailable: ['m1'] }, limits)).toMatchObject({ open: true });
    expect(await ask({ ...HEALTHY, unavailable: ['w9'] }, limits)).toMatchObject({
      open: false,
      reason: expect.stringContaining('nodes of role worker'),
    });
    expect(await ask({ ...HEALTHY, unavailable: ['nobody knows'] }, limits)).toMatchObject({ open: false });
    expect(await ask(HEALTHY, limits, item('w2'))).toMatchObject({ open: false });
    expect(await ask(HEALTHY, limits, item('m2', 'master'))).toMatchObject({ open: true });
  });

  it('keeps the limit of a failure domain, counting who may be in it', async () => {
    const limits = { maxUnavailable: 9, failureDomainLimit: 1 };
    const askFor = (next: string, unavailable: string[], ...out: ReturnType<typeof item>[]) => {
      const { deps, settle } = stage(() => ({ ...HEALTHY, unavailable }), limits);
      return settle(gate(input(item(next), ...out), deps, signal));
    };
    expect(await askFor('w1-r1', [])).toMatchObject({ open: true });
    expect(await askFor('w1-r1', ['w9-r2'], item('w2-r3'))).toMatchObject({ open: true });
    expect(await askFor('w1-r1', ['w9-r2', 'm9-r1'])).toEqual({
      open: false,
      reason: '1 of at most 1 nodes of failure domain r1 are out of service: m9-r1',
    });
    expect(await askFor('w1-r1', [], item('w2-r1'))).toMatchObject({ open: false });
    expect(await askFor('w1-r1', ['w9'])).toMatchObject({
      open: false,
      reason: expect.stringContaining('are out of service: w9 (failure domain not known)'),
    });
    expect(await askFor('w1', ['w9-r2'])).toMatchObject({
      open: false,
      reason: '1 of at most 1 nodes of an unknown failure domain are out of service: w9-r2',
    });
    // The node itself may be out already.
    expect(await askFor('w1-r1', ['w1-r1'])).toMatchObject({ open: true });
  });

  it('takes a name for that of a node of ours only when nobody else has had it', async () => {
    const shared = (uuids: string[]) => ({
      maxUnavailable: 2,
      nodeCalled: () => ({ uuids, role: 'worker', failureDomain: null }),
    });
    const out = { ...HEALTHY, unavailable: ['10.1.0.1'] };
    expect(await ask(out, shared(['u-w2']), item('w2'))).toMatchObject({ open: true });
    expect(await ask(out, shared(['u-w2', 'u-w9']), item('w2'))).toMatchObject({ open: false });
    expect(await ask(out, shared([]), item('w2'))).toMatchObject({ open: false });
  });

  it('has what it knows brought up to date when somebody else is out, and asks the application again', async () => {
    const order = async (unavailable: string[]) => {
      const told: string[] = [];
      const { deps, settle } = stage(() => {
        told.push('asked');
        return { ...HEALTHY, unavailable };
      });
      const refresh = async () => void told.push('refreshed');
      await settle(gate(input(item('w1'), item('w2')), { ...deps, refresh }, signal));
      return told;
    };
    expect(await order(['w9'])).toEqual(['asked', 'refreshed', 'asked']);
    expect(await order(['w2', 'w1.example'])).toEqual(['asked']);
  });

  it('lets the first of the line go for whom there is room, and tells what keeps the first one', async () => {
    const { deps, settle } = stage(() => ({ ...HEALTHY, unavailable: ['m9-r1'] }), {
      maxUnavailable: 9,
      failureDomainLimit: 1,
    });
    const askFor = (...names: string[]) => {
      const line = names.map((name) => item(name));
      return settle(gate({ line, out: [] } as unknown as Parameters<typeof gate>[0], deps, signal));
    };
    expect(await askFor('w1-r2', 'w2-r3')).toEqual({ open: true, next: 'u-w1-r2' });
    expect(await askFor('w1-r1', 'w2-r1', 'w3-r2', 'w4-r2')).toEqual({ open: true, next: 'u-w3-r2' });
    expect(await askFor('w1-r1', 'w2-r1')).toMatchObject({ reason: expect.stringContaining('failure domain r1') });
  });
});

describe('leaving', () => {
  const leave = (answers: (now: number) => ApplicationHealth, more: Partial<GateDeps> = {}) => {
    const { deps, ...rest } = stage(answers, more);
    const waits: string[] = [];
    const leaving = { ...deps, pollMs: 500, waiting: (_: string, reason: string) => void waits.push(reason) };
    const ask = (name: string, wayBack = false, until = signal) => permit(item(name), wayBack, leaving, until);
    return { ask, away: deps.away, waits, ...rest };
  };

  it('of two who ask at the same time, the second sees the first', async () => {
    const { ask, away, time } = leave(() => HEALTHY, { maxUnavailable: 1 });
    const left: string[] = [];
    for (const name of ['w1', 'w2']) void ask(name).then(() => left.push(name));
    await time.run(() => false, 5_000);
    expect(left).toEqual(['w1']);
    away.settled({ ...item('w1'), place: 'moved' });
    await time.run(() => left.length > 1, 5_000);
    expect(left).toEqual(['w1', 'w2']);
  });

  it('waits, with the reason, while others are out', async () => {
    const out = { ...HEALTHY, unavailable: ['w8', 'w9'] };
    const { ask, waits, settle, time } = leave((now) => (now < 2_000 ? out : HEALTHY));
    await settle(ask('w1'));
    expect(time.now()).toBe(2_000);
    expect(waits[0]).toContain('2 of at most 2 nodes');
  });

  it('asks for health on the way out, not on the way back, where leaving may be the cure', async () => {
    const ill: ApplicationHealth = { health: 'unhealthy', reasons: ['a bad disk'], unavailable: [] };
    const out = leave((now) => (now < 3_000 ? ill : HEALTHY));
    await out.settle(out.ask('w1'));
    expect(out.time.now()).toBe(3_000);
    const back = leave(() => ill);
    await back.settle(back.ask('w1', true));
    expect(back.time.now()).toBe(0);
    const unknown = leave((now) => (now < 3_000 ? { health: 'unknown', reasons: [] } : HEALTHY));
    await unknown.settle(unknown.ask('w1', true));
    expect(unknown.time.now()).toBe(3_000);
  });

  it('is given up when the step is', async () => {
    const { ask, settle, time } = leave(() => ({ health: 'unknown', reasons: [] }));
    const step = new AbortController();
    time.after(1_200, () => step.abort());
    await expect(settle(ask('w1', false, step.signal))).rejects.toThrow();
  });
});

describe('a node of ours that is at rest', () => {
  const MUTE: ApplicationHealth = { health: 'healthy', reasons: [] };
  const stuck = { nodes: [item('w2-r2')], results: [{ uuid: 'u-w2-r2', place: 'stuck' as const }] };
  const askWith = (health: ApplicationHealth, more: Partial<GateDeps>, next = 'w1-r1') => {
    const { deps, settle } = stage(() => health, { maxUnavailable: 1, ...more });
    return settle(gate(input(item(next)), deps, signal));
  };

  it('counts until the application has it in service, when that does not tell who is out', async () => {
    expect(await askWith(MUTE, { away: new Away(stuck) })).toEqual({
      open: false,
      reason:
        '1 of at most 1 nodes are out of service: w2-r2 (not seen in service: it is out). ' +
        'Once the application says that w2-r2 is in service and healthy, this goes on',
    });
    expect(await askWith(MUTE, { away: new Away(stuck), whyNotServing: async () => null })).toMatchObject({
      open: true,
    });
  });

  it('counts for its role and its failure domain', async () => {
    const away = new Away(stuck);
    const roles = { maxUnavailable: 9, roleLimits: { worker: 1, master: 1 }, away };
    expect(await askWith(MUTE, roles)).toMatchObject({ open: false, reason: expect.stringContaining('role worker') });
    const domains = { maxUnavailable: 9, failureDomainLimit: 1, away };
    expect(await askWith(MUTE, domains)).toMatchObject({ open: true });
    expect(await askWith(MUTE, domains, 'w3-r2')).toMatchObject({ open: false });
  });

  it('is out or not as the application says, when that tells who is out', async () => {
    const asked: string[] = [];
    const whyNotServing = async ({ name }: { name: string }) => {
      asked.push(name);
      return 'it is out';
    };
    const away = new Away(stuck);
    expect(await askWith(HEALTHY, { away, whyNotServing })).toMatchObject({ open: true });
    expect(await askWith({ ...HEALTHY, unavailable: ['w2-r2'] }, { away, whyNotServing })).toMatchObject({
      open: false,
      reason: '1 of at most 1 nodes are out of service: w2-r2',
    });
    expect(asked).toEqual([]);
  });

  it('is asked about only once when it has been seen in service, but each time when it is stuck', async () => {
    const asked: string[] = [];
    const whyNotServing = async ({ name }: { name: string }) => {
      asked.push(name);
      return null;
    };
    const away = new Away(stuck);
    away.settled({ ...item('w3-r3'), place: 'moved' });
    for (let times = 0; times < 2; times += 1) await askWith(MUTE, { away, whyNotServing });
    expect(asked).toEqual(['w2-r2', 'w3-r3', 'w2-r2']);
  });

  it('counts when it has come to rest while the application answered', async () => {
    const away = new Away({ nodes: [], results: [] });
    const answers = (): ApplicationHealth => {
      away.settled({ ...item('w2'), place: 'stuck' });
      return HEALTHY;
    };
    const { deps, settle } = stage(answers, { maxUnavailable: 1, away });
    expect(await settle(gate(input(item('w1')), deps, signal))).toMatchObject({
      reason: expect.stringContaining('the application was not asked yet'),
    });
  });
});

describe('a node that was under way at the start', () => {
  const found = { nodes: [item('w2')], results: [{ uuid: 'u-w2', place: 'moving' as const }] };
  const asksToLeave = async (health: ApplicationHealth, change: (away: Away) => void) => {
    const away = new Away(found);
    away.started(item('w2'));
    change(away);
    const { deps, time } = stage(() => health, { maxUnavailable: 1, away });
    let left = false;
    const leaving = { ...deps, pollMs: 500, waiting: () => undefined };
    void permit(item('w1'), false, leaving, signal).then(() => (left = true));
    await time.run(() => left, 5_000);
    return left;
  };

  it('keeps others in until it is known to be in service itself', async () => {
    const mute: ApplicationHealth = { health: 'healthy', reasons: [] };
    expect(await asksToLeave(mute, () => undefined)).toBe(false);
    expect(await asksToLeave(mute, (away) => away.serves('u-w2'))).toBe(true);
    expect(await asksToLeave(HEALTHY, () => undefined)).toBe(true);
    expect(await asksToLeave(HEALTHY, (away) => away.letGo(item('w2')))).toBe(false);
  });
});

describe('the soak', () => {
  const timing = { soakMs: 10_000, checkMs: 1_000, giveUpMs: 5_000 };
  const run = (answers: (now: number) => ApplicationHealth) => {
    const { deps, settle, time } = stage(answers);
    return { done: settle(soak(deps, timing, signal)), time };
  };

  it('is over when the application has been healthy for all of its time', async () => {
    const { done, time } = run(() => HEALTHY);
    await done;
    expect(time.now()).toBe(10_000);
  });

  it('is not over early when the clock is set forward', async () => {
    const { clock, deps, settle, time } = stage(() => HEALTHY);
    let aheadMs = 0;
    time.after(2_500, () => (aheadMs = 3_600_000));
    const set = { ...clock, now: () => clock.now() + aheadMs };
    await settle(soak({ ...deps, clock: set }, timing, signal));
    expect(time.now()).toBe(10_000);
  });

  it('begins anew when the application was not healthy in between', async () => {
    const { done, time } = run((now) => (now === 4_000 ? { health: 'unknown', reasons: [] } : HEALTHY));
    await done;
    expect(time.now()).toBe(15_000);
  });

  it('gives up when that lasts, with what the application says', async () => {
    const { done } = run(() => ({ health: 'unhealthy', reasons: ['a block is missing'] }));
    await expect(done).rejects.toMatchObject({
      reason: 'application_unhealthy',
      message: expect.stringContaining('a block'),
    });
    await expect(run(() => ({ health: 'unknown', reasons: [] })).done).rejects.toMatchObject({
      reason: 'application_unknown',
    });
  });

  it('of no time needs one healthy answer', async () => {
    const { deps, settle, time } = stage(() => HEALTHY);
    await settle(soak(deps, { ...timing, soakMs: 0 }, signal));
    expect(time.now()).toBe(0);
  });
});

describe('patience', () => {
  it('hands over a signal and a deadline, and takes an answer that comes in time', async () => {
    const { clock, settle } = stage(() => HEALTHY);
    const answer = await settle(
      withPatience(clock, 500, async ({ deadline, signal: own }) => {
        expect(deadline).toBe(500);
        expect(own.aborted).toBe(false);
        await clock.sleep(400, own);
        return 'here';
      }),
    );
    expect(answer).toBe('here');
  });

  it('gives up on who does not answer, even if the signal is not heeded', async () => {
    const { clock, settle, time } = stage(() => HEALTHY);
    await expect(settle(withPatience(clock, 30_000, () => new Promise(() => undefined)))).rejects.toMatchObject({
      reason: 'application_unknown',
      message: expect.stringContaining('30 s'),
    });
    expect(time.now()).toBe(30_000);
  });

  it('ends with the outer signal', async () => {
    const { clock, settle, time } = stage(() => HEALTHY);
    const outer = new AbortController();
    time.after(100, () => outer.abort(new Error('no more')));
    const asked = withPatience(clock, 30_000, () => new Promise(() => undefined), outer.signal);
    await expect(settle(asked)).rejects.toThrow('no more');
    await expect(withPatience(clock, 1, async () => 1, outer.signal)).rejects.toThrow('no more');
  });

  it('takes what is no promise for an answer, too: plugins need not be written in TypeScript', async () => {
    const { clock, settle } = stage(() => HEALTHY);
    expect(await settle(withPatience(clock, 500, () => 'plain' as never))).toBe('plain');
  });

  it('leaves no alarm behind once there is an answer', async () => {
    const { clock, settle, time } = stage(() => HEALTHY);
    await settle(withPatience(clock, 30_000, async () => 1));
    expect(await time.run(() => false, 100_000)).toBe('idle');
    expect(time.now()).toBe(0);
  });

  it('waits for work to leave off when told to, but not for ever', async () => {
    const { clock, settle, time } = stage(() => HEALTHY);
    const step = new AbortController();
    time.after(1_000, () => step.abort());
    const heeds = clock.sleep(5_000).then(() => 'done');
    expect(await settle(untilAbandoned(clock, step.signal, heeds))).toBe('done');
    const deaf = untilAbandoned(clock, step.signal, new Promise(() => undefined));
    await expect(settle(deaf)).rejects.toMatchObject({ reason: 'cancelled', next: 'cancelled' });
    expect(time.now()).toBe(35_000);
  });
});
