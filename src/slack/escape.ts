/**
 * Everything that did not come from our own source code (names, reasons, error messages, what a person typed) goes
 * through {@link safe} before it is put into mrkdwn. There is no second way.
 *
 * Entities alone are not enough: mrkdwn has no escape for its own formatting characters, so an outside `*` or backtick
 * could close ours. They are replaced by look-alikes that mean nothing to Slack.
 */

const ELLIPSIS = '…';

/**
 * Outside text, made safe for mrkdwn, on one line.
 * @param max code points kept, the ellipsis included
 */
export function safe(text: unknown, max = 300): string {
  return (
    clip(oneLine(text), max)
      .replace(/`/g, "'")
      .replace(/\*/g, '∗')
      .replace(/~/g, '∼')
      // Inside a word (`node_01`) an underscore formats nothing, and names must survive being copied.
      .replace(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, 'ˍ')
      .replace(/@(?=channel|here|everyone|group)/gi, '@\u2060')
      .replace(/&/g, '&amp;')
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
  );
}

/** Outside text in a code span: nothing in it can close the span. */
export function code(text: unknown, max = 200): string {
  const inner = safe(text, max);
  return inner === '' ? '' : `\`${inner}\``;
}

/** Outside text for `plain_text` objects, in which Slack parses nothing. */
export function plain(text: unknown, max = 150): string {
  return clip(oneLine(text), max);
}

/** At most `max` code points; what is cut off is marked. */
export function clip(text: string, max: number): string {
  const points = [...text];
  return points.length <= max ? text : `${points.slice(0, Math.max(0, max - 1)).join('')}${ELLIPSIS}`;
}

/** Control, direction and invisible characters could reorder or hide what people read; lone surrogates break JSON. */
function oneLine(text: unknown): string {
  return String(text)
    .replace(/\p{Cs}/gu, '\uFFFD')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
    .replace(/\p{Cf}/gu, '')
    .replace(/\s+/g, ' ')
    .trim();
}
