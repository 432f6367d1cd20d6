import { distance } from 'fastest-levenshtein';

/**
 * What a person typed → words and options. Pure; never throws. Knows what Slack and phones do to text: entities, smart
 * quotes, `--` turned into a dash, links made of names with a dot, code marks around a copied example.
 */

/** The options that a command understands. */
export type OptionKinds = Readonly<Record<string, 'flag' | 'value'>>;

export interface Words {
  readonly words: readonly string[];
  readonly options: Readonly<Record<string, string | true>>;
}

/** A mistake, told so that the person can mend it. Plain text, not yet escaped. */
export interface Mistake {
  readonly message: string;
  readonly remedy: string;
}

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly mistake: Mistake };

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function mistake(message: string, remedy: string): { readonly ok: false; readonly mistake: Mistake } {
  return { ok: false, mistake: { message, remedy } };
}

/** Text as the person meant it: Slack's escapes undone, one kind of quote, dash and space. */
export function normalise(text: string): string {
  return text
    .replace(/<(?:https?:\/\/|mailto:)[^|>]*\|([^>]*)>/g, '$1')
    .replace(/<(https?:\/\/[^|>]*)>/g, '$1')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&')
    .replace(/\p{Cf}|\uFE0E|\uFE0F/gu, '')
    .replace(/[\u201C\u201D\u201E\u201F\u00AB\u00BB\u2033]/g, '"')
    .replace(/[\u2018\u2019\u201A\u201B\u2032]/g, "'")
    .replace(/^[\s`]+|[\s`]+$/g, '')
    .replace(/\s+/g, ' ');
}

/** First word, in lower case, and the rest. */
export function firstWord(text: string): { readonly word: string; readonly rest: string } {
  const clean = normalise(text);
  const space = clean.indexOf(' ');
  return space < 0
    ? { word: clean.toLowerCase(), rest: '' }
    : { word: clean.slice(0, space).toLowerCase(), rest: clean.slice(space + 1) };
}

const ARROWS = /\s*(?:[-=\u2010-\u2015\u2212]+>|[→⇒⟶➔➜➝➞➡⟹]|:arrow_right:)\s*/gu;
/** A long option: two dashes, or the one long dash that phones make of them. */
const LONG_OPTION = /^(?:--|[\u2013\u2014])([A-Za-z][A-Za-z-]*)(?:=(.*))?$/s;

/** Every spelling of the arrow becomes ` → `, so that it is a word of its own. */
export function unifyArrows(text: string): string {
  return text.replace(ARROWS, ' → ').trim();
}

/**
 * Words and options. Values may follow as the next word or after `=`; double quotes keep spaces together.
 * @param text normalised already
 */
export function split(text: string, kinds: OptionKinds): Parsed<Words> {
  const tokens = tokenise(text);
  const words: string[] = [];
  const options: Record<string, string | true> = {};
  for (let i = 0; i < tokens.length; i += 1) {
    const token = tokens[i];
    if (token === undefined) break;
    const found = token.quoted ? null : LONG_OPTION.exec(token.text);
    if (found === null) {
      words.push(token.text);
      continue;
    }
    const name = (found[1] ?? '').toLowerCase();
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) return unknownOption(name, kinds);
    if (Object.hasOwn(options, name)) return mistake(`--${name} is there twice.`, `Keep one --${name}.`);
    if (kind === 'flag') {
      if (found[2] !== undefined)
        return mistake(`--${name} takes no value, but got "${found[2]}".`, `Write only --${name}.`);
      options[name] = true;
      continue;
    }
    const next = tokens[i + 1];
    const value =
      found[2] ?? (next !== undefined && (next.quoted || !LONG_OPTION.test(next.text)) ? next.text : undefined);
    if (value === undefined || value === '')
      return mistake(`--${name} has no value.`, `Write the value after it: --${name} VALUE.`);
    if (found[2] === undefined) i += 1;
    options[name] = value;
  }
  return parsed({ words, options });
}

function unknownOption(name: string, kinds: OptionKinds): Parsed<never> {
  const known = Object.keys(kinds);
  if (known.length === 0)
    return mistake(`--${name} is not an option here.`, 'This command has no options: leave it out.');
  const near = nearest(name, known);
  const all = known.map((one) => `--${one}`).join(', ');
  return mistake(
    `--${name} is not an option here.`,
    near === undefined ? `Options: ${all}.` : `Did you mean --${near}? Options: ${all}.`,
  );
}

