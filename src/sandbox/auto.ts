export async function runAuto(_options: {
  nodes: number;
  folder: string;
  out: (line: string) => void;
}): Promise<number> {
  return 1;
}
