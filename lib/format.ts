/** Sizes, rates and times as people read them: GiB with one decimal, in tables and in sentences alike; and words of others. */

const gib = 1024 ** 3;

/** `300.0 GiB`. */
export function formatBytes(bytes: number): string {
  return `${(bytes / gib).toFixed(1)} GiB`;
}

/** Bytes as `formatBytes` shows them. */
export function shownBytes(bytes: number): number {
  return Number((bytes / gib).toFixed(1)) * gib;
}

/** `24.2 GiB/s`; below 0.1 GiB/s in MiB. */
export function formatRate(bytesPerSecond: number): string {
  if (bytesPerSecond > 0 && bytesPerSecond < gib / 10) return `${(bytesPerSecond / 1024 ** 2).toFixed(1)} MiB/s`;
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `2 ms`, `940 ms`, `21.2 s`, `12 min 5 s`: for what was measured. */
export function formatElapsed(ms: number): string {
  if (Math.round(ms) < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  return formatRemaining(ms);
}

/** `12 s`, `12 min 5 s`: for what is expected; never less than a second. */
export function formatRemaining(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/**
 * Words of a program or a guest, for a log or a terminal: on one line, without characters that steer it or hide (categories
 * Cc and Cf), and not longer than `most`.
 */
export function oneLine(text: string, most: number): string {
  const start = text.slice(0, most + 1).replace(/[\p{Cc}\p{Cf}]+/gu, ' ');
  return text.length <= most ? start : `${start.slice(0, most)}…`;
}
