import type { Core } from '../core.ts';
import { TEAM, userJson } from '../json.ts';
import type { Json, UserGroup } from '../model.ts';
import { type Method, page, reads, SlackRefusal } from './method.ts';

export const PEOPLE: Record<string, Method> = {
  'users.info': reads('users:read', (core, args) => ({ user: userJson(args.person(), core.app) })),

  'users.list': reads('users:read', (core, args) => {
    const { items, next } = page([...core.workspace.people.values()], args, 200);
    return { members: items.map((one) => userJson(one, core.app)), response_metadata: { next_cursor: next } };
  }),

  'usergroups.list': reads('usergroups:read', (core, args) => ({
    usergroups: [...core.workspace.groups.values()].map((one) => groupJson(one, args.flag('include_users'))),
  })),

  'usergroups.users.list': reads('usergroups:read', (core, args) => ({
    users: [...group(core, args.required('usergroup')).users],
  })),
};

function group(core: Core, id: string): UserGroup {
  const found = core.workspace.groups.get(id);
  if (found === undefined) throw new SlackRefusal('no_such_subteam');
  return found;
}

function groupJson(one: UserGroup, withUsers: boolean): Json {
  const json: Json = {
    id: one.id,
    team_id: TEAM.id,
    is_usergroup: true,
    name: one.name,
    handle: one.handle,
    date_delete: 0,
    user_count: one.users.length,
  };
  if (withUsers) json['users'] = [...one.users];
  return json;
}
