import { z } from 'zod';

export const imageSchema = z.looseObject({
  id: z.string(),
  name: z.string().nullable(),
  status: z.string(),
  visibility: z.string().optional(),
});
export type Image = z.infer<typeof imageSchema>;
