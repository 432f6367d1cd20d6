import type { AppConfig, Ephemeral, Json, Message, Person, View } from './model.ts';
import type { Workspace } from './workspace.ts';

export const TEAM = { id: 'T_SANDBOX', domain: 'sandbox', name: 'Sandbox' };

/** A message as the Web API, the events and the interactions show it. */
export function messageJson(workspace: Workspace, app: AppConfig, message: Message): Json {
  const json: Json = { type: 'message', user: message.user, ts: message.ts, text: message.text, team: TEAM.id };
  if (message.byApp) Object.assign(json, { bot_id: app.botId, app_id: app.appId });
  if (message.blocks !== undefined) json['blocks'] = message.blocks;
  if (message.threadTs !== undefined) json['thread_ts'] = message.threadTs;
  if (message.threadTs !== undefined && message.broadcast) json['subtype'] = 'thread_broadcast';
  if (message.edited !== undefined) json['edited'] = message.edited;
  if (message.metadata !== undefined) json['metadata'] = message.metadata;
  if (message.reactions.length > 0) {
    json['reactions'] = message.reactions.map((one) => ({ ...one, count: one.users.length }));
  }
  const replies = workspace.replies(message.channel, message.ts);
  const last = replies.at(-1);
  if (last !== undefined) {
    const users = [...new Set(replies.map((reply) => reply.user))];
    Object.assign(json, {
      thread_ts: message.ts,
      reply_count: replies.length,
      reply_users: users.slice(0, 5),
      reply_users_count: users.length,
      latest_reply: last.ts,
    });
  }
  return json;
}

export function ephemeralJson(ephemeral: Ephemeral): Json {
  const json: Json = {
    type: 'message',
    user: ephemeral.from,
    ts: ephemeral.ts,
    text: ephemeral.text,
    is_ephemeral: true,
  };
  if (ephemeral.blocks !== undefined) json['blocks'] = ephemeral.blocks;
  if (ephemeral.threadTs !== undefined) json['thread_ts'] = ephemeral.threadTs;
  return json;
}

export function userJson(person: Person, app: AppConfig): Json {
  const json: Json = {
    id: person.id,
    team_id: TEAM.id,
    name: person.name,
    deleted: false,
    real_name: person.realName,
    tz: 'Etc/UTC',
    tz_label: 'Coordinated Universal Time',
    tz_offset: 0,
    is_bot: person.isBot,
    is_app_user: false,
    profile: { real_name: person.realName, display_name: person.name, title: person.role },
  };
  if (person.isBot) json['profile'] = { ...(json['profile'] as Json), api_app_id: app.appId, bot_id: app.botId };
  return json;
}

export function viewJson(view: View, app: AppConfig, values: Json = {}): Json {
  return {
    submit: null,
    close: null,
    private_metadata: '',
    callback_id: '',
    external_id: '',
    clear_on_close: false,
    notify_on_close: false,
    ...view.content,
    id: view.id,
    team_id: TEAM.id,
    app_id: app.appId,
    app_installed_team_id: TEAM.id,
    bot_id: app.botId,
    hash: view.hash,
    root_view_id: view.rootId,
    previous_view_id: view.previousId ?? null,
    state: { values },
  };
}
