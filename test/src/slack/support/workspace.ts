import { type ListeningSlack, listenSlack, type SlackOptions } from '../../../../src/sandbox/slack/index.ts';
import { type Clock, createSlackFace, type SlackConfig, type SlackFace } from '../../../../src/slack/index.ts';
import { memoryLog } from './fakeClock.ts';
import { FakeDeployments } from './fakeDeployments.ts';

export interface World {
  readonly slack: ListeningSlack;
  readonly face: SlackFace;
  readonly deployments: FakeDeployments;
  readonly log: ReturnType<typeof memoryLog>;
  readonly slackCalls: { method: string; outcome: string }[];
  /** What is in the channel, without replies. */
  parents(): { ts: string; user: string; text: string; words: string }[];
  replies(ts: string): string[];
  /** What only this person sees, by name. */
  whispers(user: string): string[];
  /** The id of a person, by name. */
  id(name: string): string;
  type(user: string, text: string, threadTs?: string): Promise<{ ok: boolean; error?: string }>;
  press(user: string, actionId: string, ts?: string): Promise<{ ok: boolean; error?: string }>;
  close(): Promise<void>;
}

const SPEED = 4;
const START = Date.now();

/** A second takes 250 ms, for the face and for Slack alike: what they agree on stays true, and tests are quick. */
export const fastClock: Clock = {
  now: () => START + (Date.now() - START) * SPEED,
  after(ms, run) {
    const timer = setTimeout(run, ms / SPEED);
    return () => clearTimeout(timer);
  },
};

/** Waits for so long as the fast clock tells it. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms / SPEED));
}

/** The real face, with the real Bolt, against the emulated Slack; only the deployments are made up. */
export async function openWorld(
  mode: 'http' | 'socket',
  options: {
    slack?: SlackOptions;
    config?: Partial<SlackConfig>;
    deployments?: FakeDeployments;
    at?: ListeningSlack;
    /** Operators are a user group instead of one person. */
    rightsByGroup?: boolean;
  } = {},
): Promise<World> {
  const slack = options.at ?? (await listenSlack({ clock: fastClock, ...options.slack }));
  const { botToken, appToken, signingSecret } = slack.slack.core.app;
  const { workspace } = slack.slack.core;
  const [channel = ''] = workspace.channels.keys();
  const [group = ''] = workspace.groups.keys();
  const id = (name: string) => {
    const person = [...workspace.people.values()].find((one) => one.name === name);
    if (person === undefined) throw new Error(`no ${name} in the emulated workspace`);
    return person.id;
  };
  const deployments = options.deployments ?? new FakeDeployments({ now: fastClock.now });
  const log = memoryLog();
  const slackCalls: { method: string; outcome: string }[] = [];
  const face = createSlackFace({
    config: {
      mode,
      channel,
      botToken,
      appToken,
      signingSecret,
      port: 0,
      host: '127.0.0.1',
      apiUrl: `${slack.url}/api/`,
      operators: options.rightsByGroup === true ? { users: [], groups: [group] } : { users: [id('alice')], groups: [] },
      approvers: { users: [], groups: [group] },
      ...options.config,
    },
    deployments,
    log,
    clock: fastClock,
    onSlackCall: ({ method, outcome }) => slackCalls.push({ method, outcome }),
  });
  await face.start();
  if (mode === 'http') slack.slack.configure({ requestUrl: `http://127.0.0.1:${face.port()}/slack/events` });
  const words = (one: { text: string; blocks?: unknown }) => `${one.text}\n${JSON.stringify(one.blocks ?? [])}`;
  return {
    slack,
    face,
    deployments,
    log,
    slackCalls,
    parents: () =>
      workspace
        .messages(channel)
        .filter((one) => one.threadTs === undefined)
        .map((one) => ({ ts: one.ts, user: one.user, text: one.text, words: words(one) })),
    replies: (ts) => workspace.replies(channel, ts).map(words),
    whispers: (user) => workspace.ephemerals(channel, id(user)).map(words),
    id,
    type: (user, text, threadTs) => slack.slack.people.type(id(user), channel, text, threadTs),
    press: async (user, actionId, ts) => {
      const at =
        ts ??
        workspace
          .messages(channel)
          .reverse()
          .find((one) => JSON.stringify(one.blocks ?? []).includes(`"${actionId}"`))?.ts;
      if (at === undefined) return { ok: false, error: 'no_such_button' };
      return slack.slack.people.press({ user: id(user), channel, ts: at, actionId });
    },
    async close() {
      await face.stop();
      await slack.close();
    },
  };
}

/** Looks every 20 ms until it is so. */
export async function until(what: string, isSo: () => boolean, ms = 10_000): Promise<void> {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    if (isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`never came: ${what}`);
}
