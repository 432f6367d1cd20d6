import { type CallCount, WebApi } from './api/webApi.ts';
import { countingIds, systemClock } from './clock.ts';
import type { Core } from './core.ts';
import { Deliveries, type PostToApp } from './deliveries.ts';
import { type AppConfig, type Clock, KIND, type Mean, type NewId, type RateLimit } from './model.ts';
import { People } from './people.ts';
import { postToLoopback } from './post.ts';
import { ResponseUrls } from './responses.ts';
import { Sockets } from './sockets.ts';
import { Triggers } from './triggers.ts';
import { Workspace } from './workspace.ts';

export interface SlackOptions {
  clock?: Clock;
  newId?: NewId;
  /** How the app is reached over HTTP; by default a real POST, to loopback addresses only. */
  post?: PostToApp;
  app?: Partial<AppConfig>;
  mean?: Partial<Mean>;
  /** For chat.postMessage, chat.update and the like, per method and channel; about one a second with short bursts. */
  rateLimit?: RateLimit;
  /** The address under which the app reaches the emulator; set by `listenSlack`. */
  baseUrl?: string;
}

/** The emulator without any network of its own: the HTTP and WebSocket layers and the page talk to this. */
export interface Slack {
  readonly core: Core;
  readonly api: WebApi;
  readonly people: People;
  /** Changes how Slack behaves and which address the app has; tells whoever watches. */
  configure(change: { mean?: Partial<Mean>; requestUrl?: string | null }): void;
  counts(): CallCount[];
}

export const SANDBOX_APP: AppConfig = {
  appId: 'A0EPHYRA',
  name: 'ephyra',
  botUserId: 'U0EPHYRA',
  botId: 'B0EPHYRA',
  botToken: 'xoxb-sandbox',
  appToken: 'xapp-sandbox',
  signingSecret: 'sandbox-signing-secret',
  requestUrl: null,
  events: ['app_mention'],
  scopes: null,
  commands: [
    {
      command: '/ephyra',
      description: 'Move bare-metal nodes between control planes',
      usageHint: 'deploy cp1→cp2 | status | list | approve | stop | abort | lock | unlock | help',
      examples: [
        { text: 'deploy cp1→cp2', about: 'Move the nodes from cp1 to cp2' },
        { text: 'status', about: 'What is going on now' },
        { text: 'list', about: 'Deployments, the newest first' },
        { text: 'approve', about: 'Let the waiting deployment begin' },
        { text: 'stop', about: 'Finish the nodes in flight, start no more' },
        { text: 'abort', about: 'Stop, and take every moved node back' },
        { text: 'lock on-call incident', about: 'No deployments until it is lifted' },
        { text: 'unlock', about: 'Lift your lock' },
        { text: 'help', about: 'All commands' },
      ],
    },
  ],
};

export function createSlack(options: SlackOptions = {}): Slack {
  const clock = options.clock ?? systemClock();
  const newId = options.newId ?? countingIds();
  const app: AppConfig = { ...SANDBOX_APP, ...options.app };
  const mean: Mean = { ...KIND, ...options.mean };
  const workspace = new Workspace(clock, newId);
  settle(workspace, app);
  const sockets = new Sockets(clock, newId, app.appId, (connected) => workspace.tell({ type: 'app', connected }));
  const tell = (delivery: Deliveries['log'][number]) => workspace.tell({ type: 'delivery', delivery });
  const core: Core = {
    clock,
    newId,
    app,
    mean,
    workspace,
    sockets,
    deliveries: new Deliveries({ clock, newId, app, mean, sockets, post: options.post ?? postToLoopback, tell }),
    responses: new ResponseUrls(clock, newId, workspace, app),
    triggers: new Triggers(clock, newId),
    baseUrl: options.baseUrl ?? 'http://127.0.0.1',
  };
  const api = new WebApi(core, options.rateLimit ?? { burst: 4, perSecond: 1 });
  return {
    core,
    api,
    people: new People(core),
    configure(change) {
      Object.assign(mean, change.mean);
      if (change.requestUrl !== undefined) app.requestUrl = change.requestUrl;
      workspace.tell({ type: 'mean' });
    },
    counts: () => api.counts(),
  };
}

function settle(workspace: Workspace, app: AppConfig): void {
  const people = [
    { id: 'U0ALICE', name: 'alice', realName: 'Alice Marin', role: 'requester', isBot: false },
    { id: 'U0BOB', name: 'bob', realName: 'Bob Okafor', role: 'approver', isBot: false },
    { id: 'U0EVE', name: 'eve', realName: 'Eve Lindqvist', role: 'no rights', isBot: false },
    { id: app.botUserId, name: app.name, realName: 'Ephyra', role: 'app', isBot: true },
    { id: 'USLACKBOT', name: 'slackbot', realName: 'Slackbot', role: 'Slack', isBot: true },
  ];
  for (const person of people) workspace.people.set(person.id, person);
  const group = { id: 'S0OPERATIONS', handle: 'ops', name: 'Operations', users: ['U0ALICE', 'U0BOB'] };
  workspace.groups.set(group.id, group);
  const members = people.map((person) => person.id).filter((id) => id !== 'USLACKBOT');
  const topic = 'Hadoop on bare metal · deployments of the control plane';
  workspace.channels.set('C0OPSHADOOP', { id: 'C0OPSHADOOP', name: 'ops-hadoop', topic, members: new Set(members) });
}
