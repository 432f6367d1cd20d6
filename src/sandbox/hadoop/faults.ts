import type { Fault, ServiceId } from './model.ts';

/** The faults that are switched on. */
export class Faults {
  readonly #active = new Set<Fault>();

  /** Switches a fault on; the result switches it off. */
  add(fault: Fault): () => void {
    this.#active.add(fault);
    return () => this.#active.delete(fault);
  }

  clear(): void {
    this.#active.clear();
  }

  list(): readonly Fault[] {
    return [...this.#active];
  }

  #some(test: (fault: Fault) => boolean): boolean {
    return [...this.#active].some(test);
  }

  hangs(host: string): boolean {
    return this.#some((f) => f.kind === 'decommission-hangs' && (f.host === undefined || f.host === host));
  }

  neverRegisters(host: string): boolean {
    return this.#some((f) => f.kind === 'never-registers' && f.host === host);
  }

  badDisks(host: string): boolean {
    return this.#some((f) => f.kind === 'unhealthy' && f.host === host);
  }

  missingBlocks(): boolean {
    return this.#some((f) => f.kind === 'unhealthy' && f.host === undefined);
  }

  safeMode(): boolean {
    return this.#some((f) => f.kind === 'safe-mode');
  }

  refreshFails(): boolean {
    return this.#some((f) => f.kind === 'refresh-fails');
  }

  lies(about: 'early' | 'two-actives' | 'short-list'): boolean {
    return this.#some((f) => f.kind === 'lying' && f.about === about);
  }

  silence(service: ServiceId): 'refuse' | 'hang' | null {
    for (const fault of this.#active) {
      if (fault.kind !== 'silent') continue;
      if (fault.service === service || service.startsWith(fault.service)) return fault.how ?? 'refuse';
    }
    return null;
  }
}
