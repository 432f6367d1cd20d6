import { afterEach, beforeEach, expect, it } from 'vitest';
import { startPageTrial } from './pageTrial.ts';

interface State {
  messages: { ts: string; plain: string; thread_ts?: string; reply_count?: number }[];
  ephemerals: { plain: string }[];
  views: { id: string; errors: Record<string, string> }[];
  connected: number;
}

let trial: Awaited<ReturnType<typeof startPageTrial>>;

beforeEach(async () => {
  trial = await startPageTrial(0);
});

afterEach(() => trial.close());

async function act(action: string, body: object): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  return (await fetch(`${trial.url}/_slack/${action}`, { method: 'POST', headers, body: JSON.stringify(body) })).json();
}

async function seenBy(user: string, what: string, isSo: (state: State) => boolean): Promise<State> {
  for (let tries = 0; tries < 250; tries += 1) {
    const state = (await (await fetch(`${trial.url}/_slack/state?user=${user}`)).json()) as State;
    if (isSo(state)) return state;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`never seen by ${user}: ${what}`);
}

it('lets three people play a deployment through the driver, with nodes that travel', async () => {
  expect(await act('type', { user: 'U0ALICE', text: '/ephyra deploy cp1→cp2' })).toEqual({ ok: true });
  const asked = await seenBy('U0ALICE', 'the card with its thread', (state) => state.messages[0]?.reply_count === 2);
  expect(asked.messages[0]?.plain).toContain('awaiting approval');

  await act('press', { user: 'U0ALICE', text: 'Approve' });
  const refused = await seenBy('U0ALICE', 'the refusal', (state) => state.ephemerals.length === 1);
  expect(refused.ephemerals[0]?.plain).toContain('cannot approve');
  expect((await seenBy('U0BOB', 'nothing', () => true)).ephemerals).toEqual([]);

  expect(await act('press', { user: 'U0BOB', text: 'Approve' })).toEqual({ ok: true });
  await seenBy('U0EVE', 'a card that rolls', (state) => state.messages[0]?.plain.includes('rolling') === true);
  const fleet = (await (await fetch(`${trial.url}/_sandbox/fleet`)).json()) as {
    controlPlanes: { nodes: { claimed: boolean }[] }[];
  };
  expect(fleet.controlPlanes.flatMap((plane) => plane.nodes).some((node) => node.claimed)).toBe(true);
});

it('lets a person fill in a modal, be told what is wrong, and send it again', async () => {
  await act('type', { user: 'U0BOB', text: '/ephyra lock' });
  const { views } = await seenBy('U0BOB', 'the modal', (state) => state.views.length === 1);
  expect((await seenBy('U0EVE', 'no modal', () => true)).views).toEqual([]);
  const submit = (value: string) =>
    act('submit', {
      user: 'U0BOB',
      view_id: views[0]?.id,
      values: { reason: { text: { type: 'plain_text_input', value } } },
    });

  await submit('no');
  const wrong = await seenBy('U0BOB', 'the error', (state) => state.views[0]?.errors['reason'] !== undefined);
  expect(wrong.messages).toEqual([]);
  await submit('on-call incident');
  const done = await seenBy('U0BOB', 'the lock', (state) => state.messages.length === 1);
  expect(done.views).toEqual([]);
  expect(done.messages[0]?.plain).toBe(':lock: @bob locked *cp1*: on-call incident');
});
