import { messageJson, viewJson } from './json.ts';
import type { Ephemeral, Json, Message, View } from './model.ts';
import { notifiedBy, plainMessage } from './plain.ts';
import type { Slack } from './slack.ts';

/** A message as the page and the driver get it: as Slack's API shows it, and what a reader needs besides. */
export function shownMessage({ core }: Slack, message: Message): Json {
  return {
    ...messageJson(core.workspace, core.app, message),
    channel: message.channel,
    broadcast: message.broadcast,
    version: message.version,
    plain: plainMessage(core.workspace, message),
    notifies: notifiedBy(message),
  };
}

export function shownEphemeral({ core }: Slack, ephemeral: Ephemeral): Json {
  const { ts, channel, to, from, text, blocks, threadTs, version } = ephemeral;
  const shown: Json = { ts, channel, to, user: from, text, version, is_ephemeral: true };
  if (blocks !== undefined) shown['blocks'] = blocks;
  if (threadTs !== undefined) shown['thread_ts'] = threadTs;
  shown['plain'] = plainMessage(core.workspace, ephemeral);
  return shown;
}

export function shownView({ core }: Slack, view: View): Json {
  return { ...viewJson(view, core.app), errors: view.errors };
}

/** Everything that one person sees; without a person, what everyone sees and the ephemeral messages of all. */
export function shownState(slack: Slack, user?: string): Json {
  const { workspace, app, mean, sockets } = slack.core;
  const channels = [...workspace.channels.values()];
  return {
    app: { name: app.name, botUserId: app.botUserId, commands: app.commands, requestUrl: app.requestUrl },
    connected: sockets.count,
    mean,
    people: [...workspace.people.values()],
    groups: [...workspace.groups.values()],
    channels: channels.map(({ id, name, topic, members }) => ({ id, name, topic, members: [...members] })),
    messages: channels.flatMap(({ id }) => workspace.messages(id).map((one) => shownMessage(slack, one))),
    ephemerals: channels.flatMap(({ id }) => workspace.ephemerals(id, user).map((one) => shownEphemeral(slack, one))),
    views: user === undefined ? [] : workspace.viewsOf(user).map((one) => shownView(slack, one)),
  };
}
