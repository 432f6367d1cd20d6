import { afterEach, describe, expect, it } from 'vitest';
import { FakeDeployments } from './support/fakeDeployments.ts';
import { fastClock, openWorld, pass, until, type World } from './support/workspace.ts';

let open: World[] = [];

async function opened(...args: Parameters<typeof openWorld>): Promise<World> {
  const world = await openWorld(...args);
  open.push(world);
  return world;
}

afterEach(async () => {
  const worlds = open;
  open = [];
  await Promise.all(worlds.map((world) => world.close()));
});

function times(world: World, verb: string): number {
  return world.deployments.asked.filter((one) => one.startsWith(verb)).length;
}

describe.each(['http', 'socket'] as const)('the real Bolt app over %s', (mode) => {
  it('carries a deployment from the command to COMPLETED in the thread', async () => {
    const world = await opened(mode);
    expect(await world.type('alice', '/ephyra deploy cp1->cp2')).toEqual({ ok: true });
    await until('the card', () => world.parents().some((one) => one.words.includes('waiting for approval')));
    expect(world.whispers('alice')).toEqual([]);

    await world.press('alice', 'ephyra:approve');
    await until('the refusal', () =>
      world.whispers('alice').some((one) => one.includes('You asked for this deployment yourself')),
    );
    await world.press('eve', 'ephyra:approve');
    await until('the other refusal', () => world.whispers('eve').some((one) => one.includes('You may not `approve`')));
    expect(world.deployments.get()?.state).toBe('awaiting_approval');

    await world.press('bob', 'ephyra:approve');
    await until('the approval', () => world.deployments.get()?.state === 'canary');
    world.deployments.turn('rolling');
    for (let i = 0; i < 12; i += 1) {
      world.deployments.startNode(i);
      world.deployments.step(i, 'boot', 'instance to become ACTIVE');
      world.deployments.settle(i, 'moved', [`10.2.0.${i + 1}`]);
    }
    world.deployments.turn('completed');
    const [card] = world.parents();
    await until('the end', () => world.replies(card?.ts ?? '').some((one) => one.includes('*COMPLETED*')), 20_000);
    await until('the card at its end', () => world.parents()[0]?.words.includes('COMPLETED') === true);
    expect(world.parents()[0]?.words).not.toContain('"actions"');
    expect(world.replies(card?.ts ?? '').join('\n')).toContain(`Approved by <@${world.id('bob')}>`);
    expect(world.parents()).toHaveLength(1);
    // The emulator refuses what Slack would refuse: nothing of ours was.
    expect(
      world.slackCalls.filter((call) => call.outcome.startsWith('invalid') || call.outcome.startsWith('msg_')),
    ).toEqual([]);
    expect(world.log.lines.filter((line) => line.level === 'error')).toEqual([]);
  }, 40_000);

  it('acknowledges before it works, and answers however long the work takes', async () => {
    const world = await opened(mode);
    let go: () => void = () => {};
    world.deployments.before = () => new Promise((resolve) => (go = resolve));
    expect(await world.type('alice', '/ephyra plan cp1 to cp2')).toEqual({ ok: true });
    // Slack has its acknowledgement, or this would be an operation_timeout; the plan is still being made.
    expect(world.deployments.asked).toEqual(['plan cp1 cp2']);
    await until('patience', () => world.whispers('alice').some((one) => one.includes('Checking both control planes')));
    go();
    await until('the plan', () => world.whispers('alice').some((one) => one.includes('12 nodes would move')));
  });

  it('acts once on what Slack hands over twice', async () => {
    const world = await opened(mode, { slack: { mean: { duplicateDeliveries: true, duplicateAfterMs: 50 } } });
    await world.type('alice', '/ephyra deploy cp1→cp2');
    await until('the card', () => world.parents().length > 0);
    await world.press('bob', 'ephyra:approve');
    await world.type('alice', '@ephyra lock all disks');
    const ours = () => world.parents().filter((one) => one.user === world.id('ephyra'));
    await until('card and lock', () => ours().length === 2);
    await pass(5000);
    expect([times(world, 'deploy'), times(world, 'approve'), times(world, 'lock')]).toEqual([1, 1, 1]);
    expect(world.whispers('bob')).toEqual([]);
    expect(ours()).toHaveLength(2);
  });

  it('takes a double click for one', async () => {
    const world = await opened(mode);
    await world.type('alice', '/ephyra deploy cp1→cp2');
    await until('the card', () => world.parents().length > 0);
    await Promise.all([world.press('bob', 'ephyra:approve'), world.press('bob', 'ephyra:approve')]);
    await until('the approval', () => world.deployments.get()?.state === 'canary');
    await pass(200);
    expect(times(world, 'approve')).toBe(1);
    expect(world.whispers('bob')).toEqual([]);
  });

  it('answers mentions in a thread, where commands cannot be used', async () => {
    const world = await opened(mode);
    await world.type('alice', '/ephyra deploy cp1→cp2');
    await until('the card', () => world.parents().length > 0);
    const ts = world.parents()[0]?.ts ?? '';
    expect(await world.type('eve', '/ephyra why', ts)).toEqual({ ok: false, error: 'not_supported_in_threads' });
    await world.type('eve', '@ephyra why', ts);
    await until('the answer', () => world.whispers('eve').some((one) => one.includes('It waits for an approver')));
    await world.type('bob', '@ephyra approve', ts);
    await until('the approval', () => world.deployments.get()?.state === 'canary');
    expect(world.deployments.get()?.approval?.by).toEqual({ via: 'slack', id: world.id('bob'), display: 'bob' });
  });

  it('goes on after a restart with the same card', async () => {
    const first = await openWorld(mode);
    await first.type('alice', '/ephyra deploy cp1→cp2');
    await until('the card', () => first.parents().length > 0);
    await until('the memory', () => first.deployments.remembered.length > 0);
    await first.face.stop();
    const { deployments } = first;
    await deployments.approve({ by: { via: 'cli', id: 'root', display: 'root' } });
    const again = await opened(mode, { at: first.slack, deployments });
    await until('the card', () => again.parents()[0]?.words.includes('canary under way') === true);
    expect(again.parents()).toHaveLength(1);
    await again.press('alice', 'ephyra:abort');
    await until('the abort', () => deployments.get()?.state === 'rolling_back');
  });
});

