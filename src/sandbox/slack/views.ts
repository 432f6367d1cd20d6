import { isObject } from './blocks/checks.ts';
import type { Core } from './core.ts';
import type { Json, View } from './model.ts';

/** Puts a modal in front of a person, on top of `previous` when that is given. */
export function openView(core: Core, user: string, content: Json, previous?: View): View {
  const id = core.newId('V');
  const view: View = {
    id,
    user,
    hash: core.newId('hash-'),
    rootId: previous?.rootId ?? id,
    content: withBlockIds(core, content),
    errors: {},
  };
  if (previous !== undefined) view.previousId = previous.id;
  core.workspace.views.set(id, view);
  core.workspace.tell({ type: 'views', user });
  return view;
}

export function changeView(core: Core, view: View, content: Json): void {
  view.content = withBlockIds(core, content);
  view.hash = core.newId('hash-');
  view.errors = {};
  core.workspace.tell({ type: 'views', user: view.user });
}

/** Takes a modal away; with `all`, the whole stack that it belongs to. */
export function dropView(core: Core, view: View, all: boolean): void {
  for (const one of core.workspace.viewsOf(view.user)) {
    if (one.id === view.id || (all && one.rootId === view.rootId)) core.workspace.views.delete(one.id);
  }
  core.workspace.tell({ type: 'views', user: view.user });
}

function withBlockIds(core: Core, content: Json): Json {
  const blocks = Array.isArray(content['blocks']) ? content['blocks'].filter(isObject) : [];
  return { ...content, blocks: core.workspace.withIds(blocks) };
}
