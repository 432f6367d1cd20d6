import { h } from './dom.js';
import { EMOJI } from './emoji.js';

/**
 * Slack's mrkdwn as nodes. `names` tells what ids mean: `{ person(id), group(id), channel(id), me }`.
 * Text is text: what is not mrkdwn cannot become an element.
 */
export function mrkdwn(text, names) {
  const nodes = [];
  for (const [index, part] of text.split('```').entries()) {
    if (index % 2 === 1)
      nodes.push(h('pre.code-block', {}, plainTokens(part.replace(/^\n/, '').replace(/\n$/, ''), names)));
    else nodes.push(...lines(part, names));
  }
  return nodes;
}

function lines(text, names) {
  const nodes = [];
  let quoted = [];
  const flush = () => {
    if (quoted.length > 0) nodes.push(h('blockquote', {}, quoted));
    quoted = [];
  };
  const all = text.split('\n');
  all.forEach((line, index) => {
    const quote = /^(?:&gt;|>)\s?(.*)$/.exec(line);
    if (quote) {
      if (quoted.length > 0) quoted.push(h('br'));
      quoted.push(...inline(quote[1], names));
      return;
    }
    const afterQuote = quoted.length > 0;
    flush();
    if (index > 0 && !afterQuote) nodes.push(h('br'));
    nodes.push(...inline(line, names));
  });
  flush();
  return nodes;
}

const MARKS = { '*': 'strong', _: 'em', '~': 's' };

/** One line of mrkdwn. */
export function inline(text, names) {
  const nodes = [];
  let plain = '';
  const flush = () => {
    if (plain !== '') nodes.push(...linked(unescapeText(plain)));
    plain = '';
  };
  const take = (node) => {
    flush();
    nodes.push(node);
  };
  for (let at = 0; at < text.length; ) {
    const rest = text.slice(at);
    const code = rest[0] === '`' && /^`([^`]+)`/.exec(rest);
    const token = rest[0] === '<' && /^<([^<>]+)>/.exec(rest);
    const emoji = rest[0] === ':' && /^:([a-z0-9_+'-]+):/.exec(rest);
    const mark = rest[0] in MARKS && !/\w/.test(text[at - 1] ?? ' ') && marked(rest);
    if (code) take(h('code', {}, plainTokens(code[1], names)));
    else if (token) take(reference(token[1], names));
    else if (emoji && Object.hasOwn(EMOJI, emoji[1])) take(emojiNode(emoji[1]));
    else if (mark) take(h(MARKS[rest[0]], {}, inline(mark[1], names)));
    else {
      plain += rest[0];
      at += 1;
      continue;
    }
    at += (code || token || emoji || mark)[0].length;
  }
  flush();
  return nodes;
}

function marked(rest) {
  const sign = rest[0] === '*' ? '\\*' : rest[0];
  return new RegExp(`^${sign}([^\\s${sign}](?:[^${sign}\\n]*[^\\s${sign}])?)${sign}(?!\\w)`).exec(rest);
}

export function emojiNode(name) {
  return h(
    'span.emoji',
    { role: 'img', 'aria-label': name.replaceAll('_', ' '), title: `:${name}:` },
    EMOJI[name] ?? `:${name}:`,
  );
}

/** Plain text in which only emoji shortcodes mean something. */
export function withEmoji(text) {
  return String(text)
    .split(/(:[a-z0-9_+'-]+:)/)
    .map((part) => {
      const name = part.slice(1, -1);
      return part.startsWith(':') && Object.hasOwn(EMOJI, name) ? emojiNode(name) : part;
    });
}

/** What stands between angle brackets: a mention, a channel, a date or a link. */
function reference(token, names) {
  const bar = token.indexOf('|');
  const target = bar < 0 ? token : token.slice(0, bar);
  const label = bar < 0 ? undefined : unescapeText(token.slice(bar + 1));
  if (target.startsWith('@'))
    return mention(`@${names.person(target.slice(1)) ?? label ?? target.slice(1)}`, target.slice(1) === names.me);
  if (target.startsWith('#'))
    return h('span.mention', {}, `#${names.channel(target.slice(1)) ?? label ?? target.slice(1)}`);
  if (target.startsWith('!subteam^')) return mention(`@${names.group(target.slice(9)) ?? label ?? 'group'}`, false);
  if (target.startsWith('!date^')) return h('time', {}, formatDate(target, label));
  if (target.startsWith('!')) return mention(`@${target.slice(1).split('^')[0]}`, true);
  return link(unescapeText(target), label);
}

export function mention(text, loud) {
  return h(loud ? 'span.mention.loud' : 'span.mention', {}, text);
}

export function link(target, label) {
  const safe = /^(https?:|mailto:|\/)/.test(target);
  if (!safe) return h('span', {}, label ?? target);
  return h('a', { href: target, target: '_blank', rel: 'noreferrer noopener' }, label ?? target);
}

// Addresses that are written out are links, too.
function linked(text) {
  return text
    .split(/(https?:\/\/[^\s<>"')\]]+)/)
    .filter((part) => part !== '')
    .map((part) => (/^https?:\/\//.test(part) ? link(part) : part));
}

function plainTokens(text, names) {
  return unescapeText(text.replace(/<([^<>]+)>/g, (_whole, token) => reference(token, names).textContent ?? ''));
}

export function unescapeText(text) {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

function formatDate(target, label) {
  const [, seconds, format = ''] = target.split('^');
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return label ?? '';
  const time = (options) => new Intl.DateTimeFormat(undefined, options).format(date);
  const known = {
    date_num: () => date.toISOString().slice(0, 10),
    date: () => time({ dateStyle: 'long' }),
    date_short: () => time({ dateStyle: 'medium' }),
    date_long: () => time({ dateStyle: 'full' }),
    date_pretty: () => (date.toDateString() === new Date().toDateString() ? 'today' : time({ dateStyle: 'long' })),
    date_short_pretty: () =>
      date.toDateString() === new Date().toDateString() ? 'today' : time({ dateStyle: 'medium' }),
    date_long_pretty: () => (date.toDateString() === new Date().toDateString() ? 'today' : time({ dateStyle: 'full' })),
    time: () => time({ hour: '2-digit', minute: '2-digit' }),
    time_secs: () => time({ hour: '2-digit', minute: '2-digit', second: '2-digit' }),
    ago: () => ago(date),
  };
  return format.replace(/\{(\w+)\}/g, (whole, name) => known[name]?.() ?? whole);
}

function ago(date) {
  const minutes = Math.round((date.getTime() - Date.now()) / 60_000);
  return new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' }).format(minutes, 'minute');
}
