/** Tables in virsh's manner: a space before each cell, two after the widest, a rule of dashes below the header. */

export interface Column {
  readonly title: string;
  /** Sizes stand right-aligned under each other. */
  readonly align?: 'left' | 'right';
}

/** The table, ending in a newline. Nothing is ever cut off. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  );
  const header = renderRow(columns.map(({ title }, index) => title.padEnd(widths[index] ?? 0)));
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width + 3, 0));
  const lines = rows.map((row) =>
    renderRow(row.map((cell, index) => alignCell(cell, widths[index] ?? 0, columns[index]))),
  );
  return [header, rule, ...lines].map((line) => `${line}\n`).join('');
}

function alignCell(cell: string, width: number, column: Column | undefined): string {
  return column?.align === 'right' && cell !== '-' ? cell.padStart(width) : cell.padEnd(width);
}

function renderRow(cells: readonly string[]): string {
  return cells
    .map((cell) => ` ${cell}`)
    .join('  ')
    .trimEnd();
}
