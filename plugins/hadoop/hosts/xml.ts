import { HostsFileError } from './error.ts';

const EMPTY = '<?xml version="1.0"?>\n<hosts>\n</hosts>\n';
const COMMENT = /<!--[\s\S]*?-->/g;

/**
 * YARN's exclude file as XML: `<hosts><host><name>a, b</name><timeout>60</timeout></host></hosts>`. Elements that do
 * not name our hosts, comments and layout stay as they are. Throws {@link HostsFileError} when it is not of that form.
 */
export function editXml(
  content: string,
  change: { add: readonly string[]; remove: readonly string[]; timeoutSec: number | null },
): string {
  const source = content.trim() === '' ? EMPTY : content.replace(/<hosts\s*\/>/, '<hosts>\n</hosts>');
  const masked = source.replaceAll(COMMENT, (comment) => ' '.repeat(comment.length));
  const end = masked.lastIndexOf('</hosts>');
  if (end === -1 || masked.indexOf('<hosts>') === -1) throw new HostsFileError('there is no <hosts> element in it');

  const remove = new Set(change.remove.map((host) => host.toLowerCase()));
  const edits: { from: number; to: number; text: string }[] = [];
  const present = new Set<string>();
  for (const match of masked.matchAll(/[ \t]*<host>([\s\S]*?)<\/host>[ \t]*\r?\n?/g)) {
    const name = /<name>([\s\S]*?)<\/name>/.exec(match[0]);
    if (!name) throw new HostsFileError('a <host> in it has no <name>');
    const names = (name[1] ?? '')
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    const left = names.filter((one) => !remove.has(one.toLowerCase()));
    for (const one of left) present.add(one.toLowerCase());
    if (left.length === names.length) continue;
    if (left.length === 0) edits.push({ from: match.index, to: match.index + match[0].length, text: '' });
    else {
      const from = match.index + name.index + '<name>'.length;
      edits.push({ from, to: from + (name[1] ?? '').length, text: left.join(', ') });
    }
  }
  const missing = change.add.filter((host) => !present.has(host.toLowerCase()));
  if (missing.length > 0) {
    const timeout = change.timeoutSec === null ? '' : `<timeout>${change.timeoutSec}</timeout>`;
    const text = missing.map((host) => `  <host><name>${host}</name>${timeout}</host>\n`).join('');
    edits.push({ from: end, to: end, text });
  }
  let result = source;
  for (const edit of edits.sort((a, b) => b.from - a.from)) {
    result = result.slice(0, edit.from) + edit.text + result.slice(edit.to);
  }
  return result === EMPTY && content.trim() === '' ? content : result;
}

/** The names in an XML exclude file. */
export function hostsInXml(content: string): string[] {
  return [...content.replaceAll(COMMENT, '').matchAll(/<name>([\s\S]*?)<\/name>/g)]
    .flatMap((match) => (match[1] ?? '').split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
