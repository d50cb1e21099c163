// npm writes a lock file without the platform packages that the registry at hand does not serve, and
// `npm ci` of npm 11 then refuses it. This completes the entries from what their families say.
//   node tooling/lock-file.mjs          completes package-lock.json
//   node tooling/lock-file.mjs --check  names what is missing and exits 1
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {{version?: string, dev?: boolean, optional?: boolean, os?: string[], cpu?: string[], libc?: string[],
 *   resolved?: string, optionalDependencies?: Record<string, string>}} LockEntry
 * @typedef {{packages: Record<string, LockEntry>}} LockFile
 */

const OS_WORDS = {
  darwin: 'darwin',
  linux: 'linux',
  win32: 'win32',
  windows: 'win32',
  freebsd: 'freebsd',
  android: 'android',
  openharmony: 'openharmony',
};
const CPU_WORDS = {
  x64: 'x64',
  arm64: 'arm64',
  arm: 'arm',
  ia32: 'ia32',
  ppc64: 'ppc64',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
};
const LIBC_WORDS = { gnu: 'glibc', gnueabihf: 'glibc', musl: 'musl', musleabihf: 'musl' };

/**
 * Where Node would find `name` required from the package at `from`; '' is the root.
 * @param {LockFile} lock @param {string} from @param {string} name
 */
function findEntry(lock, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const path = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (lock.packages[path]) return path;
    if (at === '') return undefined;
  }
}

/**
 * Entries of optional dependencies that the lock file does not have.
 * @param {LockFile} lock
 * @returns {{path: string, entry: LockEntry}[]}
 */
export function missingPlatformPackages(lock) {
  const missing = [];
  for (const [parent, { optionalDependencies = {}, dev }] of Object.entries(lock.packages)) {
    for (const [name, range] of Object.entries(optionalDependencies)) {
      if (findEntry(lock, parent, name)) continue;
      const words = name.split(/[/-]/);
      /** @param {Record<string, string>} table */
      const pick = (table) =>
        words.map((word) => table[word]).filter((found) => found !== undefined);
      const [os, cpu, libc] = [pick(OS_WORDS), pick(CPU_WORDS), pick(LIBC_WORDS)];
      if (os.length === 0 && cpu.length === 0) continue; // not a platform package
      missing.push({
        path: `node_modules/${name}`,
        entry: {
          version: range.replace(/^[\^~]/, ''),
          ...(cpu.length > 0 && { cpu }),
          ...(dev && { dev }),
          ...(libc.length > 0 && { libc }),
          optional: true,
          ...(os.length > 0 && { os }),
        },
      });
    }
  }
  return missing;
}

/** Entries that name where they came from: a lock file must work with any registry. @param {LockFile} lock */
export function entriesWithAddress(lock) {
  return Object.entries(lock.packages)
    .filter(([, entry]) => entry.resolved !== undefined)
    .map(([path]) => path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = fileURLToPath(new URL('../package-lock.json', import.meta.url));
  /** @type {LockFile} */
  const lock = JSON.parse(readFileSync(file, 'utf8'));
  const missing = missingPlatformPackages(lock);
  const addressed = entriesWithAddress(lock);
  if (process.argv.includes('--check')) {
    for (const { path } of missing)
      console.error(`package-lock.json lacks ${path}: run npm run lock`);
    for (const path of addressed)
      console.error(`package-lock.json has an address for ${path}: run npm run lock`);
    process.exitCode = missing.length + addressed.length > 0 ? 1 : 0;
  } else {
    for (const { path, entry } of missing) lock.packages[path] = entry;
    for (const path of addressed) delete lock.packages[path]?.resolved;
    lock.packages = Object.fromEntries(
      Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
    console.log(
      `package-lock.json: ${missing.length} platform packages added, ${addressed.length} addresses removed`,
    );
  }
}