describe('what people see', () => {
  it('is help when they type nothing, private, with the control planes that exist', async () => {
    const world = await opened('http');
    await world.type('eve', '/ephyra');
    await until('help', () => world.whispers('eve').length > 0);
    expect(world.whispers('eve')[0]).toContain('/ephyra deploy cp1→cp2');
    expect(world.parents()).toEqual([]);
  });

  it('is a hint when they mistype, and nothing is done', async () => {
    const world = await opened('http');
    await world.type('alice', '/ephyra depoly cp1→cp2');
    await world.type('alice', '/ephyra deploy cp1→cp3');
    await until('hints', () => world.whispers('alice').length === 2);
    expect(world.whispers('alice').join()).toContain('Did you mean /ephyra deploy?');
    expect(world.whispers('alice').join()).toContain('Did you mean cp1?');
    expect(world.deployments.asked).toEqual([]);
  });

  it('is every finding of a plan that fails, each with what to do', async () => {
    const world = await opened('http');
    world.deployments.problems = [
      {
        field: 'cp2.flavor',
        message: 'Flavor bm.hadoop is missing in cp2.',
        remedy: 'Create it, or name another in roles.',
      },
      { field: 'cp1.secrets', message: 'BMC secrets are masked.', remedy: 'Set show_password in policy.yaml.' },
    ];
    await world.type('alice', '/ephyra deploy cp1→cp2');
    await until('the findings', () => world.whispers('alice').length === 1);
    const [told = ''] = world.whispers('alice');
    for (const part of [
      'cp2.flavor',
      'Flavor bm.hadoop is missing in cp2.',
      '→ Create it',
      'cp1.secrets',
      '→ Set show_password',
    ]) {
      expect(told).toContain(part);
    }
    expect(world.parents()).toEqual([]);
  });

  it('is a lock in the channel, with nothing smuggled in by its reason', async () => {
    const world = await opened('http');
    await world.type('alice', '/ephyra lock cp1 <!channel> *look* <https://evil.example|here> --for 2h');
    await until('the lock', () => world.parents().length === 1);
    const [lock] = world.parents();
    expect(lock?.words).toContain('&lt;!channel&gt;');
    expect(lock?.words).not.toContain('<!channel>');
    expect(lock?.words).not.toContain('<https');
    expect(world.whispers('alice')).toEqual([]);
    await world.type('alice', '/ephyra deploy cp1→cp2');
    await until('the refusal', () => world.whispers('alice').some((one) => one.includes('cp1 is locked')));
  });

  it('is no permission, and why, when Slack does not say who is in a group', async () => {
    const world = await opened('http', { config: { approvers: { users: [], groups: ['S_GONE'] } } });
    await world.type('alice', '/ephyra deploy cp1→cp2');
    await until('the card', () => world.parents().length > 0);
    await world.press('bob', 'ephyra:approve');
    await until('the refusal', () =>
      world.whispers('bob').some((one) => one.includes('I cannot tell whether you may')),
    );
    expect(world.whispers('bob')[0]).toContain('no_such_subteam');
    expect(times(world, 'approve')).toBe(0);
  });

  it('is an apology, not silence, when there is a bug; and the log has it', async () => {
    const world = await opened('http');
    world.deployments.before = async () => {
      throw new TypeError('undefined is not a function');
    };
    await world.type('alice', '/ephyra deploy cp1→cp2');
    await until('the apology', () =>
      world.whispers('alice').some((one) => one.includes('Something went wrong inside Ephyra')),
    );
    expect(JSON.stringify(world.log.lines)).toContain('undefined is not a function');
  });

  it('is a refusal when a button belongs to a plan that has changed', async () => {
    const world = await opened('http');
    await world.type('alice', '/ephyra deploy cp1→cp2');
    await until('the card', () => world.parents().length > 0);
    world.deployments.change('d-20261122-1', (view) => {
      view.digest = 'another-digest';
    });
    await world.press('bob', 'ephyra:approve');
    await until('the refusal', () => world.whispers('bob').some((one) => one.includes('The plan has changed')));
    expect(times(world, 'approve')).toBe(0);
    await until('the new card', () => world.parents()[0]?.words.includes('another-dige') === true);
    await pass(3100);
    await world.press('bob', 'ephyra:approve');
    await until('the approval', () => times(world, 'approve') === 1);
  });
});

