export * from './requests.ts';
export * from './schema.ts';
