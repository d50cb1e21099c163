/** The answer of ClickHouse when something is wrong: number and name as in its ErrorCodes.cpp, and a sentence. */
export class ClickhouseException extends Error {
  override readonly name = 'ClickhouseException';
  readonly code: number;
  readonly type: string;

  constructor(type: OwnType, message: string);
  constructor(type: string, message: string, code: number);
  constructor(type: string, message: string, code: number = ownCodes[type as OwnType]) {
    super(message);
    this.code = code;
    this.type = type;
  }
}

/** The exceptions that the front itself raises; the engine has hundreds more. */
const ownCodes = {
  BAD_ARGUMENTS: 36,
  NOT_IMPLEMENTED: 48,
  SYNTAX_ERROR: 62,
  CANNOT_DECOMPRESS: 271,
  TIMEOUT_EXCEEDED: 159,
  QUERY_IS_TOO_LARGE: 177,
  TOO_MANY_SIMULTANEOUS_QUERIES: 202,
  ABORTED: 236,
  NOT_ENOUGH_SPACE: 243,
  ACCESS_DENIED: 497,
  UNKNOWN_EXCEPTION: 1002,
} as const;
type OwnType = keyof typeof ownCodes;

/** From HTTPHandler's exceptionCodeToHTTPStatus; what is not here is 500 there too. */
const httpStatuses = new Map<number, number>(
  Object.entries({
    400: [6, 26, 27, 38, 41, 42, 43, 53, 62, 69, 70, 72, 117, 130, 131, 321, 36, 456],
    403: [164, 192, 193, 497, 516],
    404: [46, 47, 50, 56, 60, 63, 73, 81, 115],
    408: [159],
    413: [177],
    501: [48],
    503: [202, 236],
    507: [243],
  }).flatMap(([status, codes]) => codes.map((code): [number, number] => [code, Number(status)])),
);

export function httpStatusOf(exception: ClickhouseException): number {
  return httpStatuses.get(exception.code) ?? 500;
}

/** The body that clients parse: `Code: 60. DB::Exception: … (UNKNOWN_TABLE) (version 26.7.2.1 (chDB))`. */
export function exceptionText(exception: ClickhouseException, version: string): string {
  const { code, message, type } = exception;
  return `Code: ${code}. DB::Exception: ${message} (${type}) (version ${version} (chDB))\n`;
}

/** What the engine threw: `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`. */
export function exceptionFromEngine(error: unknown): ClickhouseException {
  const text = error instanceof Error ? error.message : String(error);
  const match = /^Code: (\d+)\. DB::Exception: (.*) \(([A-Z0-9_]+)\)\s*$/s.exec(text);
  if (match === null) return new ClickhouseException('UNKNOWN_EXCEPTION', text);
  const [, code, message = '', type = ''] = match;
  return new ClickhouseException(type, message, Number(code));
}
