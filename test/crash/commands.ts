import { readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import type { CommandAnswer } from '../../src/sandbox/hadoop/commands.ts';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';

/** Hands its arguments to the server below and ends as that says. A hundredth of the time that a Node.js process takes. */
const script = (program: string, port: number) => `#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/${port} || exit 255
printf '%s\\n' '${program}' "$@" '' >&3
read -r code <&3
while IFS= read -r line <&3; do printf '%s\\n' "$line"; done
exit "$code"
`;

export interface Commands {
  readonly yarn: string;
  readonly hdfs: string;
  close(): void;
}

/** The commands `yarn` and `hdfs` of the emulated Hadoop, quick to start. */
export async function installCommands(sandbox: Sandbox, folder: string): Promise<Commands> {
  const files = { yarnExclude: sandbox.hadoopFiles.yarnExclude, dfsHosts: sandbox.hadoopFiles.dfsHosts };
  const run = (program: string, argv: readonly string[]): CommandAnswer => {
    const read = Object.entries(files).map(([key, path]) => [
      key,
      { name: basename(path), content: readFileSync(path, 'utf8') },
    ]);
    const body = JSON.stringify({ program, argv, files: Object.fromEntries(read) });
    const answer = sandbox.hadoop.handle({ to: 'admin', method: 'POST', url: '/command', body });
    if ('silent' in answer) return { exitCode: 255, stdout: '', stderr: 'no answer' };
    return JSON.parse(answer.body) as CommandAnswer;
  };
  const server = createServer((socket) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', () => undefined);
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (!text.endsWith('\n\n')) return;
      const [program = '', ...argv] = text.trimEnd().split('\n');
      const { exitCode, stdout, stderr } = run(program, argv);
      socket.end(`${exitCode}\n${stdout}${stderr === '' ? '' : `\n${stderr}`}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const paths = { yarn: join(folder, 'yarn'), hdfs: join(folder, 'hdfs') };
  for (const [program, path] of Object.entries(paths)) {
    await writeFile(path, script(program, port));
    await chmod(path, 0o755);
  }
  return { ...paths, close: () => void server.close() };
}