describe('Slack in trouble', () => {
  it('is survived while it is down: commands are answered and the card is right afterwards', async () => {
    const world = await opened('http');
    await world.type('alice', '/ephyra deploy cp1→cp2');
    await until('the card', () => world.parents().length > 0);
    world.slack.slack.configure({ mean: { down: '503' } });
    await world.deployments.approve({ by: { via: 'cli', id: 'root', display: 'root' } });
    world.deployments.turn('rolling');
    await pass(2500);
    world.slack.slack.configure({ mean: { down: 'no' } });
    await until('the truth', () => world.parents()[0]?.words.includes('moving nodes') === true, 20_000);
    expect(world.parents()).toHaveLength(1);
  }, 40_000);

  it('makes no second message of answers that it lost', async () => {
    const world = await opened('http');
    world.slack.slack.configure({ mean: { loseAnswers: true } });
    await world.type('alice', '/ephyra deploy cp1→cp2');
    await until('the card', () => world.parents().length > 0);
    await pass(1500);
    world.slack.slack.configure({ mean: { loseAnswers: false } });
    await until('the memory', () => world.deployments.remembered.length > 0, 20_000);
    expect(world.parents().filter((one) => one.user === world.id('ephyra'))).toHaveLength(1);
  }, 40_000);

  it('does not keep the face from starting, nor from working once it is there', async () => {
    const deployments = new FakeDeployments({ now: fastClock.now });
    const world = await opened('socket', { slack: { mean: { down: '503' } }, deployments });
    expect(world.log.lines.some((line) => line.message.startsWith('No Socket Mode connection'))).toBe(true);
    world.slack.slack.configure({ mean: { down: 'no' } });
    await until(
      'the connection',
      () => world.log.lines.some((line) => line.message === 'Connected to Slack again'),
      20_000,
    );
    await world.type('eve', '/ephyra status');
    await until('an answer', () => world.whispers('eve').length > 0);
  }, 40_000);

  it('is survived when it cuts the socket or asks for a new one', async () => {
    const world = await opened('socket');
    for (const trouble of ['cut', 'disconnect'] as const) {
      if (trouble === 'cut') world.slack.slack.core.sockets.cut();
      else world.slack.slack.core.sockets.disconnect('refresh_requested');
      // Commands given in the moment without a connection fail, and Slack tells people so: they type again.
      const answers = () => world.whispers('eve').filter((one) => one.includes('Nothing is locked')).length;
      const before = answers();
      for (let tries = 0; tries < 20 && answers() === before; tries += 1) {
        await world.type('eve', '/ephyra locks');
        await pass(1000);
      }
      expect(answers()).toBeGreaterThan(before);
      expect(world.slack.slack.core.sockets.count).toBe(1);
    }
  }, 40_000);

  it('is refused when the signature is wrong', async () => {
    const world = await opened('http');
    const response = await fetch(`http://127.0.0.1:${world.face.port()}/slack/events`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-slack-signature': 'v0=0000',
        'x-slack-request-timestamp': String(Math.floor(Date.now() / 1000)),
      },
      body: new URLSearchParams({
        command: '/ephyra',
        text: 'abort',
        user_id: world.id('alice'),
        trigger_id: 't',
      }).toString(),
    });
    expect(response.status).toBe(401);
    expect(world.deployments.asked).toEqual([]);
  });

  it('puts no secret into the log, whatever fails', async () => {
    const world = await opened('socket', { slack: { mean: { down: '503' } } });
    await pass(300);
    world.slack.slack.configure({ mean: { down: 'no' } });
    await until('the connection', () => world.log.lines.some((line) => line.message.startsWith('Connected')), 20_000);
    await world.type('alice', '/ephyra deploy cp1→cp2');
    await until('the card', () => world.parents().length > 0);
    const { botToken, appToken, signingSecret } = world.slack.slack.core.app;
    const log = JSON.stringify(world.log.lines);
    for (const secret of [botToken, appToken, signingSecret, 'ticket=', '/commands/'])
      expect(log).not.toContain(secret);
  }, 40_000);
});

describe('the configuration', () => {
  it('is told what is missing for its mode', async () => {
    await expect(openWorld('http', { config: { signingSecret: undefined } })).rejects.toThrow(
      'slack.signingSecret is missing',
    );
    await expect(openWorld('socket', { config: { appToken: undefined } })).rejects.toThrow('slack.appToken is missing');
  });

  it('is told that the port is taken', async () => {
    const world = await opened('http');
    await expect(openWorld('http', { config: { port: world.face.port() ?? 0 } })).rejects.toThrow('EADDRINUSE');
  });
});
