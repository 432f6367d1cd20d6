import { Channel } from '../../src/sandbox/people.ts';
import { isEnded } from '../../src/store/state.ts';
import type { DeepReadonly, StoredDeployment } from '../../src/store/types.ts';
import type { Bench } from './bench.ts';
import type { Child, Counted, Pool } from './child.ts';
import { answerInHalves } from './halves.ts';
import type { Target } from './points.ts';

const ALICE = 'U0ALICE';
const BOB = 'U0BOB';
const CHANNEL = 'C0OPSHADOOP';

/** People look so often, in milliseconds. */
const LOOK_MS = 50;
/** After so long without an effect they say it again. */
const REPEAT_MS = 1_500;
/** No cloud waits longer for the next change, however busy the machine is. */
const PATIENCE_MS = 60_000;
/** Where to be killed, in which process of the deployment: the first, the second ... */
export interface Cut {
  readonly target: Target | null;
  readonly ordinal: number | null;
}

export interface Played {
  /** Where each process has killed itself. */
  readonly deaths: readonly string[];
  /**
   * From each death of a process with a deployment under way until the next one first asked a cloud, in milliseconds; what
   * the next one had taken to load is added, though it had loaded before.
   */
  readonly resumes: readonly number[];
  /** Of the first process that was not killed. */
  readonly counted: Counted | null;
  readonly problems: readonly string[];
}

/** A bench with a process before it. */
export class Player {
  readonly #bench: Bench;
  readonly #pool: Pool;
  readonly #channel: Channel;
  #child: Child | null = null;
  #source = 'cp1';

  constructor(bench: Bench, pool: Pool) {
    this.#bench = bench;
    this.#pool = pool;
    this.#channel = new Channel(bench.sandbox.url);
  }

  get story(): string {
    return this.#bench.story.name;
  }

  /** The log of all processes of the last deployment. */
  log: readonly string[] = [];

