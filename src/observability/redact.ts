/** What stands where a secret was. */
export const HIDDEN = '[secret]';

/** Words that make a key secret, whatever its spelling: camelCase, snake_case, kebab-case. */
const SECRET_WORDS = new Set([
  'password',
  'passwords',
  'passwd',
  'passphrase',
  'pwd',
  'secret',
  'secrets',
  'token',
  'tokens',
  'authorization',
  'cookie',
  'credential',
  'credentials',
  'community',
]);
const SECRET_PAIRS = new Set(['privatekey', 'apikey', 'accesskey', 'userdata', 'adminpass', 'slacksignature']);
/** A key that ends so says where a secret is, or something about it, and not the secret. */
const ABOUT_WORDS = new Set(['file', 'path', 'env', 'name', 'type', 'count', 'expires', 'source', 'masked']);

/** Whether values under this key are hidden. */
export function isSecretKey(key: string): boolean {
  const words = key
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  const last = words.at(-1);
  if (last !== undefined && words.length > 1 && ABOUT_WORDS.has(last)) return false;
  return words.some((word, index) => SECRET_WORDS.has(word) || SECRET_PAIRS.has(`${word}${words[index + 1] ?? ''}`));
}

/**
 * Secrets that give themselves away inside texts: Slack's tokens, bearer tokens, Keystone's Fernet tokens, user info in
 * addresses, and JSON or form fields with a secret key, as they occur in quoted requests and answers.
 */
const SECRET_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/\bxox[a-z]-[\w-]+|\bxapp-[\w-]+|\bxoxe\.[\w.-]+/g, HIDDEN],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${HIDDEN}`],
  [/\bgAAAAA[\w-]{20,}=*/g, HIDDEN],
  [/(:\/\/[^/\s:@]*:)[^/\s@]+@/g, `$1${HIDDEN}@`],
  [
    /((?:\\?["'])?\b[\w-]{0,40}(?:password|passwd|passphrase|secret|token)\b(?:\\?["'])?\s*[:=]\s*)(\\?["'])(?:(?!\2)[^\\]|\\(?!\2).)*?\2/gi,
    `$1$2${HIDDEN}$2`,
  ],
  [/([?&][\w-]{0,40}(?:password|secret|token)=)[^&\s"']+/gi, `$1${HIDDEN}`],
];

/** Secrets shorter than this are hidden by their key alone: replaced in texts, they would leave nothing readable. */
const SHORTEST = 4;

/** Hides secrets in anything that is about to be shown: by key, by known value, by looks. */
export class Redactor {
  readonly #values: string[] = [];

  /** Makes values known: they are hidden wherever they occur from now on, also in base64 and percent encoding. */
  register(values: Iterable<string>): void {
    for (const value of values) {
      if (value.length < SHORTEST) continue;
      const forms = [value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1), toBase64(value)];
      for (const form of forms) if (!this.#values.includes(form)) this.#values.push(form);
    }
    // A secret may contain another one: the longer one first.
    this.#values.sort((a, b) => b.length - a.length);
  }

  text(text: string): string {
    let clean = text;
    for (const value of this.#values) if (clean.includes(value)) clean = clean.replaceAll(value, HIDDEN);
    for (const [pattern, replacement] of SECRET_TEXTS) clean = clean.replace(pattern, replacement);
    return clean;
  }

  /** A copy of plain data without secrets. Keys are left, so that one sees that there was something. */
  data(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.data(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [
        this.text(key),
        isSecretKey(key) && hasContent(inner) ? HIDDEN : this.data(inner),
      ]),
    );
  }
}

/** Null, true and false under a secret key say whether there is one, and are worth seeing. */
function hasContent(value: unknown): boolean {
  return value !== null && value !== undefined && typeof value !== 'boolean' && value !== '';
}

function toBase64(text: string): string {
  return Buffer.from(text).toString('base64');
}
