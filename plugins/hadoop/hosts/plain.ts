/**
 * Hosts files of one or more names a line with `#` comments. Lines that do not name our hosts stay as they are, byte
 * for byte.
 */
export function editPlain(content: string, change: { add: readonly string[]; remove: readonly string[] }): string {
  const lines = content.split('\n');
  const remove = new Set(change.remove.map((host) => host.toLowerCase()));
  const kept = lines.flatMap((line) => {
    const { names, comment } = split(line);
    if (!names.some((name) => remove.has(name.toLowerCase()))) return [line];
    const left = names.filter((name) => !remove.has(name.toLowerCase()));
    if (left.length === 0 && comment === '') return [];
    return [[...left, comment].filter((part) => part !== '').join(' ')];
  });
  const present = new Set(kept.flatMap((line) => split(line).names.map((name) => name.toLowerCase())));
  const missing = change.add.filter((host) => !present.has(host.toLowerCase()));
  if (missing.length === 0) return kept.join('\n');
  const body = kept.join('\n');
  const start = body === '' || body.endsWith('\n') ? body : `${body}\n`;
  return `${start}${missing.join('\n')}\n`;
}

/** The names in a plain hosts file. */
export function hostsInPlain(content: string): string[] {
  return content.split('\n').flatMap((line) => split(line).names);
}

function split(line: string): { names: string[]; comment: string } {
  const words = line.split(/[ \t\r\f]+/).filter((word) => word !== '');
  const at = words.findIndex((word) => word.startsWith('#'));
  if (at === -1) return { names: words, comment: '' };
  return { names: words.slice(0, at), comment: line.slice(line.indexOf('#')).trimEnd() };
}
