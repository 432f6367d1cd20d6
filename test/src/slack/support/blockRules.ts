import type { SlackMessage } from '../../../../src/slack/types.ts';

/**
 * Slack's limits for the blocks that this face uses, as docs.slack.dev states them, and the rules of our own: every
 * text is safe to show. Answers what is wrong; empty when Slack would take the message and nothing is smuggled.
 */
export function problemsOf(message: SlackMessage): string[] {
  const problems: string[] = [];
  const check = (ok: boolean, what: string) => {
    if (!ok) problems.push(what);
  };
  check(message.text.length > 0 && message.text.length <= 4000, `text has ${message.text.length} characters`);
  check(message.blocks.length > 0 && message.blocks.length <= 50, `${message.blocks.length} blocks`);
  check(JSON.stringify(message.blocks).length <= 16_000, `${JSON.stringify(message.blocks).length} characters of JSON`);
  const ids = message.blocks.flatMap((block) => (block.block_id === undefined ? [] : [block.block_id]));
  check(new Set(ids).size === ids.length, 'block_id twice');
  check(
    ids.every((id) => id.length <= 255),
    'block_id too long',
  );
  problems.push(...smuggled(message.text).map((what) => `text: ${what}`));
  let total = 0;
  const text = (value: unknown, max: number, where: string) => {
    const { type, text: words, verbatim } = value as { type: string; text: string; verbatim?: boolean };
    total += words.length;
    check(words.length >= 1 && words.length <= max, `${where} has ${words.length} of ${max} characters`);
    check(!/\p{Cs}/u.test(words), `${where} has a lone surrogate`);
    if (type !== 'mrkdwn') return;
    check(verbatim === true, `${where} is not verbatim`);
    problems.push(...smuggled(words).map((what) => `${where}: ${what}`));
  };
  for (const [i, block] of message.blocks.entries()) {
    const where = `block ${i} (${block.type})`;
    switch (block.type) {
      case 'header':
        check(block.text.type === 'plain_text', `${where} must be plain text`);
        text(block.text, 150, where);
        break;
      case 'section':
        check(block.text !== undefined || block.fields !== undefined, `${where} is empty`);
        if (block.text !== undefined) text(block.text, 3000, where);
        check((block.fields ?? []).length <= 10, `${where} has too many fields`);
        for (const field of block.fields ?? []) text(field, 2000, `${where} field`);
        break;
      case 'context':
        check(block.elements.length >= 1 && block.elements.length <= 10, `${where} elements`);
        for (const element of block.elements) if (element.type !== 'image') text(element, 3000, where);
        break;
      case 'actions':
        check(block.elements.length >= 1 && block.elements.length <= 25, `${where} elements`);
        for (const element of block.elements) {
          if (element.type !== 'button') {
            problems.push(`${where}: ${element.type}`);
            continue;
          }
          text(element.text, 75, `${where} label`);
          check((element.value ?? '').length <= 2000, `${where} value`);
          check((element.action_id ?? '').length <= 255, `${where} action_id`);
          if (element.confirm === undefined) continue;
          text(element.confirm.text, 300, `${where} confirm`);
          if (element.confirm.title !== undefined) text(element.confirm.title, 100, `${where} confirm title`);
          if (element.confirm.confirm !== undefined) text(element.confirm.confirm, 30, `${where} confirm yes`);
          if (element.confirm.deny !== undefined) text(element.confirm.deny, 30, `${where} confirm no`);
        }
        break;
      default:
        problems.push(`${where}: not a block that every client draws`);
    }
  }
  check(total + 125 * message.blocks.length <= 13_000, `${total} characters of text in all`);
  return problems;
}

const OURS = /^<(?:@[UW][A-Z0-9]+|#C[A-Z0-9]+|!date\^\d+\^[a-z{}_ ]+\|[0-9: UTC-]+)>$/;

/** Markup that only outside text can have brought in: everything of our own is of a few known forms. */
export function smuggled(mrkdwn: string): string[] {
  const found: string[] = [];
  const rest = mrkdwn.replace(/<[^<>]*>/g, (token) => {
    if (!OURS.test(token)) found.push(`markup ${token}`);
    return '';
  });
  if (/[<>]/.test(rest)) found.push('a bare angle bracket');
  if (/&(?!(?:amp|lt|gt);)/.test(rest)) found.push('a bare ampersand');
  if (((rest.match(/`/g) ?? []).length & 1) === 1) found.push('an odd number of backticks');
  if (/@(?:channel|here|everyone)/i.test(rest)) found.push('a broadcast mention');
  if (/[\u202A-\u202E\u2066-\u2069]/.test(rest)) found.push('a direction override');
  return found;
}

/** Text that tries everything: markup, formatting, control characters, length. */
export const NASTY = [
  '<!channel> <!here> <!subteam^S123|@ops>',
  '<https://evil.example|click here> https://evil.example',
  '```` ``` ` *bold* _it_ ~no~ > quote',
  '&lt;!channel&gt; &amp;amp; &',
  '@channel @here @everyone',
  'line\nbreak\r\nand\u2028more\u0000\u0007\u202Eright to left',
  '\uD800 lone \uDFFF surrogates 🧨👩‍🚀',
  '<'.repeat(500),
  '&'.repeat(3000),
  '`*_~<>&'.repeat(200),
  '',
];
