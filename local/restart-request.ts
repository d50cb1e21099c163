import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// A part that dies stops everything: on this machine nobody else would notice. Who kills one on purpose says so first.

const fileOf = (runDir: string, name: string) => join(runDir, `${name}.restart`);

/** Asks the supervisor to start this part again when this very process of it dies. Holds once. */
export function requestRestart(runDir: string, name: string, pid: number): void {
  writeFileSync(fileOf(runDir, name), String(pid));
}

export function withdrawRestart(runDir: string, name: string): void {
  rmSync(fileOf(runDir, name), { force: true });
}

/** Whether somebody has asked so; the request is used up by that. */
export function takeRestartRequest(runDir: string, name: string, pid: number): boolean {
  try {
    return readFileSync(fileOf(runDir, name), 'utf8') === String(pid);
  } catch {
    return false;
  } finally {
    withdrawRestart(runDir, name);
  }
}
