/**
 * Every OpenStack service wraps what it has to say in another way. Here are all of them unwrapped to one sentence.
 */

const LONGEST = 600;
/** Room for a quoted request of ours (64 KiB of user data, twice); what is longer explains nothing to anybody. */
const LONGEST_READ = 500_000;

/**
 * The service's own words out of the body of an error answer, without the secrets: Ironic's JSON in a JSON string, Nova's
 * `{kind: {message}}`, Keystone's `{error: {message}}`, Placement's `errors[]`, Neutron's `NeutronError`, the HTML of
 * Glance and of proxies. What cannot be read comes back as text, cut short.
 */
export function unwrapMessage(body: string, secrets: readonly string[]): string {
  const text = body.trim();
  if (text === '') return '';
  // Were only its start searched, that might end within a secret, and a part of one is not found: nothing is shown.
  if (text.length > LONGEST_READ) return `an answer of ${text.length} characters`;
  const parsed = parseJson(text);
  // A secret may look like a tag, or be written with entities.
  const said = parsed === undefined ? fromHtml(redact(text, secrets)) : (fromJson(parsed) ?? text);
  // Before anything is joined or cut: what is left of a secret then is not found any more.
  return shorten(collapse(redact(said, secrets)));
}

/** `undefined` when it is not JSON. */
export function parseJson(text: string): unknown {
  // Half of all writes are answered with nothing, which is not worth an error being made and thrown away.
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fromJson(value: unknown): string | null {
  if (typeof value === 'string') {
    const inner = parseJson(value);
    return (typeof inner === 'object' && inner !== null ? fromJson(inner) : null) ?? value;
  }
  if (Array.isArray(value)) return fromJson(value[0]);
  if (!isRecord(value)) return null;
  for (const key of ['faultstring', 'message', 'detail', 'description', 'error_message', 'title']) {
    const said = value[key];
    if (typeof said === 'string' && said.trim() !== '') return fromJson(said);
    if (isRecord(said)) return fromJson(said);
  }
  for (const inner of [value['errors'], ...Object.values(value)]) {
    if (isRecord(inner) || Array.isArray(inner)) {
      const said = fromJson(inner);
      if (said !== null) return said;
    }
  }
  return null;
}

function fromHtml(text: string): string {
  if (!/<[a-z!][^>]*>/i.test(text)) return text;
  return text
    .replace(/<(title|head|style|script)\b[\s\S]*?<\/\1>/gi, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&nbsp;/g, ' ')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&');
}

function collapse(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

function shorten(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** All values of an object are such. */
export function isRecordOf<T>(value: unknown, is: (item: unknown) => item is T): value is Record<string, T> {
  if (!isRecord(value)) return false;
  for (const key in value) if (!is(value[key])) return false;
  return true;
}

export const isText = (value: unknown): value is string => typeof value === 'string';

const SECRET_KEY = /pass|secret|token|credential|private|_key$|^key$|user_data|community/i;

/** Is a field of this name likely to hold a secret? Ironic's own list (password, secret, token) and a little more. */
export function isSecretName(name: string): boolean {
  return SECRET_KEY.test(name);
}

/**
 * The secret values in what we send: services quote the offending request in their errors, and then the quote must
 * not reach a log. Everything under `driver_info` counts, too.
 */
export function secretsIn(body: unknown, underSecret = false): string[] {
  if (typeof body === 'string') return underSecret && body.length >= 4 ? [body] : [];
  if (Array.isArray(body)) return body.flatMap((item) => secretsIn(item, underSecret));
  if (!isRecord(body)) return [];
  const path = body['path'];
  const secretPatch = typeof path === 'string' && (path.startsWith('/driver_info') || isSecretName(path));
  return Object.entries(body).flatMap(([key, value]) =>
    secretsIn(value, underSecret || key === 'driver_info' || isSecretName(key) || (secretPatch && key === 'value')),
  );
}

/** The text with every one of the values replaced. */
function redact(text: string, secrets: readonly string[]): string {
  // A secret may contain another one: the longer one first.
  const longestFirst = [...secrets].sort((one, other) => other.length - one.length);
  return longestFirst.reduce((rest, secret) => (secret === '' ? rest : rest.replaceAll(secret, '[secret]')), text);
}
