/** What an emulator that ended at once says of a block driver it has not. Pure. */

const sayings = [/Unknown driver '(?<driver>[\w-]+)'/, /Parameter 'driver' does not accept value '(?<driver>[\w-]+)'/];

/** The driver; null: it says something else. Drivers are modules, so that only opening one shows whether it is there. */
export function lackingDriver(said: string | null): string | null {
  const found = sayings.map((saying) => saying.exec(said ?? '')?.groups?.['driver']);
  return found.find((driver) => driver !== undefined) ?? null;
}
