// A process that opens the store named on its command line, says so, and holds it until it is killed or told to close.
import { openStore } from '../../../src/store/index.ts';

const [, , path = '', staleMs = '2000'] = process.argv;

try {
  const store = await openStore(path, {
    staleMs: Number(staleMs),
    onLost: (error) => {
      console.log(`lost ${error.code}`);
      process.exit(3);
    },
  });
  const epoch = await store.update((draft) => {
    draft.epoch += 1;
    return draft.epoch;
  });
  console.log(`holds ${epoch}`);
  process.on('message', async (message) => {
    if (message === 'close') {
      await store.close();
      process.exit(0);
    }
    if (message === 'update') {
      try {
        await store.update((draft) => {
          draft.epoch += 100;
        });
        console.log('updated');
      } catch (thrown) {
        console.log(`refused ${thrown instanceof Error && 'code' in thrown ? thrown.code : thrown}`);
      }
    }
  });
} catch (thrown) {
  console.log(`refused ${thrown instanceof Error && 'code' in thrown ? thrown.code : thrown}`);
  process.exit(2);
}
