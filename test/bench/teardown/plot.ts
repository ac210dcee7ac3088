/** The figures as a picture: time against size, anonymous 4 KiB pages. Small enough to need no library. */
import type { Results } from './run.ts';
import { spread } from '../statistics.ts';

const width = 460;
const height = 340;
const left = 62;
const bottom = 290;
const top = 44;
const right = 440;

/** Colours that are apart for the colour-blind too (Okabe and Ito). */
const lines: readonly { readonly contender: string; readonly colour: string; readonly dash: string }[] = [
  { contender: 'QEMU, SIGKILL', colour: '#000000', dash: '' },
  { contender: 'QEMU, SIGTERM', colour: '#666666', dash: '5 4' },
  { contender: 'QEMU async-teardown, SIGKILL', colour: '#0072b2', dash: '' },
  { contender: 'libvirt', colour: '#d55e00', dash: '' },
  { contender: 'libvirt async-teardown', colour: '#e69f00', dash: '' },
  { contender: 'domctl fast', colour: '#009e73', dash: '' },
  { contender: 'domctl gentle', colour: '#009e73', dash: '2 4' },
];

const panels = [
  { key: 'lockFreeMs', title: 'stop request to image lock free', from: 0.1 },
  { key: 'backMs', title: 'stop request to memory back', from: 10 },
] as const;

/** An SVG document. Both axes of time are logarithmic; a bar spans p10 to p90. */
export function draw(results: Results): string {
  const body = panels.map(
    (panel, index) => `<g transform="translate(${index * width} 0)">${drawPanel(results, panel)}</g>`,
  );
  const key = lines.map(({ contender, colour, dash }, index) => legend(contender, colour, dash, index));
  const style = 'font-family="sans-serif" font-size="12"';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * width} ${height + 60}" ${style}>
<rect width="100%" height="100%" fill="#ffffff"/>
${body.join('\n')}
${key.join('\n')}
</svg>
`;
}

const decades = 5;
const largestGib = 13;

function drawPanel(results: Results, { key, title, from }: (typeof panels)[number]): string {
  const x = (gib: number): number => left + (gib / largestGib) * (right - left);
  const y = (ms: number): number => bottom - (Math.log10(Math.max(ms, from) / from) / decadesOf(from)) * (bottom - top);
  const text = [`<text x="${left}" y="24" font-weight="bold">${title}</text>`, axes(x, y, from)];
  for (const { contender, colour, dash } of lines) text.push(curve(results, { contender, colour, dash, key, x, y }));
  return text.join('\n');
}

function decadesOf(from: number): number {
  return from < 1 ? decades : 3;
}

function axes(x: (gib: number) => number, y: (ms: number) => number, from: number): string {
  const marks = Array.from({ length: decadesOf(from) + 1 }, (_, power) => from * 10 ** power);
  const rows = marks.map((ms) => {
    const at = y(ms).toFixed(1);
    const word = ms >= 1000 ? `${ms / 1000} s` : `${Number(ms.toPrecision(1))} ms`;
    return `<path d="M${left} ${at}H${right}" stroke="#dddddd"/><text x="${left - 6}" y="${at}" dy="4" text-anchor="end">${word}</text>`;
  });
  const sizes = [1, 4, 8, 12].map((gib) => {
    return `<text x="${x(gib).toFixed(1)}" y="${bottom + 18}" text-anchor="middle">${gib} GiB</text>`;
  });
  return [...rows, ...sizes].join('\n');
}

interface Curve {
  readonly contender: string;
  readonly colour: string;
  readonly dash: string;
  readonly key: 'lockFreeMs' | 'backMs';
  x(gib: number): number;
  y(ms: number): number;
}

function curve({ teardowns }: Results, { contender, colour, dash, key, x, y }: Curve): string {
  const runs = teardowns.filter((each) => each.contender === contender && each.pages === '4k');
  const sizes = [...new Set(runs.map(({ gib }) => gib))].toSorted((a, b) => a - b);
  const points = sizes.map((gib) => ({ gib, ...spread(runs.filter((run) => run.gib === gib).map((run) => run[key])) }));
  const path = points.map(({ gib, median }) => `${x(gib).toFixed(1)} ${y(median).toFixed(1)}`).join('L');
  const bars = points.map(
    ({ gib, p10, p90 }) =>
      `<path d="M${x(gib).toFixed(1)} ${y(p10).toFixed(1)}V${y(p90).toFixed(1)}" stroke="${colour}"/>`,
  );
  const dots = points.map(
    ({ gib, median }) => `<circle cx="${x(gib).toFixed(1)}" cy="${y(median).toFixed(1)}" r="3" fill="${colour}"/>`,
  );
  const line =
    points.length > 1
      ? `<path d="M${path}" fill="none" stroke="${colour}" stroke-dasharray="${dash}" stroke-width="1.5"/>`
      : '';
  return [line, ...bars, ...dots].join('');
}

function legend(contender: string, colour: string, dash: string, index: number): string {
  const [column, row] = [index % 4, Math.floor(index / 4)];
  const [x, y] = [left + column * 220, height + 14 + row * 22];
  return `<path d="M${x} ${y}h24" stroke="${colour}" stroke-dasharray="${dash}" stroke-width="2"/><text x="${x + 30}" y="${y + 4}">${contender}</text>`;
}
