import type { ContextBlock, HeaderBlock, MrkdwnElement, SectionBlock } from '@slack/types';
import { clip, plain } from './escape.ts';
import type { SlackMessage } from './types.ts';

/**
 * Block Kit, as far as it is used here. Only blocks that every Slack client has drawn in channel messages for years
 * (header, section, context, actions): the card must be readable on whatever a person holds at night.
 *
 * Limits from Slack's reference: 50 blocks a message, header 150 characters, section text 3000, field 2000, 10 fields,
 * 10 context elements. Slack refuses about 13,000 characters of blocks in all (`msg_blocks_too_long`) without saying so
 * in the reference, so that our own budget stays below it.
 */
export const LIMITS = {
  blocks: 50,
  header: 150,
  section: 3000,
  field: 2000,
  fields: 10,
  text: 3000,
  total: 11_000,
} as const;

/** Verbatim: Slack must not turn outside text into links, channels or mentions by itself. */
export function mrkdwn(text: string, max: number = LIMITS.section): MrkdwnElement {
  return { type: 'mrkdwn', text: text.length <= max ? text : clipLines(text, max), verbatim: true };
}

export function header(text: string): HeaderBlock {
  return { type: 'header', text: { type: 'plain_text', text: plain(text, LIMITS.header), emoji: true } };
}

export function section(text: string): SectionBlock {
  return { type: 'section', text: mrkdwn(text) };
}

/** Two columns of `*Label*` and value. */
export function fields(pairs: readonly (readonly [label: string, value: string])[]): SectionBlock {
  return {
    type: 'section',
    fields: pairs.slice(0, LIMITS.fields).map(([label, value]) => mrkdwn(`*${label}*\n${value}`, LIMITS.field)),
  };
}

export function context(text: string): ContextBlock {
  return { type: 'context', elements: [mrkdwn(text, LIMITS.field)] };
}

/** A message of paragraphs: one section each; the first is what notifications show. */
export function message(...paragraphs: string[]): SlackMessage {
  const kept = paragraphs.filter((paragraph) => paragraph !== '');
  return { text: clipLines(kept[0] ?? '', LIMITS.text), blocks: kept.slice(0, LIMITS.blocks).map(section) };
}

/**
 * As many whole lines as fit, then one that says how many were left out. Lines are never cut in the middle: half an
 * entity or half a mention would show as rubbish, or worse, mean something else.
 */
export function lines(items: readonly string[], max: number, more: (left: number) => string): string {
  const kept: string[] = [];
  let length = 0;
  for (const [index, item] of items.entries()) {
    const rest = items.length - index - 1;
    const reserve = rest > 0 ? more(items.length).length + 1 : 0;
    if (length + item.length + 1 + reserve > max) return [...kept, more(items.length - index)].join('\n');
    kept.push(item);
    length += item.length + 1;
  }
  return kept.join('\n');
}

/** Whole lines while they fit; a single line that is too long is cut before anything that looks like markup. */
function clipLines(text: string, max: number): string {
  if (text.length <= max) return text;
  const cut = text.slice(0, max - 2).replace(/[\uD800-\uDBFF]$/, '');
  const newline = cut.lastIndexOf('\n');
  if (newline > 0) return `${cut.slice(0, newline)}\n…`;
  const open = Math.max(cut.lastIndexOf('<'), cut.lastIndexOf('&'));
  const unfinished = open >= 0 && !/[>;]/.test(cut.slice(open));
  return `${clip(unfinished ? cut.slice(0, open) : cut, max - 2)}…`;
}
