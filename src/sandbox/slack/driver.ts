import type { IncomingMessage, ServerResponse } from 'node:http';
import { isObject } from './blocks/checks.ts';
import { interactiveElements } from './blocks/find.ts';
import { BadRequest, openEvents, parseJson, readBody, sendJson } from './http.ts';
import type { Change, Json, Mean } from './model.ts';
import type { Press } from './people.ts';
import type { Slack } from './slack.ts';
import { shownEphemeral, shownMessage, shownState, shownView } from './state.ts';

/**
 * The driver: a person's hands and eyes as HTTP, for the page and for scripts. All of it is under `/_slack/`,
 * JSON in and out. What a person does answers `{ ok, error? }` once the app has taken it, or has not.
 *
 * GET  state?user=U0ALICE            everything that this person sees
 * GET  events?user=U0ALICE           the same as server-sent events: `state` first, then each change
 * GET  deliveries                    what was handed to the app, with outcomes and latencies
 * GET  calls                         how often the app called each method of the Web API
 * POST type {user, text, channel?, thread_ts?}         a slash command or a message
 * POST press {user, action_id | text, ts?, channel?}   a button; without `ts` the newest message that has it
 * POST press_view {user, view_id, action_id, chosen?}, submit {user, view_id, values}, close {user, view_id}
 * POST mean {...}                    changes how Slack behaves
 * POST app {request_url}             where deliveries go when no socket is open
 * POST disconnect {reason?} | cut {} asks the app's sockets to go, or cuts them
 */
export async function drive(slack: Slack, request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const action = url.pathname.slice('/_slack/'.length);
  const user = url.searchParams.get('user') ?? undefined;
  if (request.method === 'GET') {
    if (action === 'events') streamTo(slack, response, user);
    else if (action === 'state') sendJson(response, 200, shownState(slack, user));
    else if (action === 'deliveries') sendJson(response, 200, { deliveries: slack.core.deliveries.log });
    else if (action === 'calls') sendJson(response, 200, { calls: slack.counts() });
    else sendJson(response, 404, { ok: false, error: `unknown path: ${url.pathname}` });
    return;
  }
  // A form of some other page in the same browser cannot send this type, so it cannot act here.
  if (!(request.headers['content-type'] ?? '').startsWith('application/json')) {
    throw new BadRequest('content-type: must be application/json');
  }
  const body = parseJson(await readBody(request));
  const act = ACTIONS[action];
  if (act === undefined) sendJson(response, 404, { ok: false, error: `unknown path: ${url.pathname}` });
  else sendJson(response, 200, await act(slack, body));
}

const ACTIONS: Record<string, (slack: Slack, body: Json) => Promise<object> | object> = {
  type: ({ people, core }, body) =>
    people.type(
      need(body, 'user'),
      channelOf(core.workspace.channels, body),
      need(body, 'text'),
      maybe(body, 'thread_ts'),
    ),
  press: (slack, body) => press(slack, body),
  press_view: ({ people }, body) =>
    people.pressInView(need(body, 'user'), need(body, 'view_id'), {
      actionId: need(body, 'action_id'),
      ...(isObject(body['chosen']) ? { chosen: body['chosen'] } : {}),
    }),
  submit: ({ people }, body) =>
    people.submit(need(body, 'user'), need(body, 'view_id'), isObject(body['values']) ? body['values'] : {}),
  close: ({ people }, body) => people.close(need(body, 'user'), need(body, 'view_id')),
  mean: (slack, body) => {
    slack.configure({ mean: meanFrom(slack.core.mean, body) });
    return { ok: true, mean: slack.core.mean };
  },
  app: (slack, body) => {
    slack.configure({ requestUrl: maybe(body, 'request_url') ?? null });
    return { ok: true };
  },
  disconnect: ({ core }, body) => {
    const reason = maybe(body, 'reason');
    core.sockets.disconnect(reason === 'warning' || reason === 'link_disabled' ? reason : 'refresh_requested');
    return { ok: true };
  },
  cut: ({ core }) => {
    core.sockets.cut();
    return { ok: true };
  },
};

