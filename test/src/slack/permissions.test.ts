import { describe, expect, it } from 'vitest';
import { createPermissions } from '../../../src/slack/permissions.ts';
import { FakeClock } from './support/fakeClock.ts';

function setup(members: (group: string) => Promise<readonly string[]>) {
  const clock = new FakeClock();
  const asked: string[] = [];
  const permissions = createPermissions({
    operators: { users: ['U_LISTED'], groups: ['S0OPERATIONS', 'S_NIGHT'] },
    approvers: { users: [], groups: ['S_LEADS'] },
    members: (group) => {
      asked.push(group);
      return members(group);
    },
    clock,
  });
  return { clock, asked, permissions };
}

describe('who may act', () => {
  it('is who is listed by id, without asking Slack', async () => {
    const { permissions, asked } = setup(async () => []);
    expect(await permissions.check('U_LISTED', ['operators'])).toEqual({ is: 'allowed' });
    expect(asked).toEqual([]);
  });

  it('is who is in one of the groups of the right that is needed', async () => {
    const { permissions } = setup(async (group) => (group === 'S_LEADS' ? ['U_LEAD'] : ['U_OP']));
    expect(await permissions.check('U_OP', ['operators'])).toEqual({ is: 'allowed' });
    expect(await permissions.check('U_OP', ['approvers'])).toEqual({ is: 'denied' });
    expect(await permissions.check('U_LEAD', ['operators'])).toEqual({ is: 'denied' });
    expect(await permissions.check('U_LEAD', ['operators', 'approvers'])).toEqual({ is: 'allowed' });
  });

  it('is asked of Slack once a minute, not at every click', async () => {
    let members = ['U_OP'];
    const { permissions, clock, asked } = setup(async () => members);
    await Promise.all([1, 2, 3].map(() => permissions.check('U_OP', ['approvers'])));
    expect(asked).toEqual(['S_LEADS']);
    members = [];
    await clock.pass(59_000);
    expect(await permissions.check('U_OP', ['approvers'])).toEqual({ is: 'allowed' });
    await clock.pass(1000);
    expect(await permissions.check('U_OP', ['approvers'])).toEqual({ is: 'denied' });
    expect(asked).toEqual(['S_LEADS', 'S_LEADS']);
  });

  it('is unknown, never yes, when Slack does not say; and asked again the next time', async () => {
    let down = true;
    const { permissions } = setup(async () => {
      if (down) throw new Error('Slack: ratelimited');
      return ['U_LEAD'];
    });
    expect(await permissions.check('U_LEAD', ['approvers'])).toEqual({
      is: 'unknown',
      group: 'S_LEADS',
      why: 'Slack: ratelimited',
    });
    down = false;
    expect(await permissions.check('U_LEAD', ['approvers'])).toEqual({ is: 'allowed' });
  });

  it('is yes when one group says so, though another could not be looked into', async () => {
    const { permissions } = setup(async (group) => {
      if (group === 'S0OPERATIONS') throw new Error('Slack: no_such_subteam');
      return ['U_OP'];
    });
    expect(await permissions.check('U_OP', ['operators'])).toEqual({ is: 'allowed' });
    expect(await permissions.check('U0EVE', ['operators'])).toMatchObject({ is: 'unknown', group: 'S0OPERATIONS' });
  });

  it('is nobody when nobody is configured', async () => {
    const none = { users: [], groups: [] };
    const permissions = createPermissions({
      operators: none,
      approvers: none,
      members: async () => [],
      clock: new FakeClock(),
    });
    expect(await permissions.check('U_ANY', ['operators', 'approvers'])).toEqual({ is: 'denied' });
  });
});
