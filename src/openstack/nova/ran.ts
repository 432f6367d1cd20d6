import { z } from 'zod';
import type { InstanceFacts, InstanceRecipe } from '../../../machines/domain.ts';
import { METADATA } from '../../../machines/domain.ts';

/**
 * What ran in the source is kept in the metadata of the instance that takes its place in the target: the mark is taken off when
 * that has arrived, and an abort has to boot it again. As JSON, in pieces, since Nova takes 255 characters a value.
 */
const PREFIX = 'ephyra_ran_';
const PIECE = /.{1,255}/g;
/** Metadata has a quota. What does not fit is not kept: then what the role says is booted. */
const MOST_PIECES = 8;

const ranSchema = z.object({
  at: z.string().min(1),
  flavor: z.string().nullable(),
  image: z.string().nullable(),
  networks: z.array(z.string()),
  keyName: z.string().nullable(),
  configDrive: z.boolean(),
  /** Metadata that is another one in the target; null: it was not there. */
  metadata: z.record(z.string(), z.string().nullable()),
});

type Metadata = Readonly<Record<string, string>>;

/** The metadata that keeps a recipe; `over` is what the role puts over the metadata of what ran there. */
export function keepRan(recipe: InstanceRecipe, over: Metadata): Metadata {
  const { at, flavor, image, networks, keyName, configDrive } = recipe;
  const metadata = Object.fromEntries(Object.keys(over).map((key) => [key, recipe.metadata[key] ?? null]));
  const ran: Readonly<z.input<typeof ranSchema>> = {
    at,
    flavor,
    image,
    networks: [...networks],
    keyName,
    configDrive,
    metadata,
  };
  const pieces = ascii(JSON.stringify(ran)).match(PIECE) ?? [];
  if (pieces.length > MOST_PIECES) return {};
  return Object.fromEntries(pieces.map((piece, index) => [`${PREFIX}${index + 1}`, piece]));
}

/** What an instance says ran in its place before; null when it does not say. */
export function ranBefore({ name, metadata }: InstanceFacts): InstanceRecipe | null {
  let text = '';
  for (let number = 1; metadata[`${PREFIX}${number}`] !== undefined; number += 1)
    text += metadata[`${PREFIX}${number}`];
  const ran = ranSchema.safeParse(jsonOf(text));
  if (!ran.success) return null;
  const merged = { ...withoutOwn(metadata), ...ran.data.metadata };
  const before = Object.entries(merged).filter((entry): entry is [string, string] => entry[1] !== null);
  return { ...ran.data, name, metadata: Object.fromEntries(before), addresses: [] };
}

const OWN: ReadonlySet<string> = new Set(Object.values(METADATA));

/** What is an instance's without Ephyra. */
export const withoutOwn = (metadata: Metadata): Metadata =>
  Object.fromEntries(Object.entries(metadata).filter(([key]) => !OWN.has(key) && !key.startsWith(PREFIX)));

/** No piece ends within a character. */
const ascii = (json: string): string =>
  json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