/** An apostrophe is no quote: reasons contain "don't". A quote that is never closed is an ordinary character. */
function tokenise(text: string): { text: string; quoted: boolean }[] {
  const tokens: { text: string; quoted: boolean }[] = [];
  const pattern = /"([^"]*)"|((?:[^\s"]|"(?![^"]*"))+(?:"[^"]*")?)/g;
  for (const found of text.matchAll(pattern)) {
    if (found[1] !== undefined) tokens.push({ text: found[1], quoted: true });
    else if (found[2] !== undefined)
      tokens.push({ text: found[2].replace(/^([^"]*=)"([^"]*)"$/s, '$1$2'), quoted: false });
  }
  return tokens;
}

/** The candidate that a typing mistake away, or nothing: a far-fetched guess helps nobody. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const d = distance(word.toLowerCase(), candidate.toLowerCase());
    if (d < bestDistance) {
      best = candidate;
      bestDistance = d;
    }
  }
  const allowed = Math.max(1, Math.floor(word.length / 2.5));
  return best !== undefined && bestDistance <= allowed ? best : undefined;
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };
/** A lock for longer is a lock that somebody forgets: 30 days. */
const LONGEST = 30 * 86_400_000;

/** `90s`, `30m`, `2h`, `1h30m`, `1d` → milliseconds. */
export function parseDuration(text: string): Parsed<number> {
  const remedy = 'Write a number and a unit, e.g. 30m, 2h, 1h30m or 1d.';
  if (!/^(?:\d{1,6}(?:min|[smhd]))+$/i.test(text)) return mistake(`"${text}" is not a duration.`, remedy);
  let ms = 0;
  for (const [, n, unit] of text.toLowerCase().matchAll(/(\d+)(min|[smhd])/g))
    ms += Number(n) * (UNITS[unit ?? ''] ?? 0);
  if (ms <= 0) return mistake(`"${text}" is no time at all.`, remedy);
  if (ms > LONGEST)
    return mistake(
      `"${text}" is longer than 30 days.`,
      'Take a shorter time, or leave --for out: then it holds until unlocked.',
    );
  return parsed(ms);
}

/** A whole number from 1 on. */
export function parseCount(name: string, text: string): Parsed<number> {
  if (!/^[1-9]\d{0,4}$/.test(text))
    return mistake(`--${name} is "${text}".`, `Write a whole number from 1 on, e.g. --${name} 2.`);
  return parsed(Number(text));
}

/** The configured name that was meant; upper and lower case do not matter, a typo is answered with the nearest. */
export function controlPlane(word: string, known: readonly string[]): Parsed<string> {
  const exact = known.find((name) => name === word) ?? known.find((name) => name.toLowerCase() === word.toLowerCase());
  if (exact !== undefined) return parsed(exact);
  const near = nearest(word, known);
  const all = `Control planes: ${known.join(', ')}.`;
  return mistake(`There is no control plane "${word}".`, near === undefined ? all : `Did you mean ${near}? ${all}`);
}

export interface Route {
  readonly source: string;
  readonly target: string;
}

/**
 * `cp1 → cp2` in any spelling, from words whose arrows were unified.
 * Two names without an arrow are refused: which way is nothing to guess.
 */
export function parseRoute(words: readonly string[], known: readonly string[]): Parsed<Route> {
  const example = `${known[0] ?? 'cp1'}→${known[1] ?? 'cp2'}`;
  const text = words.join(' ');
  if (text === '') return mistake('From where to where is missing.', `Write it like ${example}.`);
  const sides = text.includes('→') ? text.split('→') : text.split(/ to /i);
  if (sides.length < 2) {
    return mistake(`"${text}" does not say which way.`, `Put an arrow between two control planes, like ${example}.`);
  }
  if (sides.length > 2)
    return mistake(`"${text}" has more than one arrow.`, `One deployment goes one way, like ${example}.`);
  const [from = '', to = ''] = sides.map((side) => side.trim());
  if (from === '' || to === '')
    return mistake(`One side of the arrow is missing in "${text}".`, `Write it like ${example}.`);
  const extra = [...from.split(' ').slice(0, -1), ...to.split(' ').slice(1)];
  if (extra.length > 0) return mistake(`I cannot place "${extra.join(' ')}".`, `Write only ${example}, then options.`);
  const source = controlPlane(from, known);
  if (!source.ok) return source;
  const target = controlPlane(to, known);
  if (!target.ok) return target;
  if (source.value === target.value) {
    return mistake(
      `Source and target are both ${source.value}.`,
      `Name two different control planes, like ${example}.`,
    );
  }
  return parsed({ source: source.value, target: target.value });
}
