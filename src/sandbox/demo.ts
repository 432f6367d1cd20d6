import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runAuto } from './auto.ts';
import { WATCHABLE, writeConfiguration } from './configuration.ts';
import { EphyraProcess } from './process.ts';
import { startSandbox } from './sandbox.ts';
import { SCENARIOS, scenarioCalled } from './scenarios.ts';

const USAGE = `npm run demo                        the sandbox and Ephyra, with a page to play on
npm run demo -- --auto              the same with no hands: a story told in the terminal, exit code 0 when it went well

Options:
  --nodes N           nodes in cp1, of which two are masters (default 12)
  --port N            of the page (default 8900; 0 = any free one)
  --scenario NAME     something goes wrong from the start
  --keep              leave the working folder when it ends
  --help              this text

Scenarios (also on the page, under "Faults"):
${SCENARIOS.map(({ name, description }) => `  ${name.padEnd(18)}${description}`).join('\n')}
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      auto: { type: 'boolean' },
      nodes: { type: 'string', default: '12' },
      port: { type: 'string' },
      scenario: { type: 'string' },
      keep: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return void process.stdout.write(USAGE);
  const nodes = wholeNumber('--nodes', values.nodes, 4, 500);
  const port = wholeNumber('--port', values.port ?? '8900', 0, 65_535);
  if (values.scenario !== undefined) scenarioCalled(values.scenario);
  if (values.auto === true && (values.scenario !== undefined || values.port !== undefined)) {
    throw new Error('--auto tells a story of its own, without a page: leave --scenario and --port out.');
  }
  const folder = mkdtempSync(join(tmpdir(), 'ephyra-sandbox-'));
  let keep = values.keep === true;
  const cleanUp = () => {
    if (!keep) rmSync(folder, { recursive: true, force: true });
    else process.stdout.write(`Left behind: ${folder}\n`);
  };
  process.once('exit', cleanUp);

  if (values.auto === true) {
    process.exit(await runAuto({ nodes, folder, out: (line) => void process.stdout.write(`${line}\n`) }));
  }

  const sandbox = await startSandbox({ nodes, masters: 2, port, folder: join(folder, 'hadoop') }).catch((error) => {
    if ((error as { code?: string }).code !== 'EADDRINUSE') throw error;
    throw new Error(`Port ${port} is taken. Choose another: npm run demo -- --port 0`);
  });
  sandbox.stage.activate(values.scenario ?? null);
  const written = await writeConfiguration(sandbox, folder, WATCHABLE);
  const ephyra = new EphyraProcess(written, join(folder, 'ephyra.log'));
  await ephyra.start();
  process.stdout.write(`
The sandbox is up: ${nodes} nodes with Hadoop on them in cp1, an empty cp2, and a Slack to drive Ephyra from.

  Open     ${sandbox.url}
  Type     /ephyra deploy cp1→cp2   as alice, then press Approve as bob
  Metrics  ${ephyra.httpUrl}/metrics
  Log      ${join(folder, 'ephyra.log')}

Ctrl-C ends it.
`);
  const end = async () => {
    await ephyra.terminate();
    await sandbox.close();
    process.exit(0);
  };
  process.once('SIGINT', () => void end());
  process.once('SIGTERM', () => void end());
  ephyra.onExit((code) => {
    // Its log is what tells why.
    keep = true;
    process.stderr.write(
      `Ephyra ended by itself (${code}). Its log: ${join(folder, 'ephyra.log')}\n${ephyra.tail()}\n`,
    );
    process.exit(1);
  });
}

function wholeNumber(name: string, value: string, least: number, most: number): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  throw new Error(`${name} is "${value}"; give a whole number from ${least} to ${most}.`);
}

const isUsage = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');

main().catch((error: unknown) => {
  const said = error instanceof Error ? error.message : String(error);
  const line = isUsage(error) ? `${said.split('. ', 1)[0]}. What there is: npm run demo -- --help` : said;
  process.stderr.write(`${line}\n`);
  process.exit(2);
});
