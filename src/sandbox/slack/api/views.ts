import { refusedView } from '../blocks/blocks.ts';
import { isObject } from '../blocks/checks.ts';
import type { Core } from '../core.ts';
import { viewJson } from '../json.ts';
import type { Json, View } from '../model.ts';
import { changeView, openView } from '../views.ts';
import { type Args, type Method, SlackRefusal, writes } from './method.ts';

export const VIEWS: Record<string, Method> = {
  'views.open': writes(null, (core, args) => {
    const content = readView(args);
    const view = openView(core, exchange(core, args), content);
    return { view: viewJson(view, core.app) };
  }),

  'views.push': writes(null, (core, args) => {
    const content = readView(args);
    const user = exchange(core, args);
    const stack = core.workspace.viewsOf(user);
    if (stack.length >= 3) throw new SlackRefusal('push_limit_reached');
    return { view: viewJson(openView(core, user, content, stack.at(-1)), core.app) };
  }),

  'views.update': writes(null, (core, args) => {
    const content = readView(args);
    const view = find(core, args);
    const hash = args.string('hash');
    if (hash !== undefined && hash !== view.hash) throw new SlackRefusal('hash_conflict');
    changeView(core, view, content);
    return { view: viewJson(view, core.app) };
  }),
};

function readView(args: Args): Json {
  const view = args.json('view', 'invalid_arguments');
  const refusal = refusedView(view);
  if (refusal !== undefined || !isObject(view)) throw new SlackRefusal('invalid_arguments', refusal?.messages ?? []);
  return view;
}

function exchange(core: Core, args: Args): string {
  const result = core.triggers.exchange(args.required('trigger_id'));
  if ('error' in result) throw new SlackRefusal(result.error);
  return result.user;
}

function find(core: Core, args: Args): View {
  const id = args.string('view_id');
  const externalId = args.string('external_id');
  const view = [...core.workspace.views.values()].find(
    (one) => one.id === id || (externalId !== undefined && one.content['external_id'] === externalId),
  );
  if (view === undefined) throw new SlackRefusal('not_found');
  return view;
}