async function press(slack: Slack, body: Json): Promise<object> {
  const user = need(body, 'user');
  const channel = channelOf(slack.core.workspace.channels, body);
  const actionId = maybe(body, 'action_id');
  const label = maybe(body, 'text');
  if (actionId === undefined && label === undefined)
    throw new BadRequest('action_id: missing; give it, or the text of the button');
  const ts = maybe(body, 'ts');
  const { workspace } = slack.core;
  const seen = [...workspace.messages(channel), ...workspace.ephemerals(channel, user)];
  const shown = seen
    .sort((one, other) => (one.ts < other.ts ? 1 : -1))
    .filter((one) => ts === undefined || one.ts === ts);
  for (const one of shown) {
    const found = interactiveElements(one.blocks ?? []).find(
      ({ element }) =>
        (actionId === undefined || element['action_id'] === actionId) &&
        (label === undefined || labelOf(element) === label),
    );
    if (found === undefined) continue;
    const wanted: Press = { user, channel, ts: one.ts, actionId: String(found.element['action_id']) };
    wanted.blockId = maybe(body, 'block_id') ?? String(found.block['block_id']);
    if (isObject(body['chosen'])) wanted.chosen = body['chosen'];
    return slack.people.press(wanted);
  }
  return { ok: false, error: ts !== undefined && shown.length === 0 ? 'message_not_found' : 'action_not_found' };
}

function labelOf(element: Json): string {
  return isObject(element['text']) ? String(element['text']['text']) : '';
}

function streamTo(slack: Slack, response: ServerResponse, user: string | undefined): void {
  const send = openEvents(response);
  send('state', shownState(slack, user));
  const stop = slack.core.workspace.subscribe((change) => {
    const event = eventFor(slack, change, user);
    if (event !== undefined) send(change.type, event);
  });
  response.on('close', stop);
}

function eventFor(slack: Slack, change: Change, user: string | undefined): object | undefined {
  switch (change.type) {
    case 'message':
      return shownMessage(slack, change.message);
    case 'ephemeral':
      return user === undefined || change.ephemeral.to === user ? shownEphemeral(slack, change.ephemeral) : undefined;
    case 'ephemeral_deleted':
      return user === undefined || change.to === user ? change : undefined;
    case 'views':
      return change.user === user
        ? { views: slack.core.workspace.viewsOf(user).map((one) => shownView(slack, one)) }
        : undefined;
    case 'delivery':
      return change.delivery;
    case 'mean':
      return { mean: slack.core.mean, requestUrl: slack.core.app.requestUrl };
    default:
      return change;
  }
}

// A field is taken when it is one that Slack's behaviour has, with a value of a kind that it may have.
function meanFrom(mean: Mean, body: Json): Partial<Mean> {
  for (const [field, value] of Object.entries(body)) {
    if (!Object.hasOwn(mean, field))
      throw new BadRequest(`${field}: unknown; known are ${Object.keys(mean).join(', ')}`);
    const known = mean[field as keyof Mean];
    const fits = field === 'down' ? ['no', '503', 'hang'].includes(String(value)) : typeof value === typeof known;
    const count = field === 'rateLimitAllSeconds' && (value === null || typeof value === 'number');
    if (!fits && !count) throw new BadRequest(`${field}: "${String(value)}" is not a value that it can have`);
  }
  return body;
}

function need(body: Json, field: string): string {
  const value = maybe(body, field);
  if (value === undefined) throw new BadRequest(`${field}: missing`);
  return value;
}

function maybe(body: Json, field: string): string | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw new BadRequest(`${field}: must be a string`);
  return value;
}

function channelOf(channels: ReadonlyMap<string, unknown>, body: Json): string {
  const [first] = channels.keys();
  return maybe(body, 'channel') ?? first ?? '';
}
