import { TEAM } from '../json.ts';
import { type Method, reads, SlackRefusal, writes } from './method.ts';

export const TEAM_METHODS: Record<string, Method> = {
  'auth.test': reads(null, ({ app, baseUrl }) => ({
    url: `${baseUrl}/`,
    team: TEAM.name,
    user: app.name,
    team_id: TEAM.id,
    user_id: app.botUserId,
    bot_id: app.botId,
    is_enterprise_install: false,
  })),

  'api.test': reads(null, () => ({})),

  'team.info': reads('team:read', () => ({ team: { ...TEAM, email_domain: '', icon: {} } })),

  'bots.info': reads('users:read', ({ app }, args) => {
    const asked = args.string('bot');
    if (asked !== undefined && asked !== app.botId) throw new SlackRefusal('bot_not_found');
    const bot = {
      id: app.botId,
      deleted: false,
      name: app.name,
      updated: 0,
      app_id: app.appId,
      user_id: app.botUserId,
    };
    return { bot };
  }),

  'apps.connections.open': {
    ...writes('connections:write', ({ sockets, baseUrl }) => ({
      url: `${baseUrl.replace(/^http/, 'ws')}/link/?ticket=${sockets.ticket()}`,
    })),
    token: 'app',
  },

  'reactions.add': writes('reactions:write', ({ workspace, app }, args) => {
    const message = args.message('timestamp');
    const name = args.required('name');
    const reaction = message.reactions.find((one) => one.name === name);
    if (reaction?.users.includes(app.botUserId)) throw new SlackRefusal('already_reacted');
    if (reaction === undefined) message.reactions.push({ name, users: [app.botUserId] });
    else reaction.users.push(app.botUserId);
    workspace.touch(message);
    return {};
  }),

  'reactions.remove': writes('reactions:write', ({ workspace, app }, args) => {
    const message = args.message('timestamp');
    const name = args.required('name');
    const reaction = message.reactions.find((one) => one.name === name);
    if (reaction === undefined || !reaction.users.includes(app.botUserId)) throw new SlackRefusal('no_reaction');
    reaction.users = reaction.users.filter((user) => user !== app.botUserId);
    message.reactions = message.reactions.filter((one) => one.users.length > 0);
    workspace.touch(message);
    return {};
  }),
};
