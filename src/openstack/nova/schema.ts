import { z } from 'zod';
import { isRecord, isRecordOf, isText } from '../messages.ts';

const text = z.string().nullable();

// Looked at, not copied: they make up half of what reading a list of servers would cost.
const textMap = z.custom<Record<string, string>>(
  (value) => isRecordOf(value, isText),
  'Invalid input: expected an object of strings',
);
interface Address {
  readonly addr: string;
  readonly 'OS-EXT-IPS:type'?: string;
}
const isAddress = (value: unknown): value is Address => {
  if (!isRecord(value) || !isText(value['addr'])) return false;
  const type = value['OS-EXT-IPS:type'];
  return type === undefined || isText(type);
};
const areAddresses = (value: unknown): value is Address[] => Array.isArray(value) && value.every(isAddress);
/** By network. */
const addresses = z.custom<Record<string, Address[]>>(
  (value) => isRecordOf(value, areAddresses),
  'Invalid input: expected lists of addresses',
);

/** What Ephyra reads of a server in `/servers/detail`, under the API's own names; the rest is not kept. */
export const serverSchema = z.object({
  id: z.string(),
  name: z.string(),
  status: z.string(),
  created: z.string(),
  metadata: textMap,
  addresses,
  /** An empty string for a server that boots from a volume. */
  image: z.union([z.object({ id: z.string() }), z.literal(''), z.null()]).optional(),
  flavor: z.object({ original_name: z.string().optional() }),
  key_name: text.optional(),
  config_drive: z.union([z.string(), z.boolean(), z.null()]).optional(),
  fault: z.object({ message: z.string(), code: z.number().optional() }).optional(),
  tenant_id: z.string().optional(),
  'OS-EXT-STS:task_state': text.optional(),
  'OS-EXT-STS:vm_state': text.optional(),
  'OS-EXT-STS:power_state': z.number().nullish(),
  'OS-EXT-SRV-ATTR:hypervisor_hostname': text.optional(),
  'OS-EXT-SRV-ATTR:host': text.optional(),
  'OS-EXT-SRV-ATTR:user_data': text.optional(),
});
export type Server = z.infer<typeof serverSchema>;

export const flavorSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  vcpus: z.number(),
  ram: z.number(),
  disk: z.number(),
  /** Shown since 2.61, only to those whom the policy lets see them. */
  extra_specs: z.record(z.string(), z.string()).optional(),
});
export type Flavor = z.infer<typeof flavorSchema>;

export const keypairSchema = z.looseObject({
  name: z.string(),
  type: z.string().optional(),
  fingerprint: z.string(),
  public_key: z.string().optional(),
});
export type Keypair = z.infer<typeof keypairSchema>;

const usage = z.looseObject({ limit: z.number(), in_use: z.number(), reserved: z.number() });

/** Limits and use of a project; a limit of -1 is none. */
export const quotaSchema = z.looseObject({ instances: usage, cores: usage, ram: usage });
export type Quota = z.infer<typeof quotaSchema>;

/** The body of a create, under the API's own names. */
export interface CreateServer {
  readonly name: string;
  /** Id of the flavor. */
  readonly flavorRef: string;
  /** Id of the image. */
  readonly imageRef: string;
  readonly networks: readonly { readonly uuid?: string; readonly port?: string; readonly fixed_ip?: string }[];
  readonly key_name?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly config_drive?: boolean;
  /** Base64. */
  readonly user_data?: string;
  /** The Ironic node to boot on: its uuid. */
  readonly hypervisor_hostname?: string;
  readonly availability_zone?: string;
  readonly description?: string;
}
