/** What the demo writes to; only a terminal can rewrite its lines. */
export interface Screen {
  isTTY?: boolean;
  columns?: number;
  write: (text: string) => unknown;
}

/** Columns as wide as their longest cell. */
export function tableOf(header: string[], rows: string[][]): string {
  const widths = header.map((name, i) =>
    Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const lineOf = (cells: string[]) =>
    `  ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd();
  return [lineOf(header), lineOf(widths.map((width) => '─'.repeat(width))), ...rows.map(lineOf)]
    .map((line) => `${line}\n`)
    .join('');
}

/** Lines of fixed order that change in place; where nothing can be rewritten, each change is a line of its own. */
export class LiveLines {
  readonly #screen: Screen;
  readonly #lines: string[] = [];

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  show(lines: string[]): void {
    const changed = lines.filter((line, i) => line !== this.#lines[i]);
    if (changed.length === 0) return;
    if (this.#screen.isTTY) {
      const up = this.#lines.length > 0 ? `\x1b[${this.#lines.length}A` : '';
      // A line that wraps would take two, and going up would end in the wrong place.
      const room = (this.#screen.columns ?? 80) - 1;
      const cut = (line: string) => (line.length > room ? `${line.slice(0, room - 1)}…` : line);
      this.#screen.write(up + lines.map((line) => `\x1b[2K${cut(line)}\n`).join(''));
    } else this.#screen.write(changed.map((line) => `${line}\n`).join(''));
    this.#lines.splice(0, Infinity, ...lines);
  }
}
