import { mkdirSync } from 'node:fs';
import { drainPending, Session } from 'chdb';
import { ClickhouseException, exceptionFromEngine } from './clickhouse-exception.ts';

interface EngineQuery {
  /** By which `cancel` finds it. */
  id: string;
  statement: string;
  /** Used where the statement names none. */
  format: string;
  database: string | undefined;
  settings: ReadonlyMap<string, string>;
  /** Values for `{name:Type}` in ClickHouse's escaped text form. */
  parameters: ReadonlyMap<string, string>;
}

export interface EngineResult {
  bytes: Uint8Array;
  /** Of the answer; for an insert from a file, of that file. */
  rows: number;
  /** Of these rows in the engine's memory. */
  rowBytes: number;
  elapsedSeconds: number;
}

export interface Engine {
  version: string;
  /** Throws a ClickhouseException. */
  run: (query: EngineQuery) => Promise<EngineResult>;
  cancel: (id: string) => Promise<void>;
  /** Waits for what runs; nothing may be started any more. */
  close: () => Promise<void>;
}

/** Settings of every query that does not set them itself. */
const DEFAULT_SETTINGS = {
  // Servers run in UTC; here the zone of the machine would show.
  session_timezone: 'UTC',
  max_execution_time: '60',
  max_memory_usage: String(4 * 1024 ** 3),
  max_result_bytes: String(256 * 1024 ** 2),
  result_overflow_mode: 'throw',
};

/** Settings that no query can change. */
const FIXED_SETTINGS = {
  // An insert is written before it is answered: a queue in memory would die with the process.
  async_insert: '0',
  // `1 + 1` is no statement for a server.
  implicit_select: '0',
};

/**
 * chDB on a folder, which must be ours alone: the engine keeps no lock. One folder per process at a time (its own
 * limit). Every query gets a connection of its own (0.5 ms), so that settings, parameters, `USE` and temporary tables
 * end with it.
 */
export async function openEngine(dir: string, onFatal: (error: Error) => void): Promise<Engine> {
  mkdirSync(dir, { recursive: true });
  const keepOpen = new Session(dir); // without any connection the engine unloads the tables
  const run = async (query: EngineQuery): Promise<EngineResult> => {
    const session = new Session(dir);
    try {
      await session.queryAsync(preamble(query));
      // The comment keeps `exit` and other words of the terminal client from being obeyed.
      const result = await session.queryAsync(`${query.statement}\n--`, { format: query.format });
      const { rowsRead: rows, bytesRead: rowBytes, elapsed: elapsedSeconds } = result;
      return { bytes: result.bytes(), rows, rowBytes, elapsedSeconds };
    } catch (error) {
      const exception = exceptionFromEngine(error);
      // Nothing works from here on in this process.
      if (/server is shutting down/i.test(exception.message)) onFatal(exception);
      throw exception;
    } finally {
      session.close();
    }
  };

  const plain = {
    format: 'TabSeparatedRaw',
    database: undefined,
    parameters: new Map<string, string>(),
  };
  const ask = (statement: string) =>
    run({ ...plain, id: '', statement, settings: new Map<string, string>() });
  const version = Buffer.from((await ask('SELECT version()')).bytes)
    .toString()
    .trim();
  return {
    version,
    run,
    cancel: async (id) => {
      await ask(`KILL QUERY WHERE Settings['log_comment'] = ${quoteText(id)} ASYNC`);
    },
    close: async () => {
      keepOpen.close();
      await drainPending();
    },
  };
}

/** What must be in force before the statement. `readonly` comes last: it forbids everything else. */
function preamble({ id, database, settings, parameters }: EngineQuery): string {
  const { readonly, ...assignments } = {
    readonly: '0',
    ...DEFAULT_SETTINGS,
    ...Object.fromEntries(settings),
    ...FIXED_SETTINGS,
    ...Object.fromEntries([...parameters].map(([name, value]) => [`param_${name}`, value])),
    log_comment: id,
  };
  const pairs = Object.entries(assignments).map(([name, value]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_.]*$/.test(name))
      throw new ClickhouseException('UNKNOWN_SETTING', `Unknown setting '${name}'.`, 115);
    return `${name} = ${quoteText(value)}`;
  });
  const use = database === undefined ? '' : `USE ${quoteName(database)};`;
  const lock = readonly === '0' ? '' : `; SET readonly = ${quoteText(readonly)}`;
  return `${use} SET ${pairs.join(', ')}${lock}`;
}

const quoteText = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`;
const quoteName = (name: string) => `\`${name.replace(/[\\`]/g, '\\$&')}\``;
