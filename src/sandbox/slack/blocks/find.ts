import type { Json } from '../model.ts';
import { isObject } from './checks.ts';

const NOT_INTERACTIVE = new Set(['image', 'plain_text', 'mrkdwn', 'rich_text', 'card', 'task_card']);

/** Whether a person can do something with this element, so that it needs an `action_id`. */
export function isInteractive(element: Json): boolean {
  const type = String(element['type'] ?? '');
  return /(button|buttons|select|menu|overflow|picker|input|checkboxes)$/.test(type) && !NOT_INTERACTIVE.has(type);
}

/** An element that can be used, with the block that holds it. */
export interface Found {
  block: Json;
  element: Json;
}

/** All elements that can be used in these blocks, in the order in which they are shown. */
export function interactiveElements(blocks: readonly Json[]): Found[] {
  const found: Found[] = [];
  const visit = (block: Json, holder: Json): void => {
    for (const field of ['accessory', 'element', 'elements', 'actions', 'child_blocks']) {
      for (const one of [holder[field]].flat()) {
        if (!isObject(one)) continue;
        if (isInteractive(one)) found.push({ block, element: one });
        else visit(typeof one['block_id'] === 'string' ? one : block, one);
      }
    }
  };
  for (const block of blocks) visit(block, block);
  return found;
}
