/** The sum of old and new over time, with the brake and without: one run each. Small enough to need no library. */
import { type Drain, MiB, sizes } from './plan.ts';
import type { Outcome } from './run.ts';

const [width, height, left, top, bottom] = [420, 300, 46, 40, 250];
const mostMib = 1100;
/** Colours that are apart for the colour-blind too (Okabe and Ito). */
const curves: readonly { readonly contender: string; readonly colour: string }[] = [
  { contender: 'brake', colour: '#009e73' },
  { contender: 'none', colour: '#d55e00' },
  { contender: 'high only', colour: '#e69f00' },
  { contender: 'max only', colour: '#0072b2' },
];
const drains: readonly Drain[] = ['steps', 'stall', 'slow'];

/** An SVG document; a panel for each kind of drain, of anonymous memory and four vCPUs. */
export function draw(outcomes: readonly Outcome[]): string {
  const traced = outcomes.filter(({ trace, kind, vcpus, machine }) => {
    return trace !== undefined && kind === 'anon' && vcpus === 4 && machine === 'threads';
  });
  const own = traced.filter(({ whose, loop }) => whose === 'own' && loop === 'free');
  const panels = drains.map((drain, index) => {
    const runs = own.filter((outcome) => outcome.drain === drain);
    return `<g transform="translate(${index * width} 0)">${panel(drain, runs)}</g>`;
  });
  const key = curves.map(({ contender, colour }, index) => legend(contender, colour, left + index * 130));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${drains.length * width} ${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
${panels.join('\n')}
${key.join('\n')}
</svg>
`;
}

function panel(drain: Drain, outcomes: readonly Outcome[]): string {
  const lastMs = Math.max(1000, ...outcomes.map(({ trace }) => trace?.at(-1)?.[0] ?? 0));
  const x = (ms: number): number => left + (ms / lastMs) * (width - left - 20);
  const y = (mib: number): number => bottom - (Math.min(mib, mostMib) / mostMib) * (bottom - top);
  const lines = curves.map(({ contender, colour }) => {
    const trace = outcomes.find((outcome) => outcome.contender === contender)?.trace ?? [];
    const points = trace.map(([ms, old, fresh]) => `${x(ms).toFixed(1)} ${y(old + fresh).toFixed(1)}`);
    return points.length > 1
      ? `<path d="M${points.join('L')}" fill="none" stroke="${colour}" stroke-width="1.5"/>`
      : '';
  });
  const title = `<text x="${left}" y="24" font-weight="bold">old + new, MiB: ${drain}</text>`;
  return [title, axes(x, y, lastMs), ...lines].join('\n');
}

function axes(x: (ms: number) => number, y: (mib: number) => number, lastMs: number): string {
  const rows = [0, 250, 500, 750, 1000].map((mib) => {
    const at = y(mib).toFixed(1);
    return `<path d="M${left} ${at}H${width - 20}" stroke="#dddddd"/><text x="${left - 6}" y="${at}" dy="4" text-anchor="end">${mib}</text>`;
  });
  const bound = y(sizes.boundBytes / MiB).toFixed(1);
  const limit = `<path d="M${left} ${bound}H${width - 20}" stroke="#000000" stroke-dasharray="6 3"/>`;
  const seconds = Array.from({ length: Math.floor(lastMs / 2000) + 1 }, (_, index) => index * 2).map((second) => {
    return `<text x="${x(second * 1000).toFixed(1)}" y="${bottom + 16}" text-anchor="middle">${second} s</text>`;
  });
  return [...rows, limit, ...seconds].join('\n');
}

function legend(contender: string, colour: string, x: number): string {
  const y = height - 14;
  const name = contender === 'none' ? 'no brake' : contender;
  return `<path d="M${x} ${y}h24" stroke="${colour}" stroke-width="2"/><text x="${x + 30}" y="${y + 4}">${name}</text>`;
}
