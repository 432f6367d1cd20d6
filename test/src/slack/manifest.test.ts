import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { openWorld, until, type World } from './support/workspace.ts';

const text = readFileSync(new URL('../../../manifest.yml', import.meta.url), 'utf8');

/** As the comment at the top of the file tells people to do it. */
function forHttp(): string {
  return text.replace(/^(\s*)#http /gm, '$1').replace('socket_mode_enabled: true', 'socket_mode_enabled: false');
}

const url = z
  .string()
  .regex(/^https:\/\//)
  .max(3000);
/** What Slack's own schema of manifests demands of the parts that are used here; anything else is refused there. */
const base = z.strictObject({
  _metadata: z.strictObject({ major_version: z.literal(1), minor_version: z.int() }),
  display_information: z.strictObject({
    name: z.string().min(1).max(35),
    description: z.string().min(1).max(140),
    background_color: z.string().regex(/^#[0-9a-f]{6}$/i),
    long_description: z.string().min(175).max(4000),
  }),
  features: z.strictObject({
    bot_user: z.strictObject({ display_name: z.string().regex(/^[a-z0-9._-]{1,80}$/), always_online: z.boolean() }),
    slash_commands: z
      .array(
        z.strictObject({
          command: z.string().regex(/^\/[a-z0-9_-]{1,31}$/),
          url: url.optional(),
          description: z.string().min(1).max(2000),
          usage_hint: z.string().min(1).max(1000),
          should_escape: z.boolean(),
        }),
      )
      .min(1),
  }),
  oauth_config: z.strictObject({ scopes: z.strictObject({ bot: z.array(z.string().regex(/^[a-z_]+(:[a-z.]+)?$/)) }) }),
  settings: z.strictObject({
    event_subscriptions: z.strictObject({ request_url: url.optional(), bot_events: z.array(z.string()).min(1) }),
    interactivity: z.strictObject({ is_enabled: z.literal(true), request_url: url.optional() }),
    org_deploy_enabled: z.boolean(),
    socket_mode_enabled: z.boolean(),
    token_rotation_enabled: z.literal(false),
  }),
});

function urlsOf(manifest: z.infer<typeof base>): (string | undefined)[] {
  return [
    ...manifest.features.slash_commands.map((command) => command.url),
    manifest.settings.event_subscriptions.request_url,
    manifest.settings.interactivity.request_url,
  ];
}

describe('manifest.yml', () => {
  it('is what Slack accepts for Socket Mode', () => {
    const manifest = base.parse(parse(text));
    expect(manifest.settings.socket_mode_enabled).toBe(true);
    expect(urlsOf(manifest)).toEqual([undefined, undefined, undefined]);
  });

  it('is what Slack accepts for HTTP, once changed as its comment says', () => {
    const manifest = base.parse(parse(forHttp()));
    expect(manifest.settings.socket_mode_enabled).toBe(false);
    // Bolt listens on this one path for everything.
    for (const one of urlsOf(manifest)) expect(one).toMatch(/^https:\/\/[^/]+\/slack\/events$/);
  });
});

describe('the scopes and events of manifest.yml', () => {
  let world: World | undefined;
  afterEach(() => world?.close());

  it('are all that the face needs', async () => {
    const manifest = base.parse(parse(text));
    world = await openWorld('socket', {
      slack: {
        app: {
          scopes: [...manifest.oauth_config.scopes.bot, 'connections:write'],
          events: manifest.settings.event_subscriptions.bot_events,
        },
      },
      rightsByGroup: true,
    });
    const { slack, deployments, slackCalls } = world;
    slack.slack.configure({ mean: { loseAnswers: true } });
    await world.type('alice', '/ephyra deploy cp1→cp2');
    await until('the card', () => world?.parents().length === 1);
    slack.slack.configure({ mean: { loseAnswers: false } });
    await until('the memory', () => deployments.remembered.length === 1);
    await world.type('bob', '@ephyra approve', world.parents()[0]?.ts);
    await until('the approval', () => deployments.get()?.approval?.by.display === 'bob');
    await until('the thread', () =>
      (world?.replies(world.parents()[0]?.ts ?? '') ?? []).some((one) => one.includes('Approved')),
    );
    expect(slackCalls.filter((call) => call.outcome.includes('scope'))).toEqual([]);
    const used = new Set(slackCalls.filter((call) => call.outcome === 'ok').map((call) => call.method));
    for (const method of ['chat.update', 'conversations.history', 'usergroups.users.list', 'users.info']) {
      expect(used).toContain(method);
    }
  });
});
