import { isObject } from './blocks/checks.ts';
import type { Json } from './model.ts';
import type { Workspace } from './workspace.ts';

interface Shown {
  text: string;
  blocks?: Json[];
}

/** What a message says, as plain lines: for scripts, and for tests that look at what a person would read. */
export function plainMessage(workspace: Workspace, shown: Shown): string {
  if (shown.blocks === undefined || shown.blocks.length === 0) return plainMrkdwn(workspace, shown.text);
  const lines: string[] = [];
  collect(workspace, shown.blocks, lines);
  return lines.join('\n');
}

/** Slack's mrkdwn with names in place of ids, links as their labels and the three escapes undone; emphasis marks stay. */
export function plainMrkdwn(workspace: Workspace, text: string): string {
  const named = text.replace(/<([^>]*)>/g, (_whole, inner: string) => {
    const [target = '', label] = inner.split('|');
    if (label !== undefined) return label;
    if (target.startsWith('@')) return `@${workspace.people.get(target.slice(1))?.name ?? target.slice(1)}`;
    if (target.startsWith('#')) return `#${workspace.channels.get(target.slice(1))?.name ?? target.slice(1)}`;
    if (target.startsWith('!subteam^')) return `@${workspace.groups.get(target.slice(9))?.handle ?? target.slice(9)}`;
    return target.startsWith('!') ? `@${target.slice(1)}` : target;
  });
  return named.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

/** Whom a message would ring for: `channel`, `here`, `everyone`, ids of people and of user groups. */
export function notifiedBy(shown: Shown): string[] {
  const found = new Set<string>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    if (!isObject(value)) return;
    if (value['type'] === 'mrkdwn') mentions(String(value['text'] ?? '')).forEach((one) => void found.add(one));
    if (value['type'] === 'broadcast') found.add(String(value['range']));
    if (value['type'] === 'user') found.add(String(value['user_id']));
    if (value['type'] === 'usergroup') found.add(String(value['usergroup_id']));
    Object.values(value).forEach(visit);
  };
  for (const one of mentions(shown.text)) found.add(one);
  visit(shown.blocks);
  return [...found].sort();
}

function mentions(text: string): string[] {
  const found = [...text.matchAll(/<(?:!(channel|here|everyone)|@([A-Z0-9_]+)|!subteam\^([A-Z0-9_]+))(?:\|[^>]*)?>/g)];
  return found.map(([, broadcast, user, group]) => broadcast ?? user ?? group ?? '');
}

function collect(workspace: Workspace, value: unknown, lines: string[]): void {
  if (Array.isArray(value)) {
    for (const one of value) collect(workspace, one, lines);
    return;
  }
  if (!isObject(value)) return;
  const type = String(value['type'] ?? '');
  if (type === 'mrkdwn' || type === 'markdown') lines.push(plainMrkdwn(workspace, String(value['text'])));
  else if (['plain_text', 'raw_text', 'raw_number'].includes(type)) lines.push(String(value['text']));
  else if (type === 'button') lines.push(`[${isObject(value['text']) ? String(value['text']['text']) : ''}]`);
  else if (type === 'divider') lines.push('--');
  else if (type.startsWith('rich_text_')) lines.push(inlineText(workspace, value['elements']));
  else if (type === 'task_card') lines.push(`${String(value['status'] ?? 'pending')}: ${String(value['title'])}`);
  else {
    if (typeof value['title'] === 'string') lines.push(value['title']);
    for (const field of [
      'title',
      'subtitle',
      'text',
      'body',
      'fields',
      'rows',
      'elements',
      'child_blocks',
      'tasks',
      'accessory',
      'actions',
    ]) {
      collect(workspace, value[field], lines);
    }
  }
}

function inlineText(workspace: Workspace, elements: unknown): string {
  const parts = Array.isArray(elements) ? elements.filter(isObject) : [];
  return parts
    .map((one) => {
      if (Array.isArray(one['elements'])) return `${inlineText(workspace, one['elements'])}\n`;
      if (one['type'] === 'user')
        return `@${workspace.people.get(String(one['user_id']))?.name ?? String(one['user_id'])}`;
      if (one['type'] === 'emoji') return `:${String(one['name'])}:`;
      return String(one['text'] ?? one['url'] ?? '');
    })
    .join('')
    .trimEnd();
}
