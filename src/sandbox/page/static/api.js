/** POSTs JSON to the sandbox. Never throws: a sandbox that is gone is an outcome, too. */
export async function post(path, body) {
  try {
    const reply = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return await reply.json();
  } catch {
    return { ok: false, error: 'sandbox_unreachable' };
  }
}

/** Listens to server-sent events; `handlers` by event name, `open` and `lost` for the connection. Answers the way to stop. */
export function listen(path, handlers) {
  const source = new EventSource(path);
  source.addEventListener('open', () => handlers.open?.());
  source.addEventListener('error', () => handlers.lost?.());
  for (const [name, handle] of Object.entries(handlers)) {
    if (name !== 'open' && name !== 'lost') source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
  return () => source.close();
}

/** What Slack's words for a failure mean to a person. */
export function explain(error) {
  return (
    {
      operation_timeout: 'Ephyra did not answer in time',
      dispatch_failed: 'Ephyra could not be reached',
      message_not_found: 'This message is gone',
      action_not_found: 'This button is gone',
      sandbox_unreachable: 'The sandbox could not be reached',
    }[error] ?? String(error)
  );
}
