/** What an incarnation was lent goes back to its owners, once it is proven free or the host was booted anew. */
import { giveBack } from '../host/loans.ts';
import type { Supervisor } from './supervisor.ts';

/** A file that cannot be given back is named in the log and keeps nothing from going on: its owner has root's help at hand. */
export async function returnLoans({ launch, services }: Supervisor): Promise<void> {
  for (const loan of launch.loans) {
    const about = { domain: launch.domain, incarnation: launch.id, path: loan.path, owner: loan.owner };
    try {
      if (!(await giveBack(loan))) services.log.warn(about, 'lent, and by now somebody else has it: left as it is');
    } catch (error) {
      services.log.error({ ...about, err: error }, 'lent, and cannot be given back');
    }
  }
}