  async close(): Promise<void> {
    if (this.#child?.alive === true) await this.#child.kill();
    await this.#bench.close();
  }

  /** See {@link Child.remember}. */
  remember(): void {
    this.#child?.remember();
  }

  /**
   * Carries out one deployment, cut off at each of `cuts` in turn, and compares what has become of the world. `fresh`:
   * the first process starts with it; else it has carried out another deployment before.
   */
  async play(cuts: readonly Cut[], fresh: boolean): Promise<Played> {
    const { witness, story, sandbox } = this.#bench;
    const [source, target] = [this.#source, this.#source === 'cp1' ? 'cp2' : 'cp1'];
    const old = new Set(witness.look().deployments.map(({ id }) => id));
    const harmBefore = sandbox.hadoop.harm().length;
    const undo = story.trouble?.(witness.plane(source), witness.plane(target));
    const wentBack = this.#watchReturn(source);
    const want: Want = { source, target, old, abort: false, changedAt: Date.now() };
    const unwatch = witness.onChange(() => {
      want.changedAt = Date.now();
      want.abort ||= story.abortWhen?.(witness.plane(source), witness.plane(target)) === true;
    });
    const middle = cuts.some((cut) => cut.target?.key.startsWith('middle') || cut.ordinal !== null);
    const whole = middle ? answerInHalves(Object.keys(this.#bench.setup.places).map(Number)) : () => undefined;
    const queue = [...cuts];
    const deaths: string[] = [];
    const resumes: number[] = [];
    const problems: string[] = [];
    const logs: string[] = [];

    if (fresh && this.#child?.alive === true) await this.#child.kill();
    if (this.#child?.alive === true) this.#child.arm(this.#setup(queue.shift()));
    else await this.#start(queue.shift());
    let person = newPerson();
    try {
      for (;;) {
        const child = this.#child as Child | null;
        if (child === null) throw new Error('there is no process');
        if (!child.alive) {
          const how = await child.ended;
          logs.push(...child.log);
          if (child.died === null) {
            problems.push(`Ephyra ended by itself (${how}): ${child.log.slice(-3).join(' / ')}`);
            break;
          }
          deaths.push(child.died);
          const diedAt = Date.now();
          const underWay = witness.look().deployments.some((one) => one.startedAt !== null && !isEnded(one));
          await this.#start(queue.shift());
          if (underWay) {
            await until(() => witness.firstCallAt !== null || this.#child?.alive !== true, 20_000);
            const aheadMs = (this.#child as Child | null)?.aheadAt(diedAt) ?? 0;
            // Who has not asked by now has taken this long at least; who was killed before could not.
            const asked = witness.firstCallAt ?? (this.#child?.alive === true ? Date.now() : null);
            if (asked !== null) resumes.push(asked - diedAt + aheadMs);
          }
          person = newPerson();
          continue;
        }
        if (witness.violation !== null) break;
        const record = this.#recordOf(want.old);
        if (record !== undefined && isEnded(record) && this.#told(record)) break;
        if (Date.now() - want.changedAt > PATIENCE_MS) {
          problems.push(
            `after ${PATIENCE_MS / 1000} s in which nothing has changed it is ${record?.state ?? 'not there'} (${record?.note ?? ''})`,
          );
          problems.push(await this.#why());
          break;
        }
        this.#act(person, record, want);
        await sleep(LOOK_MS);
      }
      // Slack hears the last of it after the clouds: those requests are points, too.
      if (problems.length === 0 && witness.violation === null) await this.#quiet();
    } finally {
      unwatch();
      undo?.();
      whole();
    }
    const child = this.#child as Child | null;
    // Killed by the last word to Slack: the next one has to come up all the same.
    if (child !== null && !child.alive && child.died !== null) {
      deaths.push(child.died);
      await this.#start(queue.shift());
      await this.#upOrEnded();
      await this.#quiet();
    }
    const counted = this.#child?.alive === true ? await this.#child.counted() : null;
    logs.push(...(this.#child?.log ?? []));
    this.log = logs;
    witness.output('log', logs.join('\n'));
    witness.output('answer', JSON.stringify(sandbox.slack.core.workspace.messages(CHANNEL)));
    problems.push(...this.#compare(want, harmBefore, wentBack.stop()));
    if (witness.violation !== null) problems.unshift(witness.violation.message);
    const record = this.#recordOf(want.old);
    if (record?.state === 'completed') this.#source = target;
    return { deaths, resumes, counted, problems };
  }

  #setup(cut: Cut | undefined) {
    return {
      ...this.#bench.setup,
      source: this.#source,
      target: cut?.target ?? null,
      ordinal: cut?.ordinal ?? null,
    };
  }

  async #start(cut: Cut | undefined): Promise<void> {
    const { witness, config, env } = this.#bench;
    const child = await this.#pool.take();
    this.#child = child;
    witness.begins();
    child.go(config, env, this.#setup(cut));
  }

  async #upOrEnded(): Promise<void> {
    await until(() => this.#child?.up === true || this.#child?.alive !== true, 20_000);
  }

  #recordOf(old: ReadonlySet<string>): DeepReadonly<StoredDeployment> | undefined {
    return this.#bench.witness.look().deployments.findLast(({ id }) => !old.has(id));
  }

  /** What people do now: they see the channel and what is on disk, and say again what had no effect. */
  #act(person: Person, record: DeepReadonly<StoredDeployment> | undefined, want: Want): void {
    if (this.#child?.up !== true) return;
    if (record === undefined) {
      this.#say(
        person,
        ALICE,
        `/ephyra deploy ${want.source}→${want.target} --nodes ${this.#bench.story.moving.join(',')}`,
      );
      return;
    }
    if (record.approval === null) {
      if (this.#bench.story.button && person.approvals === 0 && record.thread === null) return;
      this.#approve(person);
      return;
    }
    if (want.abort && record.intent !== 'abort' && !isEnded(record)) this.#say(person, BOB, '/ephyra abort');
  }

  #approve(person: Person): void {
    if (!this.#bench.story.button || person.approvals > 1) {
      this.#say(person, BOB, '/ephyra approve');
      return;
    }
    const now = Date.now();
    if (now - person.pressedAt < REPEAT_MS) return;
    person.pressedAt = now;
    person.approvals += 1;
    this.#channel.press(BOB, 'Approve').catch(() => undefined);
  }

  #say(person: Person, user: string, words: string): void {
    const now = Date.now();
    if (person.said === words && now - person.saidAt < REPEAT_MS) return;
    person.said = words;
    person.saidAt = now;
    void this.#bench.sandbox.slack.people.type(user, CHANNEL, words);
  }

  /** What Ephyra itself says of what it waits for. */
  async #why(): Promise<string> {
    const { people, core } = this.#bench.sandbox.slack;
    await people.type(ALICE, CHANNEL, '/ephyra why');
    await sleep(500);
    const said = core.workspace.ephemerals(CHANNEL, ALICE).at(-1);
    return `it says: ${JSON.stringify(said?.blocks ?? said?.text ?? 'nothing')}`;
  }

  /** The card says how it ended. */
  #told(record: DeepReadonly<StoredDeployment>): boolean {
    const { workspace } = this.#bench.sandbox.slack.core;
    if (record.thread === null) return false;
    const card = workspace.message(CHANNEL, record.thread.ts);
    return card !== undefined && new RegExp(record.state.replace('_', ' '), 'i').test(card.text);
  }

  /** Until Slack has heard nothing for a while. */
  async #quiet(): Promise<void> {
    const heard = () => this.#bench.sandbox.slack.counts().reduce((sum, { calls }) => sum + calls, 0);
    let last = heard();
    let since = Date.now();
    while (Date.now() - since < QUIET_MS && this.#child?.alive === true) {
      await sleep(LOOK_MS);
      const now = heard();
      if (now !== last) since = Date.now();
      last = now;
    }
  }

  #watchReturn(source: string): { stop: () => boolean } {
    let left = false;
    let returned = false;
    const stop = this.#bench.witness.plane(source).onChange(({ kind, before, after }) => {
      if (kind === 'node.deleted' && before?.['name'] === 'node-01') left = true;
      if (left && kind === 'node.created' && after?.['name'] === 'node-01') returned = true;
    });
    return {
      stop: () => {
        stop();
        return returned;
      },
    };
  }

  /** What is not as it should be at the end, besides the invariants. */
  #compare({ source, target, old }: Want, harmBefore: number, wentBack: boolean): string[] {
    const { witness, clouds, story, sandbox, definitions } = this.#bench;
    const problems: string[] = [];
    const expect = (what: string, holds: boolean) => {
      if (!holds) problems.push(what);
    };
    const records = witness.look().deployments.filter(({ id }) => !old.has(id));
    const [record] = records;
    expect(`there is one record of it, not ${records.length}`, records.length === 1);
    expect(`it has ended ${story.end}, not ${record?.state} (${record?.note})`, record?.state === story.end);
    const planned = record?.nodes.map(({ name }) => name).join(' ');
    expect(`its nodes are those that were planned, not ${planned}`, planned === story.moving.join(' '));
    const [home, away] = story.end === 'completed' ? [target, source] : [source, target];
    const namesIn = (name: string) =>
      witness
        .plane(name)
        .fleet()
        .nodes.map((node) => node.name ?? '')
        .sort();
    const atHome = witness
      .plane(home)
      .fleet()
      .nodes.filter(({ instance }) => instance?.status === 'ACTIVE');
    const arrived = story.moving.filter((name) => atHome.some((node) => node.name === name && !node.claimed));
    expect(
      `${story.moving.join(', ')} run in ${home}, not ${arrived.join(', ')}`,
      arrived.length === story.moving.length,
    );
    const left = namesIn(away).filter((name) => story.moving.includes(name));
    expect(`nothing of them is left in ${away}, not ${left.join(', ')}`, left.length === 0);
    const all = ['cp1', 'cp2'].flatMap(namesIn);
    expect(`there are ${story.nodes} nodes, not ${all.join(', ')}`, all.length === story.nodes);
    expect(`no node bears a mark, not ${clouds.claimed().join(', ')}`, clouds.claimed().length === 0);
    expect('every definition is whole', clouds.sameAs(definitions));
    const instances = [...witness.mirrors.values()].flatMap((mirror) =>
      [...mirror.instances.values()]
        .filter(({ status }) => status !== 'DELETED')
        .map(({ name }) => `${mirror.name} ${name}`),
    );
    expect(`there are ${story.nodes} instances, not ${instances.join(', ')}`, instances.length === story.nodes);
    const harm = story.application === 'hadoop' ? sandbox.hadoop.harm().slice(harmBefore) : [];
    for (const { host, what, detail } of harm) problems.push(`harm to Hadoop: ${host} ${what}: ${detail}`);
    if (story.happened !== undefined) expect(story.happened, wentBack);
    return problems;
  }
}

/** Slack is told the rest after the end so late at most: it takes a message a second. */
const QUIET_MS = 1_300;

interface Want {
  readonly source: string;
  readonly target: string;
  readonly old: ReadonlySet<string>;
  abort: boolean;
  /** When a cloud last changed. */
  changedAt: number;
}

interface Person {
  said: string;
  saidAt: number;
  pressedAt: number;
  approvals: number;
}

const newPerson = (): Person => ({ said: '', saidAt: 0, pressedAt: 0, approvals: 0 });
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(holds: () => boolean, limitMs: number): Promise<void> {
  const end = Date.now() + limitMs;
  while (!holds() && Date.now() < end) await sleep(LOOK_MS);
}
